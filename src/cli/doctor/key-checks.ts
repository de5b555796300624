import { createPrivateKey, type JsonWebKey } from 'node:crypto';

const KEY_BYTES = 32;

/**
 * Says which signing key it is.
 * @throws Error when it is no Ed25519 private key as JWK
 */
export function signingKeyId(text: string | undefined): string {
  if (!text) throw new Error('PROKURA_SIGNING_KEY is not set');
  let jwk: JsonWebKey;
  try {
    jwk = JSON.parse(text) as JsonWebKey;
  } catch {
    throw new Error('PROKURA_SIGNING_KEY is not JSON');
  }
  let type: string | undefined;
  try {
    type = createPrivateKey({ key: jwk, format: 'jwk' }).asymmetricKeyType;
  } catch {
    throw new Error('PROKURA_SIGNING_KEY is not a private key as JWK');
  }
  if (type !== 'ed25519') throw new Error(`PROKURA_SIGNING_KEY is a key for ${type}, not for ed25519`);
  return `Ed25519, kid ${typeof jwk['kid'] === 'string' ? jwk['kid'] : '(none)'}`;
}

/**
 * Confirms the length of a symmetric key.
 * @throws Error when it is not 32 bytes in base64
 */
export function dataKeyLength(name: string, text: string | undefined): string {
  if (!text) throw new Error(`${name} is not set`);
  const { length } = Buffer.from(text, 'base64');
  if (length !== KEY_BYTES) throw new Error(`${name} is ${length} bytes in base64, not ${KEY_BYTES}`);
  return `${KEY_BYTES} bytes`;
}
