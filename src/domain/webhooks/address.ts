/** Ports that speak something else than HTTP and would take a request for their own (Fetch Standard, "bad port"). */
const BAD_PORTS = new Set([
  0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
  111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532,
  540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061,
  6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
  // Besides: databases, caches and consoles that are commonly open inside a network.
  2375, 2376, 2379, 3306, 5432, 6379, 9200, 11211, 27017,
]);

/** Why a URL may not be an endpoint; `undefined` when it may. What its name resolves to is judged at each attempt. */
export function refusalOf(text: string, allowClear: boolean): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) return 'must be an http or https URL';
  if (url.username !== '' || url.password !== '') return 'must not contain credentials';
  if (url.hash !== '') return 'must not have a fragment';
  if (url.protocol === 'http:' && !allowClear) return 'must be https';
  if (url.port !== '' && BAD_PORTS.has(Number(url.port))) return `must not use port ${url.port}`;
  return undefined;
}

const TOKEN = /^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/;
/** RFC 9110 field values of visible ASCII and inner spaces: nothing in them can begin another header. */
const VALUE = /^[\x21-\x7e](?:[\x20-\x7e]{0,998}[\x21-\x7e])?$/;
const OURS = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'expect',
  'forwarded',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'via',
]);
const OUR_FAMILIES = /^(?:webhook-|x-signature|x-fidacy-|x-forwarded-|x-prokura-|proxy-|sec-|ce-|:)/;

/** Why a header may not be added to notifications; `undefined` when it may. `name` is in lower case. */
export function headerRefusal(name: string, value: string): string | undefined {
  if (!TOKEN.test(name)) return 'is no name of a header';
  if (OURS.has(name) || OUR_FAMILIES.test(name)) return 'is set by the sender, or could change what is sent';
  if (!VALUE.test(value)) return 'must be 1 to 1000 visible ASCII characters';
  return undefined;
}
