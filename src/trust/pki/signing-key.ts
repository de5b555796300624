import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';

/** The key of an authority cannot sign now: it is not configured, not here, or the service that has it does not answer. */
export class SigningKeyAway extends Error {
  override readonly name = 'SigningKeyAway';
}

export type SignatureScheme = 'ecdsa-sha256' | 'ecdsa-sha384' | 'rsa-sha256';

/** AlgorithmIdentifier of RFC 5758 §3.2 (without parameters) and RFC 4055 §5 (with NULL), in DER. */
export const ALGORITHM: Record<SignatureScheme, { hash: 'sha256' | 'sha384'; der: Buffer }> = {
  'ecdsa-sha256': { hash: 'sha256', der: Buffer.from('300a06082a8648ce3d040302', 'hex') },
  'ecdsa-sha384': { hash: 'sha384', der: Buffer.from('300a06082a8648ce3d040303', 'hex') },
  'rsa-sha256': { hash: 'sha256', der: Buffer.from('300d06092a864886f70d01010b0500', 'hex') },
};

/** A key that signs certificates, lists and answers: it may lie here, or in a key management service. */
export interface SigningKey {
  /** Where it is: `local:<uuid>`, or the ARN of a KMS key. */
  readonly ref: string;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer;
  readonly scheme: SignatureScheme;
  /** @returns the signature as X.509 has it. @throws SigningKeyAway */
  sign(content: Buffer): Promise<Buffer>;
}

const signInPool = promisify(sign) as (hash: string, data: Buffer, key: object) => Promise<Buffer>;

/** @param pem PKCS #8: P-256, P-384 or RSA */
export function localSigningKey(ref: string, pem: string): SigningKey {
  const key = createPrivateKey(pem);
  const publicKey = createPublicKey(key);
  const scheme = schemeOf(publicKey);
  return {
    ref,
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    scheme,
    sign: (content) => signInPool(ALGORITHM[scheme].hash, content, { key, dsaEncoding: 'der' }),
  };
}

/** How a key of this kind signs. @throws SigningKeyAway for kinds that verifiers do not know well enough */
export function schemeOf(key: KeyObject): SignatureScheme {
  const { asymmetricKeyType, asymmetricKeyDetails } = key;
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048) return 'rsa-sha256';
  if (asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ecdsa-sha256';
  if (asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'secp384r1') return 'ecdsa-sha384';
  throw new SigningKeyAway('The key of an authority must be P-256, P-384, or RSA of at least 2048 bits');
}
