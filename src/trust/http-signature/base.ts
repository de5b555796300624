import { isInnerList, parseDictionary, serializeInnerList, serializeItem, type Item } from 'structured-headers';
import { HttpSignatureRefused, type HttpSignature } from './parse.ts';

/** A request as its sender made it. */
export interface HttpMessage {
  method: string;
  /** Absolute, http or https, as the client addressed it. */
  url: string;
  headers: readonly (readonly [name: string, value: string])[];
  /** Empty when there is none. */
  body: Buffer;
}

const MAX_URL = 8_192;
const URL_PARTS = /^(https?):\/\/([^/?#]+)([^?#]*)(\?[^#]*)?$/i;

/**
 * The signature base of a request (RFC 9421 §2.5), one for each spelling of `@signature-params`.
 * @throws HttpSignatureRefused when a component does not exist, is not known, or is named twice
 */
export function signatureBases(message: HttpMessage, { components, paramsTexts }: HttpSignature): string[] {
  const lines: string[] = [];
  const seen = new Set<string>();
  for (const item of components) {
    const identifier = serializeItem(item);
    if (seen.has(identifier)) throw refused(`names ${identifier} twice`);
    seen.add(identifier);
    lines.push(`${identifier}: ${componentValue(message, item, identifier)}`);
  }
  return paramsTexts.map((text) => [...lines, `"@signature-params": ${text}`].join('\n'));
}

/** The value of a header, its lines joined (§2.1); `undefined` when it is absent. */
export function headerValue(message: Pick<HttpMessage, 'headers'>, name: string): string | undefined {
  const values = message.headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
  return values.length === 0 ? undefined : values.map(unfolded).join(', ');
}

function componentValue(message: HttpMessage, [name, params]: Item, identifier: string): string {
  if (typeof name !== 'string' || name !== name.toLowerCase()) throw refused('has a component that is no name');
  if (params.has('req') || params.has('tr')) throw refused(`covers ${identifier}, which no request has`);
  const value = name.startsWith('@') ? derived(message, name, params) : field(message, name, params);
  // A line break inside of a value would let one component pretend to be several.
  if (/[\r\n\0]/.test(value)) throw refused(`covers ${identifier}, which has a line break`);
  // The base is bytes, one for each character: a greater one would be signed as if it were another.
  if (/[^\0-\xff]/.test(value)) throw refused(`covers ${identifier}, which has a character that no header carries`);
  return value;
}

function derived(message: HttpMessage, name: string, params: Item[1]): string {
  const parts = URL_PARTS.exec(message.url);
  if (!parts || !URL.canParse(message.url)) throw refused(`covers ${name}, and the request has no such target`);
  const [, scheme, , path, query] = parts;
  const { host } = new URL(message.url);
  if (params.size > 0 && name !== '@query-param') throw refused(`has a parameter at ${name}`);
  switch (name) {
    case '@method':
      return message.method;
    case '@target-uri':
      return message.url;
    case '@authority':
      return host;
    case '@scheme':
      return scheme!.toLowerCase();
    case '@request-target':
      return `${path || '/'}${query ?? ''}`;
    case '@path':
      return path || '/';
    case '@query':
      return query ?? '?';
    case '@query-param':
      return queryParam(query ?? '', params.get('name'));
    default:
      throw refused(`covers ${name}, which is not known`);
  }
}

/** §2.2.8: exactly one parameter of the name; its value encoded again, spaces as %20. */
function queryParam(query: string, name: unknown): string {
  if (typeof name !== 'string') throw refused('covers @query-param without a name');
  const encode = (text: string) =>
    encodeURIComponent(text).replaceAll(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const values = [...new URLSearchParams(query)].filter(([key]) => encode(key) === name).map(([, value]) => value);
  if (values.length !== 1) throw refused(`covers the query parameter ${name}, which is there ${values.length} times`);
  return encode(values[0]!);
}

function field(message: HttpMessage, name: string, params: Item[1]): string {
  const value = headerValue(message, name);
  if (value === undefined) throw refused(`covers the header ${name}, which is absent`);
  const unknown = [...params.keys()].find((param) => !['key', 'sf', 'bs'].includes(param));
  if (unknown !== undefined) throw refused(`has an unknown parameter at ${name}`);
  if (params.has('bs')) return binary(message, name);
  if (params.has('key')) return dictionaryMember(name, value, params.get('key'));
  if (params.has('sf')) throw refused(`covers ${name} as a structured field; cover it as it is`);
  return value;
}

/** §2.1.3: each line in base64. */
function binary(message: HttpMessage, name: string): string {
  const values = message.headers.filter(([key]) => key.toLowerCase() === name);
  return values.map(([, value]) => `:${Buffer.from(unfolded(value)).toString('base64')}:`).join(', ');
}

/** §2.1.2: one member of a dictionary, in its strict form. */
function dictionaryMember(name: string, value: string, key: unknown): string {
  try {
    const member = parseDictionary(value).get(String(key));
    if (member) return isInnerList(member) ? serializeInnerList(member) : serializeItem(member);
  } catch {
    // Not a dictionary: it has no such member either.
  }
  throw refused(`covers a member of ${name} that is absent`);
}

/** §2.1: outer white space goes, and an obsolete line folding is one space. Linear, whatever is sent. */
function unfolded(value: string): string {
  const lines = value.split('\r\n');
  const folded = lines.slice(1).every((line) => line.startsWith(' ') || line.startsWith('\t'));
  return folded ? trimmed(lines.map(trimmed).join(' ')) : value;
}

function trimmed(text: string): string {
  const isBlank = (i: number) => text[i] === ' ' || text[i] === '\t';
  let [start, end] = [0, text.length];
  while (start < end && isBlank(start)) start++;
  while (end > start && isBlank(end - 1)) end--;
  return text.slice(start, end);
}

function refused(message: string): HttpSignatureRefused {
  return new HttpSignatureRefused('Signature-Input', message);
}

/** Whether the text is an absolute http or https address that a request can have been sent to. */
export function isRequestUrl(url: string): boolean {
  if (url.length > MAX_URL || !URL_PARTS.test(url) || !/^[\x21-\x5b\x5d-\x7e]+$/.test(url) || !URL.canParse(url))
    return false;
  const { username, password } = new URL(url);
  return username === '' && password === '';
}
