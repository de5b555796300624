import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { calculateJwkThumbprint, importJWK, type JWK, jwtVerify, SignJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { signingKeysFrom, writeKeystore } from '../../src/cli/keystore-file.ts';
import { dataKeyLength, signingKeyId } from '../../src/cli/doctor/key-checks.ts';
import { developmentKeys, developmentKeystore, makeKeys, rotatedSigningKeys } from '../../src/cli/provision/keys.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-keys-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('keys', () => {
  it('are accepted by the settings of production, which refuse to start without them', async () => {
    const env = { PROKURA_ENV: 'production', DATABASE_URL: 'postgres://u:p@localhost/d' };
    expect(() => loadConfig(env)).toThrow('PROKURA_SIGNING_KEY and PROKURA_DATA_KEY');
    expect(loadConfig({ ...env, ...(await makeKeys()) }).PROKURA_ENV).toBe('production');
  });

  it('hold an Ed25519 signing key named by its thumbprint', async () => {
    const jwk = JSON.parse((await makeKeys()).PROKURA_SIGNING_KEY) as JWK;
    expect(jwk.kid).toBe(await calculateJwkThumbprint(jwk));
    const token = await new SignJWT({}).setProtectedHeader({ alg: 'EdDSA' }).sign(await importJWK(jwk));
    const { d: _, ...publicJwk } = jwk;
    await expect(jwtVerify(token, await importJWK(publicJwk))).resolves.toBeDefined();
  });

  it('differ at every making', async () => {
    const [one, other] = [await makeKeys(), await makeKeys()];
    for (const name of Object.keys(one) as (keyof typeof one)[]) expect(one[name]).not.toBe(other[name]);
  });

  it('of development are made once and readable by their owner alone', async () => {
    const file = path.join(folder, 'state', 'keys.json');
    const first = await developmentKeys(file);
    expect(await developmentKeys(file)).toEqual(first);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    rmSync(file);
    expect(await developmentKeys(file)).not.toEqual(first);
  });

  it('of development sign from a keystore, which takes over a key that was kept beside the others', async () => {
    const file = path.join(folder, 'keystore.json');
    const keys = await developmentKeys(path.join(folder, 'state', 'keys.json'));
    const { PROKURA_SIGNING_KEY: kept } = await makeKeys();
    const settings = await developmentKeystore(file, { ...keys, signing_key: kept });
    expect(signingKeysFrom({ ...settings, PROKURA_DATA_KEY: keys.data_key })).toBe(kept);
    expect(await developmentKeystore(file, keys)).toEqual(settings);
    expect(signingKeysFrom({ ...settings, PROKURA_DATA_KEY: keys.data_key })).toBe(kept);
  });

  it('are found in one place, or nothing starts', async () => {
    const { PROKURA_SIGNING_KEY, PROKURA_DATA_KEY } = await makeKeys();
    const from = (settings: object) => () => signingKeysFrom({ PROKURA_DATA_KEY, ...settings });
    expect(from({ PROKURA_SIGNING_KEY })()).toBe(PROKURA_SIGNING_KEY);
    expect(from({})).toThrow('must be set');
    expect(from({ PROKURA_SIGNING_KEY, PROKURA_KEYSTORE: 'x' })).toThrow('not both');
    expect(from({ PROKURA_KEYSTORE: path.join(folder, 'absent') })).toThrow('ENOENT');
    const file = path.join(folder, 'keystore.json');
    writeKeystore(file, PROKURA_SIGNING_KEY, { passphrase: 'correct horse battery' });
    expect(from({ PROKURA_KEYSTORE: file })).toThrow('sealed with a passphrase');
    expect(from({ PROKURA_KEYSTORE: file, PROKURA_KEYSTORE_PASSPHRASE: 'another passphrase' })).toThrow(
      'does not open',
    );
    expect(from({ PROKURA_KEYSTORE: file, PROKURA_KEYSTORE_PASSPHRASE: 'correct horse battery' })()).toBe(
      PROKURA_SIGNING_KEY,
    );
  });

  it('are told from unusable ones by the doctor', async () => {
    const { PROKURA_SIGNING_KEY: signing, PROKURA_DATA_KEY: data } = await makeKeys();
    expect(signingKeyId(signing)).toContain((JSON.parse(signing) as JWK).kid);
    expect(dataKeyLength('PROKURA_DATA_KEY', data)).toBe('32 bytes');
    const { d: _, ...publicOnly } = JSON.parse(signing) as JWK;
    expect(() => signingKeyId(JSON.stringify(publicOnly))).toThrow('not a private key');
    expect(() => signingKeyId('{')).toThrow('not JSON');
    expect(signingKeyId((await rotatedSigningKeys(signing)).publish)).toMatch(/, and 1 that only verify$/);
    expect(() => signingKeyId(`{"keys":[${JSON.stringify(publicOnly)}]}`)).toThrow('not a private key');
    expect(() => signingKeyId(`{"keys":[${signing},{}]}`)).toThrow('key 2 of PROKURA_SIGNING_KEY is not a key');
    expect(() => signingKeyId('{"keys":[]}')).toThrow('empty');
    expect(() => dataKeyLength('PROKURA_DATA_KEY', data.slice(0, 20))).toThrow('15 bytes');
  });
});
