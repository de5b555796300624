import { createHash } from 'node:crypto';
import { SdJwtFailure } from './failure.ts';

export type JsonObject = Record<string, unknown>;

/** `_sd_alg` values that are read (RFC 9901 §7.1 leaves the set to the verifier); all are of the SHA-2 family. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['sha-256', 'sha256'],
  ['sha-384', 'sha384'],
  ['sha-512', 'sha512'],
]);

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Bytes of a base64url text, or `undefined` when the text is not the only spelling of them (RFC 4648 §3.5): padding,
 * other alphabets and stray bits at the end would let a token be altered without altering what it says.
 */
export function fromBase64url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

/** @throws SdJwtFailure `malformed` when the text is not base64url of UTF-8 JSON */
export function jsonFromBase64url(text: string, what: string): unknown {
  const bytes = fromBase64url(text);
  if (bytes === undefined) throw new SdJwtFailure('malformed', `${what} is not base64url`);
  try {
    return JSON.parse(utf8.decode(bytes)) as unknown;
  } catch {
    throw new SdJwtFailure('malformed', `${what} is not JSON`);
  }
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * base64url of the hash of a text's bytes, as for disclosures, `sd_hash` and `checkout_hash`.
 * @param sdAlg an IANA name as in `_sd_alg`; absent means sha-256 (RFC 9901 §4.1.1)
 * @throws SdJwtFailure `malformed` for another algorithm
 */
export function digestOf(text: string, sdAlg: unknown): string {
  return createHash(requireHash(sdAlg)).update(text).digest('base64url');
}

/** @throws SdJwtFailure `malformed` for an `_sd_alg` that is not read here */
export function requireHash(sdAlg: unknown): string {
  const name = sdAlg === undefined ? 'sha256' : typeof sdAlg === 'string' ? HASHES.get(sdAlg) : undefined;
  if (name === undefined) throw new SdJwtFailure('malformed', '_sd_alg names a hash that is not read here');
  return name;
}
