import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';

/**
 * The one canonical form: RFC 8785 (JCS). Members that are `undefined` are left out, as JSON does.
 * @throws Error on NaN, infinities and lone surrogates, which have no canonical form
 */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new Error('only JSON values have a canonical form');
  return text;
}

/** The one hash: SHA-256, lower-case hexadecimal. */
export function sha256Hex(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

/** SHA-256 as bytes, for columns that hold digests of secrets. */
export function sha256(data: string | Buffer): Buffer {
  return createHash('sha256').update(data).digest();
}
