import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { ConfigError, type Config } from '../config.ts';
import type { DataKeys } from '../store/sealed/data-keys.ts';
import { dataKeyLength, signingKeyId } from './doctor/key-checks.ts';
import { KeystoreRefused, keystoreSeal, openKeystore, sealKeystore, type KeystoreSecret } from '../trust/keystore.ts';

type KeySettings = Pick<
  Config,
  | 'PROKURA_SIGNING_KEY'
  | 'PROKURA_KEYSTORE'
  | 'PROKURA_KEYSTORE_PASSPHRASE'
  | 'PROKURA_DATA_KEY'
  | 'PROKURA_DATA_KEY_PREVIOUS'
>;

/**
 * The signing keys of a process, in the form that `createSigner` takes: from the keystore, else from the environment.
 * @throws ConfigError when there are none, or the keystore cannot be opened: nothing starts that could not sign
 */
export function signingKeysFrom(settings: KeySettings): string {
  const { PROKURA_SIGNING_KEY: key, PROKURA_KEYSTORE: file } = settings;
  if (key !== undefined && file !== undefined) {
    throw new ConfigError('Set PROKURA_KEYSTORE or PROKURA_SIGNING_KEY, not both: nobody could tell which key signs.');
  }
  if (key !== undefined) {
    checked(() => signingKeyId(key));
    return key;
  }
  if (file === undefined) {
    throw new ConfigError(
      'PROKURA_KEYSTORE (or PROKURA_SIGNING_KEY) must be set: `prokura keys store create` makes one.',
    );
  }
  try {
    return readKeystore(file, keystoreSecret(settings));
  } catch (error) {
    throw new ConfigError(`The keystore ${file} cannot be used: ${(error as Error).message}.`);
  }
}

/**
 * The data keys of a process, once its symmetric keys have the form that sealing and encrypting need.
 * @throws ConfigError which names the setting and repeats nothing of it
 */
export function dataKeysFrom({
  PROKURA_DATA_KEY: present = '',
  PROKURA_DATA_KEY_PREVIOUS: previous = [],
  PROKURA_PAYLOAD_KEY: payloadKey,
}: Pick<Config, 'PROKURA_DATA_KEY' | 'PROKURA_DATA_KEY_PREVIOUS' | 'PROKURA_PAYLOAD_KEY'>): DataKeys {
  checked(() => dataKeyLength('PROKURA_DATA_KEY', present));
  if (payloadKey) checked(() => dataKeyLength('PROKURA_PAYLOAD_KEY', payloadKey));
  return { present, previous };
}

function checked(check: () => unknown): void {
  try {
    check();
  } catch (error) {
    throw new ConfigError(`${(error as Error).message}: \`prokura keys\` prints new ones in the right form.`);
  }
}

/** What opens the keystore of these settings: the passphrase when there is one, else the data key. @throws KeystoreRefused */
export function keystoreSecret({
  PROKURA_KEYSTORE_PASSPHRASE: passphrase,
  PROKURA_DATA_KEY: dataKey,
  PROKURA_DATA_KEY_PREVIOUS: previous,
}: Pick<
  KeySettings,
  'PROKURA_KEYSTORE_PASSPHRASE' | 'PROKURA_DATA_KEY' | 'PROKURA_DATA_KEY_PREVIOUS'
>): KeystoreSecret {
  if (passphrase !== undefined) return { passphrase };
  if (dataKey !== undefined) return { dataKey, previous };
  throw new KeystoreRefused('neither PROKURA_KEYSTORE_PASSPHRASE nor PROKURA_DATA_KEY is set');
}

/** @throws KeystoreRefused, or what reading the file throws */
export function readKeystore(file: string, secret: KeystoreSecret): string {
  return openKeystore(readFileSync(file, 'utf8'), secret);
}

/** What {@link resealKeystore} found, or did. */
export type KeystoreState = 'passphrase' | 'present' | 'previous' | 'resealed';

/**
 * Seals a keystore that a previous data key has sealed with the present one.
 * @throws KeystoreRefused, or what reading or writing the file throws
 */
export function resealKeystore(
  file: string,
  secret: { dataKey: string; previous: readonly string[] },
  { dryRun = false }: { dryRun?: boolean } = {},
): KeystoreState {
  const sealedBy = keystoreSeal(readFileSync(file, 'utf8'), secret);
  if (sealedBy !== 'previous' || dryRun) return sealedBy;
  writeKeystore(file, readKeystore(file, secret), secret);
  return 'resealed';
}

/** Writes it whole or not at all, readable by its owner alone. */
export function writeKeystore(file: string, keys: string, secret: KeystoreSecret): void {
  const draft = `${file}.${process.pid}.tmp`;
  writeFileSync(draft, sealKeystore(keys, secret), { mode: 0o600, flag: 'wx' });
  renameSync(draft, file);
}
