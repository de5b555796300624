import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { publicJwkOf, signingKeysOf } from '../../trust/signing.ts';
import { existsSync } from 'node:fs';
import { keystoreSecret, writeKeystore } from '../keystore-file.ts';
import { readJson, writePrivateJson } from '../private-file.ts';

/** Fresh keys of an installation, in the form that the settings take. */
export interface InstallationKeys {
  /** Ed25519 private key as JWK (RFC 8037), `kid` its RFC 7638 thumbprint; later on a set of keys. */
  PROKURA_SIGNING_KEY: string;
  /** 32 random bytes, base64. */
  PROKURA_DATA_KEY: string;
  /** 32 random bytes, base64. */
  PROKURA_PAYLOAD_KEY: string;
}

/** Makes new keys. Nothing is stored. */
export async function makeKeys(): Promise<InstallationKeys> {
  return {
    PROKURA_SIGNING_KEY: JSON.stringify(await makeSigningKey()),
    PROKURA_DATA_KEY: randomBytes(32).toString('base64'),
    PROKURA_PAYLOAD_KEY: randomBytes(32).toString('base64'),
  };
}

/**
 * The values that PROKURA_SIGNING_KEY takes, one after the other, when a fresh key replaces the present one: first it is
 * published beside it, then it signs. The private half of the former key is gone with the second value; its public half,
 * and those of earlier keys, stay.
 */
export async function rotatedSigningKeys(present: string): Promise<{ publish: string; switch: string }> {
  const [active, ...others] = signingKeysOf(JSON.parse(present));
  const next = await makeSigningKey();
  const former = await Promise.all([active!, ...others].map(publicJwkOf));
  return {
    publish: JSON.stringify({ keys: [active, ...former.slice(1), await publicJwkOf(next)] }),
    switch: JSON.stringify({ keys: [next, ...former] }),
  };
}

/** A fresh key that signs, named by its thumbprint. */
export async function makeSigningKey(): Promise<JWK> {
  const jwk = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' }) as JWK;
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: 'EdDSA', use: 'sig' };
}

/** The secrets of a development start. Payloads stay readable in the Temporal UI there, so it has no payload key. */
export interface DevelopmentKeys {
  data_key: string;
  /** Former and coming ones, apart by commas; written by whoever rotates the key of a checkout. */
  data_key_previous?: string;
  postgres_password: string;
  simulator_notify_secret: string;
}

/** The development keys in `file`, where a start has made them. @throws DamagedFile */
export function readDevelopmentKeys(file: string): DevelopmentKeys | undefined {
  const members = ['data_key', 'postgres_password', 'simulator_notify_secret'] as const;
  const remedy = 'Bring it back from a copy, or start with --reset, which forgets the databases that it opens.';
  return readJson<DevelopmentKeys>({ file, members, remedy });
}

/** Reads the development keys of `file`, or makes them (0600): the same ones at every start until a reset. */
export async function developmentKeys(file: string): Promise<DevelopmentKeys> {
  const known = readDevelopmentKeys(file);
  if (known) return known;
  const fresh = await makeKeys();
  const keys: DevelopmentKeys = {
    data_key: fresh.PROKURA_DATA_KEY,
    postgres_password: randomBytes(24).toString('base64url'),
    simulator_notify_secret: randomBytes(32).toString('base64'),
  };
  writePrivateJson(file, keys);
  return keys;
}

/**
 * The keystore of a development start, made at the first one. A start that kept its signing key beside the others
 * before there were keystores goes on with it.
 * @returns the settings that open it
 */
export async function developmentKeystore(
  file: string,
  keys: DevelopmentKeys & { signing_key?: string },
): Promise<{ PROKURA_KEYSTORE: string }> {
  if (!existsSync(file)) {
    const { PROKURA_KEYSTORE_PASSPHRASE, PROKURA_DATA_KEY = keys.data_key } = process.env;
    const signing = keys.signing_key ?? (await makeKeys()).PROKURA_SIGNING_KEY;
    writeKeystore(file, signing, keystoreSecret({ PROKURA_KEYSTORE_PASSPHRASE, PROKURA_DATA_KEY }));
  }
  return { PROKURA_KEYSTORE: file };
}
