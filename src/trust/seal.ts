import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** Seals secrets at rest: AES-256-GCM, 96-bit random nonce (NIST SP 800-38D). */
export interface Sealer {
  /** Text → `v1.` + base64url(nonce ‖ tag ‖ ciphertext). */
  seal(text: string): string;
  /** @throws Error when the value was not sealed with this key, or was changed */
  open(sealed: string): string;
}

/** @param dataKey 32 bytes, base64 */
export function createSealer(dataKey: string): Sealer {
  const key = Buffer.from(dataKey, 'base64');
  if (key.length !== 32) throw new Error('the data key must be 32 bytes, base64');
  return {
    seal(text) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return `v1.${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`;
    },
    open(sealed) {
      if (!sealed.startsWith('v1.')) throw new Error('not a sealed value');
      const bytes = Buffer.from(sealed.slice(3), 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12));
      decipher.setAuthTag(bytes.subarray(12, 28));
      return decipher.update(bytes.subarray(28), undefined, 'utf8') + decipher.final('utf8');
    },
  };
}

/** Whether `sealed` was sealed with the key of `sealer`, and not changed since. */
export function opens(sealer: Sealer, sealed: string): boolean {
  try {
    sealer.open(sealed);
    return true;
  } catch {
    return false;
  }
}
