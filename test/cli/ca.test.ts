import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { refreshLists } from '../../src/activities/certificates/refresh-lists.ts';
import { projectRoot } from '../../src/cli/paths.ts';
import { authoritySettings, loadConfig } from '../../src/config.ts';
import { Authorities } from '../../src/store/certificates/authorities.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

const dataKey = randomBytes(32).toString('base64');
const passphrase = 'correct horse battery';
let folder: string;
let database: TestDatabase;
let authorities: Authorities;
const fresh = () =>
  new Authorities({
    pool: database.pool,
    sealer: createSealer(dataKey),
    settings: authoritySettings(loadConfig({ DATABASE_URL: database.url, PUBLIC_URL: 'http://api.test' })),
  });

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-ca-'));
  database = await createTestDatabase();
  authorities = fresh();
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function ca(args: string[], env: NodeJS.ProcessEnv = { ROOT_KEY_PASSPHRASE: passphrase }) {
  const { PATH, HOME } = process.env;
  const settings = { DATABASE_URL: database.url, PROKURA_DATA_KEY: dataKey, PUBLIC_URL: 'http://api.test' };
  const { exitCode, stdout, stderr } = await execa(
    process.execPath,
    [path.join(projectRoot, 'scripts', 'prokura.mjs'), 'ca', ...args],
    {
      cwd: folder,
      env: { PATH, HOME, PROKURA_STATE_DIR: folder, ...settings, ...env },
      extendEnv: false,
      reject: false,
    },
  );
  return { exitCode, told: stdout + stderr };
}

describe('the authorities', () => {
  it('are made once, by however many processes that start at once', async () => {
    const made = await Promise.all([fresh(), fresh(), fresh(), fresh(), authorities].map((one) => one.issuing()));
    expect(new Set(made.map(({ id }) => id)).size).toBe(1);
    const { rows } = await database.pool.query('SELECT role FROM certificate_authorities ORDER BY role');
    expect(rows.map(({ role }) => role as string)).toEqual(['issuing', 'responder', 'root']);
  });

  it('lets the key of the root be taken offline, and used from its file', async () => {
    const file = path.join(folder, 'root.pem');
    expect(await ca(['export-root-key', '--out', file], {})).toMatchObject({ exitCode: 1 });
    expect(await ca(['export-root-key', '--out', file])).toMatchObject({ exitCode: 0 });
    expect(readFileSync(file, 'utf8')).toContain('ENCRYPTED PRIVATE KEY');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await ca(['export-root-key', '--out', file])).told).toContain('cannot be written');

    const forget = ['forget-root-key', '--exported', file];
    expect((await ca(forget)).told).toContain('has not signed its list');
    await refreshLists({ pool: database.pool, authorities, now: () => new Date() });
    expect((await ca(forget, { ROOT_KEY_PASSPHRASE: 'another passphrase' })).told).toContain('cannot be opened');
    expect(await ca(forget)).toMatchObject({ exitCode: 0 });
    expect((await ca(['show'])).told).toMatch(/^root .* key offline$/m);
    expect((await ca(forget)).told).toContain('not here any more');

    // What the service does every day goes on; another issuing authority needs the file.
    const before = await fresh().issuing();
    expect((await ca(['renew'])).told).toContain('offline');
    expect(await ca(['renew', '--root-key', file])).toMatchObject({ exitCode: 0 });
    const after = await fresh().issuing();
    expect(after.id).not.toBe(before.id);
    const pass = await refreshLists({ pool: database.pool, authorities: fresh(), now: () => new Date() });
    expect(pass).toMatchObject({ failed: [], signed: [expect.stringContaining(after.id)] });
  }, 90_000);
});
