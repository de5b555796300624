import { isObject } from '../sd-jwt/encoding.ts';
import { SdJwtFailure } from '../sd-jwt/failure.ts';
import { requireAllowedAlgorithm, verifyJws, type CompactJws } from '../sd-jwt/jws.ts';
import type { KeyRing, VerificationKey } from '../sd-jwt/keys.ts';

/** JWKs (RFC 7517), as a list or a set. */
export type TrustedKeys = readonly unknown[] | { readonly keys: readonly unknown[] };

/** One signature is tried under this many keys at most. */
const MAX_TRIES = 8;

/**
 * Verifies under one of the keys that the caller trusts. A key whose `kid` the header names is the only one that
 * counts; without such a name, keys of the algorithm are tried in turn. Keys that cannot be read are passed over: a
 * trust list may hold keys for other purposes.
 * @throws SdJwtFailure `unknown_key`, `alg_not_allowed` or `invalid_signature`
 */
export function verifyTrusted(jws: CompactJws, keys: TrustedKeys, ring: KeyRing): void {
  requireAllowedAlgorithm(jws);
  const { kid, alg } = jws.header;
  const candidates = namedKeys(listOf(keys), kid)
    .flatMap((jwk) => readable(jwk, ring))
    .filter((key) => key.alg === alg);
  if (candidates.length === 0) throw new SdJwtFailure('unknown_key', 'no trusted key fits the signature');
  let failure: unknown;
  for (const key of candidates.slice(0, MAX_TRIES)) {
    try {
      verifyJws(jws, key);
      return;
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

function listOf(keys: TrustedKeys): readonly unknown[] {
  if (Array.isArray(keys)) return keys as readonly unknown[];
  const set = keys as { keys?: unknown };
  return Array.isArray(set.keys) ? (set.keys as readonly unknown[]) : [];
}

function namedKeys(keys: readonly unknown[], kid: unknown): readonly unknown[] {
  if (typeof kid !== 'string') return keys;
  const named = keys.filter((jwk) => isObject(jwk) && jwk['kid'] === kid);
  return named.length > 0 ? named : keys.filter((jwk) => isObject(jwk) && jwk['kid'] === undefined);
}

function readable(jwk: unknown, ring: KeyRing): VerificationKey[] {
  try {
    return [ring.read(jwk)];
  } catch {
    return [];
  }
}
