import { randomBytes, scryptSync } from 'node:crypto';
import { createSealer } from './seal.ts';

/**
 * What opens a keystore: a passphrase, or the data key of the installation (32 bytes, base64). Previous data keys open
 * it too, and never seal it.
 */
export type KeystoreSecret = { passphrase: string } | { dataKey: string; previous?: readonly string[] };

/** The keystore cannot be opened; the message says why, and nothing of what is in it. */
export class KeystoreRefused extends Error {
  override readonly name = 'KeystoreRefused';
}

/** RFC 7914: 64 MB and about 0.2 s for each guess. */
const COST = { N: 65_536, r: 8, p: 1 } as const;
const MAX_MEMORY = 128 * 1024 * 1024;
const MAX_CHARS = 1_048_576;
const MIN_PASSPHRASE = 12;

type Kdf = { name: 'scrypt'; salt: string } & typeof COST;

/**
 * The signing keys, sealed as they lie in a file: JSON `{version, kdf?, sealed}`. `sealed` is AES-256-GCM of the set,
 * under the data key, or under a key that scrypt makes of the passphrase.
 * @param keys a JWK set as `createSigner` takes it
 * @throws KeystoreRefused when the passphrase is short
 */
export function sealKeystore(keys: string, secret: KeystoreSecret): string {
  if ('dataKey' in secret) {
    return `${JSON.stringify({ version: 1, sealed: createSealer(secret.dataKey).seal(keys) })}\n`;
  }
  if (secret.passphrase.length < MIN_PASSPHRASE) {
    throw new KeystoreRefused(`the passphrase must have at least ${MIN_PASSPHRASE} characters`);
  }
  const kdf: Kdf = { name: 'scrypt', salt: randomBytes(16).toString('base64url'), ...COST };
  return `${JSON.stringify({ version: 1, kdf, sealed: createSealer(derived(secret.passphrase, kdf.salt)).seal(keys) })}\n`;
}

/** @throws KeystoreRefused */
export function openKeystore(file: string, secret: KeystoreSecret): string {
  return opened(file, secret).text;
}

/**
 * Which data key has sealed a keystore, or that a passphrase has.
 * @throws KeystoreRefused when none of these keys opens it
 */
export function keystoreSeal(
  file: string,
  secret: { dataKey: string; previous?: readonly string[] },
): 'passphrase' | 'present' | 'previous' {
  return read(file).kdf ? 'passphrase' : opened(file, secret).by;
}

function opened(file: string, secret: KeystoreSecret): { text: string; by: 'present' | 'previous' } {
  const { kdf, sealed } = read(file);
  if (kdf && !('passphrase' in secret)) throw new KeystoreRefused('the keystore is sealed with a passphrase');
  if (!kdf && !('dataKey' in secret)) throw new KeystoreRefused('the keystore is sealed with the data key');
  const sealer =
    'dataKey' in secret
      ? createSealer(secret.dataKey, secret.previous)
      : createSealer(derived(secret.passphrase, kdf!.salt));
  const found = sealer.read(sealed);
  if (!found) {
    const tried = kdf
      ? 'the passphrase does not open it'
      : 'the data key does not open it, nor does one of PROKURA_DATA_KEY_PREVIOUS';
    throw new KeystoreRefused(`${tried}, or it was changed`);
  }
  return found;
}

function derived(passphrase: string, salt: string): string {
  const bytes = scryptSync(passphrase.normalize('NFKC'), Buffer.from(salt, 'base64url'), 32, {
    ...COST,
    maxmem: MAX_MEMORY,
  });
  return bytes.toString('base64');
}

function read(file: string): { kdf?: Kdf; sealed: string } {
  let value: unknown;
  try {
    value = file.length > MAX_CHARS ? undefined : JSON.parse(file);
  } catch {
    value = undefined;
  }
  const { version, kdf, sealed } = Object(value) as { version?: unknown; kdf?: unknown; sealed?: unknown };
  if (version !== 1 || typeof sealed !== 'string') throw new KeystoreRefused('it is not a keystore of this version');
  if (kdf === undefined) return { sealed };
  const { name, salt, N, r, p } = Object(kdf) as Record<string, unknown>;
  // Other costs are refused: a file must not choose how much memory it takes to look at it.
  const known = name === 'scrypt' && N === COST.N && r === COST.r && p === COST.p;
  if (!known || typeof salt !== 'string' || !/^[\w-]{22}$/.test(salt)) {
    throw new KeystoreRefused('its passphrase is turned into a key in a way that is not known');
  }
  return { kdf: { name, salt, ...COST }, sealed };
}
