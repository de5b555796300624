import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';

/**
 * Seals secrets at rest: AES-256-GCM, 96-bit random nonce (NIST SP 800-38D). The present key seals; former and coming
 * ones only open, so that a key can be exchanged under running processes. A value does not name its key: GCM tells.
 */
export interface Sealer {
  /** Text → `v1.` + base64url(nonce ‖ tag ‖ ciphertext). */
  seal(text: string): string;
  /** @throws SealRefused when no key of ours sealed the value, or it was changed */
  open(sealed: string): string;
  /** @returns the text and which key opens it; `undefined` where `open` throws */
  read(sealed: string): { text: string; by: 'present' | 'previous' } | undefined;
}

/** No key opens the value. The message names settings, and nothing of the value. */
export class SealRefused extends Error {
  override readonly name = 'SealRefused';
  constructor() {
    super(
      'a stored secret is opened neither by PROKURA_DATA_KEY nor by PROKURA_DATA_KEY_PREVIOUS: ' +
        'it was sealed with another key, or changed',
    );
  }
}

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PREFIX = 'v1.';

/**
 * @param dataKey 32 bytes, base64
 * @param previous keys that only open, of the same form
 */
export function createSealer(dataKey: string, previous: readonly string[] = []): Sealer {
  const keys = [dataKey, ...previous].map(bytesOf);
  const read: Sealer['read'] = (sealed) => {
    if (!sealed.startsWith(PREFIX)) return undefined;
    const bytes = Buffer.from(sealed.slice(PREFIX.length), 'base64url');
    for (const [index, key] of keys.entries()) {
      const text = decrypted(key, bytes);
      if (text !== undefined) return { text, by: index === 0 ? 'present' : 'previous' };
    }
    return undefined;
  };
  return {
    seal(text) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', keys[0]!, nonce);
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return `${PREFIX}${Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64url')}`;
    },
    open(sealed) {
      const opened = read(sealed);
      if (!opened) throw new SealRefused();
      return opened.text;
    },
    read,
  };
}

/** Names a data key where it must not be told: 64 bits of a MAC that only the key can make. */
export function dataKeyId(dataKey: string): string {
  return createHmac('sha256', bytesOf(dataKey)).update('prokura data key id v1').digest('hex').slice(0, 16);
}

function bytesOf(key: string): Buffer {
  const bytes = Buffer.from(key, 'base64');
  if (bytes.length !== KEY_BYTES) throw new Error('the data key must be 32 bytes, base64');
  return bytes;
}

function decrypted(key: Buffer, bytes: Buffer): string | undefined {
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES));
  decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
  try {
    return decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
  } catch {
    return undefined;
  }
}
