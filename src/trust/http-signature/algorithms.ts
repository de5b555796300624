import { constants, verify, type VerifyKeyObjectInput } from 'node:crypto';
import type { JWK } from 'jose';
import { keyObject, type KeyAlg } from '../public-key.ts';

interface Algorithm {
  key: KeyAlg;
  hash: string | null;
  options: Omit<VerifyKeyObjectInput, 'key'>;
}

/** Of any salt length: §3.3.1 wants 64 bytes, and signers in use take the longest that fits. */
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };

/**
 * HTTP signature algorithms (RFC 9421 §3.3) by name, each for one kind of key, so that none can be confused with
 * another; the symmetric one is left out, since we hold public keys only. `rsa-pss-sha256` is of the Trusted Agent
 * Protocol.
 */
const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  ed25519: { key: 'EdDSA', hash: null, options: {} },
  'ecdsa-p256-sha256': { key: 'ES256', hash: 'sha256', options: { dsaEncoding: 'ieee-p1363' } },
  'ecdsa-p384-sha384': { key: 'ES384', hash: 'sha384', options: { dsaEncoding: 'ieee-p1363' } },
  'rsa-v1_5-sha256': { key: 'RS256', hash: 'sha256', options: {} },
  'rsa-pss-sha512': { key: 'RS256', hash: 'sha512', options: PSS },
  'rsa-pss-sha256': { key: 'RS256', hash: 'sha256', options: PSS },
};

/** For keys of one algorithm `alg` may be left out (§3.2); an RSA key has several, and its signer must say which. */
const BY_KEY: Partial<Record<KeyAlg, string>> = {
  EdDSA: 'ed25519',
  ES256: 'ecdsa-p256-sha256',
  ES384: 'ecdsa-p384-sha384',
};

/** @returns `undefined` when a key of this kind cannot have signed so */
export function algorithmFor(named: string | undefined, key: KeyAlg): string | undefined {
  const name = named ?? BY_KEY[key];
  return name !== undefined && Object.hasOwn(ALGORITHMS, name) && ALGORITHMS[name]!.key === key ? name : undefined;
}

/** @param algorithm from `algorithmFor` */
export function signatureVerifies(algorithm: string, jwk: JWK, base: string, signature: Buffer): boolean {
  const { hash, options } = ALGORITHMS[algorithm]!;
  try {
    return verify(hash, Buffer.from(base, 'latin1'), { ...options, key: keyObject(jwk) }, signature);
  } catch {
    return false;
  }
}
