/** Deeper is no certificate. */
const MAX_DEPTH = 24;
const [INTEGER, BIT_STRING, SEQUENCE, VERSION] = [0x02, 0x03, 0x30, 0xa0];

interface Value {
  tag: number;
  /** Of the whole value, and of its content. */
  start: number;
  content: number;
  end: number;
}

/**
 * Whether bytes are a certificate or a revocation list in the one encoding that it has: DER to the last length (ITU-T
 * X.690 §10.1), the algorithm outside equal to the signed one inside (RFC 5280 §4.1.1.2, §5.1.1.2), the signature
 * without spare bits, the serial number of a certificate positive
 * (RFC 5280 §4.1.2.2: the parser reads -1 as 255, and a list of what is revoked names the one or the other). The parser below takes what it can make sense of, and these bytes are not covered by the signature.
 */
export function isSignedDer(bytes: Uint8Array, kind: 'certificate' | 'crl'): boolean {
  const whole = valueAt(bytes, 0, bytes.length);
  if (whole?.tag !== SEQUENCE || whole.end !== bytes.length) return false;
  const [body, algorithm, signature, ...more] = childrenOf(bytes, whole) ?? [];
  if (!body || !algorithm || signature?.tag !== BIT_STRING || more.length > 0) return false;
  const fields = body.tag === SEQUENCE ? childrenOf(bytes, body) : undefined;
  if (!fields) return false;
  const versioned = fields[0]?.tag === (kind === 'certificate' ? VERSION : INTEGER);
  const inside = fields[(kind === 'certificate' ? 1 : 0) + (versioned ? 1 : 0)];
  const same = inside && Buffer.from(sliceOf(bytes, inside)).equals(sliceOf(bytes, algorithm));
  if (!same || bytes[signature.content] !== 0) return false;
  const serial = fields[versioned ? 1 : 0];
  if (kind === 'certificate' && !(serial?.tag === INTEGER && isPositive(bytes, serial))) return false;
  return !isEcdsa(bytes, algorithm) || isPairOfIntegers(bytes.subarray(signature.content + 1, signature.end));
}

/** 1.2.840.10045.4: the signature is a value of its own, r and s. */
function isEcdsa(bytes: Uint8Array, algorithm: Value): boolean {
  return Buffer.from(sliceOf(bytes, algorithm)).includes(Buffer.from('2a8648ce3d04', 'hex'));
}

function isPairOfIntegers(bytes: Uint8Array): boolean {
  const pair = valueAt(bytes, 0, bytes.length);
  if (pair?.tag !== SEQUENCE || pair.end !== bytes.length) return false;
  const numbers = childrenOf(bytes, pair) ?? [];
  return numbers.length === 2 && numbers.every((number) => number.tag === INTEGER && isPositive(bytes, number));
}

function isPositive(bytes: Uint8Array, { content, end }: Value): boolean {
  const [first, second] = [bytes[content]!, bytes[content + 1] ?? 0];
  return end > content && first < 0x80 && (first !== 0 || second >= 0x80);
}

function sliceOf(bytes: Uint8Array, { start, end }: Value): Uint8Array {
  return bytes.subarray(start, end);
}

/** The value that begins at `start`, all that is in it looked at; `undefined` when it is not DER or passes `limit`. */
function valueAt(bytes: Uint8Array, start: number, limit: number, depth = 0): Value | undefined {
  const tag = bytes[start];
  const first = bytes[start + 1];
  // Tags of several bytes do not occur in certificates.
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f || depth > MAX_DEPTH) return undefined;
  const long = first >= 0x80 ? first - 0x80 : 0;
  if (first === 0x80 || long > 4) return undefined;
  let length = long === 0 ? first : 0;
  for (const byte of bytes.subarray(start + 2, start + 2 + long)) length = length * 256 + byte;
  if (long > 0 && (length < 0x80 || length < 256 ** (long - 1))) return undefined;
  const content = start + 2 + long;
  const value = { tag, start, content, end: content + length };
  if (value.end > limit) return undefined;
  return (tag & 0x20) === 0 || childrenOf(bytes, value, depth) ? value : undefined;
}

function childrenOf(bytes: Uint8Array, { content, end }: Value, depth = 0): Value[] | undefined {
  const children: Value[] = [];
  for (let at = content; at < end;) {
    const child = valueAt(bytes, at, end, depth + 1);
    if (!child) return undefined;
    children.push(child);
    at = child.end;
  }
  return children;
}
