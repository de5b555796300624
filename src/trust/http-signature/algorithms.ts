import { constants, createHmac, timingSafeEqual, verify, type VerifyKeyObjectInput } from 'node:crypto';
import type { JWK } from 'jose';
import { keyAlgOf, keyObject, type KeyAlg } from '../public-key.ts';

/** `HS256`: a shared secret. No registered key is of this kind, so that only `algorithmForJwk` comes upon it. */
type Kind = KeyAlg | 'HS256';

interface Algorithm {
  key: Kind;
  hash: string | null;
  options: Omit<VerifyKeyObjectInput, 'key'>;
}

/** Of any salt length: §3.3.1 wants 64 bytes, and signers in use take the longest that fits. */
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };

/**
 * HTTP signature algorithms (RFC 9421 §3.3) by name, each for one kind of key, so that none can be confused with
 * another. `rsa-pss-sha256` is of the Trusted Agent Protocol.
 */
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  ed25519: { key: 'EdDSA', hash: null, options: {} },
  'ecdsa-p256-sha256': { key: 'ES256', hash: 'sha256', options: { dsaEncoding: 'ieee-p1363' } },
  'ecdsa-p384-sha384': { key: 'ES384', hash: 'sha384', options: { dsaEncoding: 'ieee-p1363' } },
  'rsa-v1_5-sha256': { key: 'RS256', hash: 'sha256', options: {} },
  'rsa-pss-sha512': { key: 'RS256', hash: 'sha512', options: PSS },
  'rsa-pss-sha256': { key: 'RS256', hash: 'sha256', options: PSS },
  'hmac-sha256': { key: 'HS256', hash: 'sha256', options: {} },
};

/** For keys of one algorithm `alg` may be left out (§3.2); an RSA key has several, and its signer must say which. */
const BY_KEY: Partial<Record<Kind, string>> = {
  EdDSA: 'ed25519',
  ES256: 'ecdsa-p256-sha256',
  ES384: 'ecdsa-p384-sha384',
  HS256: 'hmac-sha256',
};

/** The `alg` of an RSA key (RFC 7518 §3.1) that is an algorithm here: such a key serves no other. */
const BY_RSA_ALG: Readonly<Record<string, string>> = {
  PS256: 'rsa-pss-sha256',
  PS512: 'rsa-pss-sha512',
  RS256: 'rsa-v1_5-sha256',
};

/** @returns `undefined` when a key of this kind cannot have signed so */
export function algorithmFor(named: string | undefined, key: Kind): string | undefined {
  const name = named ?? BY_KEY[key];
  return name !== undefined && Object.hasOwn(ALGORITHMS, name) && ALGORITHMS[name]!.key === key ? name : undefined;
}

/**
 * As `algorithmFor`, under a key that somebody else chose, shared secrets among them. Where neither the signature nor
 * an RSA key names the algorithm, it is that of the standard's own examples, `rsa-pss-sha512` (B.2.1).
 */
export function algorithmForJwk(named: string | undefined, jwk: JWK): string | undefined {
  const kind = jwk.kty === 'oct' ? 'HS256' : keyAlgOf(jwk);
  if (kind === undefined) return undefined;
  if (kind !== 'RS256') return algorithmFor(named, kind);
  const own = Object.hasOwn(BY_RSA_ALG, jwk.alg ?? '') ? BY_RSA_ALG[jwk.alg!] : undefined;
  return own !== undefined && named !== undefined && named !== own
    ? undefined
    : algorithmFor(named ?? own ?? 'rsa-pss-sha512', kind);
}

/** @param algorithm from `algorithmFor` or `algorithmForJwk`, of this very key */
export function signatureVerifies(algorithm: string, jwk: JWK, base: string, signature: Buffer): boolean {
  const { key, hash, options } = ALGORITHMS[algorithm]!;
  const data = Buffer.from(base, 'latin1');
  try {
    if (key === 'HS256') {
      const mac = createHmac(hash!, Buffer.from(jwk.k!, 'base64url')).update(data).digest();
      return jwk.kty === 'oct' && signature.length === mac.length && timingSafeEqual(signature, mac);
    }
    return verify(hash, data, { ...options, key: keyObject(jwk) }, signature);
  } catch {
    return false;
  }
}
