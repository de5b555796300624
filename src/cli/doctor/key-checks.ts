import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { signingKeysOf } from '../../trust/signing.ts';

const KEY_BYTES = 32;

/**
 * Says which key signs, and how many others are published beside it.
 * @throws Error when it is no Ed25519 private key as JWK, and no set of Ed25519 keys that begins with a private one
 */
export function signingKeyId(text: string | undefined): string {
  if (!text) throw new Error('PROKURA_SIGNING_KEY is not set');
  let setting: unknown;
  try {
    setting = JSON.parse(text);
  } catch {
    throw new Error('PROKURA_SIGNING_KEY is not JSON');
  }
  const [active, ...others] = signingKeysOf(setting) as JsonWebKey[];
  checkKey('PROKURA_SIGNING_KEY', 'a private key', () => createPrivateKey({ key: active!, format: 'jwk' }));
  for (const [index, key] of others.entries()) {
    checkKey(`key ${index + 2} of PROKURA_SIGNING_KEY`, 'a key', () => createPublicKey({ key, format: 'jwk' }));
  }
  const beside = others.length === 0 ? '' : `, and ${others.length} that only verify`;
  return `Ed25519, kid ${typeof active!['kid'] === 'string' ? active!['kid'] : '(none)'}${beside}`;
}

function checkKey(name: string, what: string, read: () => KeyObject): void {
  let type: string | undefined;
  try {
    type = read().asymmetricKeyType;
  } catch {
    throw new Error(`${name} is not ${what} as JWK`);
  }
  if (type !== 'ed25519') throw new Error(`${name} is a key for ${type}, not for ed25519`);
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
