import type { JWK } from 'jose';
import { parseVerifierKey } from '../trust/checkpoint.ts';
import { keyAlgOf } from '../trust/public-key.ts';
import { isObject } from './input.ts';

/** The public keys in a JWK Set, a list of JWKs, one JWK, or an object of JWKs by key id; `undefined` when it is none. */
export function keysIn(value: unknown): JWK[] | undefined {
  if (Array.isArray(value)) return value.every(isJwk) ? value : undefined;
  if (!isObject(value)) return undefined;
  if (Array.isArray(value['keys'])) return keysIn(value['keys']);
  if (isJwk(value)) return [value];
  const named = Object.entries(value);
  if (named.length === 0 || !named.every(([, key]) => isJwk(key))) return undefined;
  return named.map(([kid, key]) => ({ ...(key as JWK), kid }));
}

function isJwk(value: unknown): value is JWK {
  return isObject(value) && typeof value['kty'] === 'string';
}

/**
 * Ed25519 public keys, 32 bytes each, given as JWKs, as key of a signed note, as `whpk_…`, or as base64; `undefined`
 * when there is none. Keys of other types in a set are passed over.
 */
export function ed25519In(value: unknown): Buffer[] | undefined {
  if (typeof value === 'string') {
    const note = parseVerifierKey(value);
    if (note) return [note];
    const text = value.replace(/^whpk_/, '');
    return /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? [Buffer.from(text, 'base64')] : undefined;
  }
  const keys = (keysIn(value) ?? [])
    .filter((key) => keyAlgOf(key) === 'EdDSA')
    .map(({ x }) => (typeof x === 'string' ? Buffer.from(x, 'base64url') : Buffer.alloc(0)))
    .filter((bytes) => bytes.length === 32);
  return keys.length > 0 ? keys : undefined;
}
