import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint, errors, importJWK, type CryptoKey, type JWK } from 'jose';
import { canonicalJson } from './canonical.ts';

/** How long a verifier may keep the published keys, seconds: a new key is published at least this long before it signs. */
export const KEYS_MAX_AGE_SECONDS = 300;

/** The private key cannot be used now: what needs its signature is not done. */
export class SignerAway extends Error {
  override readonly name = 'SignerAway';
  /** By this the API tells an absent dependency from a defect. */
  readonly code = 'SIGNER_AWAY';
}

/**
 * Where one Ed25519 private key is: in memory, or in a device or service that gives signatures and never the key. An
 * adapter of a key service implements this, and `createSigner` does the rest.
 */
export interface KeyHolder {
  readonly publicJwk: JWK;
  /** Pure Ed25519 (RFC 8032) over the bytes, 64 bytes. Whatever it throws is told as `SignerAway`. */
  sign(bytes: Buffer): Buffer | Promise<Buffer>;
}

/** Signs what the system vouches for, and verifies what it has vouched for. The private key stays behind this port. */
export interface Signer {
  /** RFC 7638 thumbprint of the public key that signs. */
  readonly kid: string;
  readonly publicJwk: JWK;
  /** Every published key: the one that signs first, then those that only verify (the next one, and former ones). */
  readonly publicJwks: readonly JWK[];
  /**
   * Compact JWS (RFC 7515), `alg: EdDSA` (RFC 8037), payload in RFC 8785 form.
   * @throws SignerAway
   */
  signJws(payload: object, options?: { typ?: string }): Promise<string>;
  /** Raw Ed25519 signature, base64url. @throws SignerAway */
  signDetached(bytes: string | Buffer): Promise<string>;
  /**
   * The key that a protected header names, for functions of jose; imported once.
   * @throws JWKSNoMatchingKey of jose when no published key has that `kid`
   */
  readonly keyOf: (header: { kid?: string }) => CryptoKey;
}

/**
 * A signer on local Ed25519 keys.
 * @param text one private JWK, or a JWK set (JSON): its first key is private and signs, all others only verify
 */
export async function createSigner(text: string): Promise<Signer> {
  const [first, ...others] = signingKeysOf(JSON.parse(text));
  return createSignerOn(await localKey(first!), others);
}

/**
 * One key in the memory of this process.
 *
 * Signs with `node:crypto` directly: one Ed25519 signature on the caller's thread costs about 0.05 ms, less than the
 * hop to WebCrypto's pool that a JOSE library would take for each of the verdicts on the authorize path.
 */
async function localKey(jwk: JWK): Promise<KeyHolder> {
  const key: KeyObject = createPrivateKey({ key: jwk as Record<string, string>, format: 'jwk' });
  return { publicJwk: await publicJwkOf(jwk), sign: (bytes) => sign(null, bytes, key) };
}

/** A signer on a key wherever it is, beside which `others` are published: the next one, and former ones. */
export async function createSignerOn(holder: KeyHolder, others: JWK[] = []): Promise<Signer> {
  const publicJwks = await Promise.all([holder.publicJwk, ...others].map(publicJwkOf));
  const imported = new Map<string, CryptoKey>();
  for (const jwk of publicJwks) {
    if (imported.has(jwk.kid!)) throw new Error(`the signing key ${jwk.kid} is given twice`);
    imported.set(jwk.kid!, (await importJWK(jwk, 'EdDSA')) as CryptoKey);
  }
  const publicJwk = publicJwks[0]!;
  const kid = publicJwk.kid!;
  const signDetached = async (bytes: string | Buffer) => {
    try {
      const signature = await holder.sign(typeof bytes === 'string' ? Buffer.from(bytes) : bytes);
      if (signature.length !== 64) throw new Error('that is no Ed25519 signature');
      return signature.toString('base64url');
    } catch (error) {
      throw new SignerAway('the signing key cannot be used', { cause: error });
    }
  };
  return {
    kid,
    publicJwk,
    publicJwks,
    signDetached,
    async signJws(payload, { typ } = {}) {
      const header = base64url(canonicalJson({ alg: 'EdDSA', kid, typ }));
      const input = `${header}.${base64url(canonicalJson(payload))}`;
      return `${input}.${await signDetached(input)}`;
    },
    keyOf(header) {
      const key = header.kid === undefined ? undefined : imported.get(header.kid);
      if (!key) throw new errors.JWKSNoMatchingKey();
      return key;
    },
  };
}

/** The keys of a setting, one JWK or a set of them; the first is the one that signs. */
export function signingKeysOf(setting: unknown): JWK[] {
  const { keys } = Object(setting) as { keys?: unknown };
  if (keys === undefined) return [setting as JWK];
  if (!Array.isArray(keys) || keys.length === 0) throw new Error('the set of signing keys is empty');
  return keys as JWK[];
}

/** The public half of an Ed25519 key, named by its thumbprint, as it is published. */
export async function publicJwkOf(jwk: JWK): Promise<JWK> {
  const key = createPublicKey({ key: jwk as Record<string, string>, format: 'jwk' });
  if (key.asymmetricKeyType !== 'ed25519') throw new Error('a signing key must be an Ed25519 key');
  const exported = key.export({ format: 'jwk' }) as JWK;
  return { ...exported, kid: await calculateJwkThumbprint(exported), alg: 'EdDSA', use: 'sig' };
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url');
}
