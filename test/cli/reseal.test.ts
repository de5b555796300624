import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { examineSecrets } from '../../src/cli/doctor/secrets.ts';
import { writeKeystore } from '../../src/cli/keystore-file.ts';
import { projectRoot } from '../../src/cli/paths.ts';
import { listAudit, verifyAudit } from '../../src/store/audit.ts';
import { provisionOrganization } from '../../src/store/provisioning.ts';
import { enterDataKey, listDataKeys } from '../../src/store/sealed/data-keys.ts';
import { createSealer, dataKeyId } from '../../src/trust/seal.ts';
import { sealedIn } from '../sealed/scan.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

const newKey = () => randomBytes(32).toString('base64');
const [former, next] = [newKey(), newKey()];
const before = createSealer(former);
let database: TestDatabase;
let folder: string;
let tenant: { orgId: string; mode: 'test' };

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-reseal-'));
  database = await createTestDatabase();
  const { orgId } = await provisionOrganization(database.pool, before, { name: 'Rotates', mode: 'test' });
  tenant = { orgId, mode: 'test' };
  await serve(former);
});
afterEach(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

/** What a process does with its keys before anything else. */
async function serve(present: string, previous: string[] = []): Promise<void> {
  const refused = await enterDataKey(database.pool, { present, previous }, createSealer(present, previous));
  expect(refused).toBeUndefined();
}

interface Printed {
  key: string;
  tables: { table: string; resealed: number; already: number; previous: number; unreadable: number }[];
  keystore: { file: string; state: string } | null;
  retired_keys: string[];
  unreadable: { table: string; column: string; id: string }[];
}

function start(args: string[] = [], settings: Record<string, string> = {}) {
  const { PATH, HOME } = process.env;
  return execa(process.execPath, [path.join(projectRoot, 'scripts', 'prokura.mjs'), 'keys', 'reseal', ...args], {
    cwd: folder,
    env: {
      PATH,
      HOME,
      PROKURA_STATE_DIR: folder,
      DATABASE_URL: database.url,
      PROKURA_DATA_KEY: next,
      PROKURA_DATA_KEY_PREVIOUS: former,
      ...settings,
    },
    extendEnv: false,
    reject: false,
  });
}

async function reseal(args: string[] = [], settings?: Record<string, string>) {
  const { exitCode, stdout, stderr } = await start([...args, '--json'], settings);
  return { exitCode, stderr, printed: (stdout === '' ? undefined : JSON.parse(stdout)) as Printed };
}

const doctor = (settings: {
  PROKURA_DATA_KEY: string;
  PROKURA_DATA_KEY_PREVIOUS?: string[];
  PROKURA_KEYSTORE?: string;
}) => examineSecrets({ DATABASE_URL: database.url, PROKURA_KEYSTORE: undefined, ...settings });

async function openedBy(key: string): Promise<number> {
  const sealer = createSealer(key);
  return (await sealedIn(database.pool)).filter(({ sealed }) => sealer.read(sealed)).length;
}

/** Kept answers with a secret each. */
async function answers(count: number): Promise<void> {
  await database.pool.query(
    `INSERT INTO idempotency_keys (org_id, mode, key, fingerprint, status, response)
     SELECT $1, 'test', gen_random_uuid(), 'f', 201, json_build_object('sealed', $2::text) FROM generate_series(1, $3)`,
    [tenant.orgId, before.seal('{"secret":true}'), count],
  );
}

describe('prokura keys reseal', () => {
  it('seals database and keystore anew, tells the trail, and lets the former key go', async () => {
    await answers(3);
    const file = path.join(folder, 'keystore.json');
    writeKeystore(file, '{"keys":[]}', { dataKey: former });
    await serve(next, [former]);
    const keys = { PROKURA_DATA_KEY: next, PROKURA_DATA_KEY_PREVIOUS: [former], PROKURA_KEYSTORE: file };
    expect(await doctor(keys)).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining('previous data key'),
    });

    const { exitCode, printed } = await reseal([], { PROKURA_KEYSTORE: file });
    expect(exitCode).toBe(0);
    expect(printed).toMatchObject({
      key: dataKeyId(next),
      keystore: { state: 'resealed' },
      retired_keys: [dataKeyId(former)],
      unreadable: [],
    });
    expect(printed.tables.find(({ table }) => table === 'idempotency_keys')).toMatchObject({
      resealed: 3,
      previous: 0,
    });
    expect(await openedBy(former)).toBe(0);
    expect(await openedBy(next)).toBeGreaterThan(3);
    expect(await doctor({ PROKURA_DATA_KEY: next, PROKURA_KEYSTORE: file })).toMatchObject({
      status: 'ok',
      detail: expect.stringMatching(/^all \d+ are sealed with the present data key$/),
    });

    const [entry] = await listAudit(database.pool, tenant, { order: 'desc', limit: 1 });
    const resealed = Object.fromEntries(
      printed.tables.filter((table) => table.resealed > 0).map((table) => [table.table, table.resealed]),
    );
    expect(entry).toMatchObject({
      type: 'data_key.resealed',
      actor: 'system:command',
      body: { key: dataKeyId(next), resealed },
    });
    expect(await verifyAudit(database.pool, tenant)).toMatchObject({ entriesChecked: 2 });

    const again = await reseal([], { PROKURA_KEYSTORE: file });
    expect(again.exitCode).toBe(0);
    expect(again.printed.tables.every((table) => table.resealed === 0)).toBe(true);
    expect(again.printed.keystore).toMatchObject({ state: 'present' });
    expect(await verifyAudit(database.pool, tenant)).toMatchObject({ entriesChecked: 2 });
  });

  it('is taken up where it was killed', { timeout: 90_000 }, async () => {
    await answers(60_000);
    await serve(next, [former]);
    const running = start();
    let seen = '';
    running.stderr.on('data', (text: Buffer) => {
      seen += text.toString();
      if (/idempotency_keys: \d+ rows/.test(seen)) running.kill('SIGKILL');
    });
    const { exitCode, signal } = await running;
    expect({ exitCode, signal }).toEqual({ exitCode: undefined, signal: 'SIGKILL' });
    const left = await openedBy(former);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThan(60_000);
    expect((await listDataKeys(database.pool)).map(({ id }) => id)).toContain(dataKeyId(former));

    const again = await reseal();
    expect(again.exitCode).toBe(0);
    const table = again.printed.tables.find((one) => one.table === 'idempotency_keys')!;
    expect(table).toMatchObject({ resealed: left, already: 60_000 - left, previous: 0, unreadable: 0 });
    expect(await openedBy(former)).toBe(0);
  });

  it('changes nothing with a key that no process was started with: it may be mistyped', async () => {
    const kept = await openedBy(former);
    const { exitCode, stderr } = await reseal();
    expect(exitCode).toBe(1);
    expect(stderr).toContain('No process was started with this PROKURA_DATA_KEY yet');
    expect(await openedBy(former)).toBe(kept);
    const counted = await reseal(['--dry-run']);
    expect(counted.exitCode).toBe(0);
    expect(counted.printed.tables.reduce((sum, table) => sum + table.previous, 0)).toBe(kept);
    expect(await openedBy(former)).toBe(kept);
  });

  it('names what no key opens and fails, without a secret in what it says', async () => {
    await serve(next, [former]);
    const { exitCode, printed } = await reseal([], { PROKURA_DATA_KEY_PREVIOUS: newKey() });
    expect(exitCode).toBe(1);
    expect(printed.retired_keys).toEqual([]);
    expect(printed.unreadable).toContainEqual({
      table: 'oauth_clients',
      column: 'signing_secret_sealed',
      id: expect.any(String),
    });
    const told = await start([], { PROKURA_DATA_KEY_PREVIOUS: '' });
    expect(told.exitCode).toBe(1);
    expect(told.stdout).toMatch(/^No key opens oauth_clients\.signing_secret_sealed of \S+\.$/m);
    for (const { sealed } of await sealedIn(database.pool)) expect(told.stdout + told.stderr).not.toContain(sealed);
    expect(told.stdout + told.stderr).not.toContain(next);
    expect(await doctor({ PROKURA_DATA_KEY: next })).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining(`id ${dataKeyId(former)}`),
    });
    expect(await reseal()).toMatchObject({ exitCode: 0 });
  });

  it('lets processes start without a key that is lost, when it is told to', async () => {
    const lost = await reseal(['--abandon-unreadable'], { PROKURA_DATA_KEY_PREVIOUS: '' });
    expect(lost.exitCode).toBe(1);
    expect(lost.printed.unreadable.length).toBeGreaterThan(0);
    expect(lost.printed.retired_keys).toEqual([dataKeyId(former)]);
    await serve(next);
    expect(await doctor({ PROKURA_DATA_KEY: next })).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining('are opened by no data key that is set, the first is'),
    });
  });

  it.each([
    [{ PROKURA_DATA_KEY_PREVIOUS: 'c2hvcnQ=' }, 'must be keys of 32 bytes in base64'],
    [{ PROKURA_DATA_KEY: 'c2hvcnQ=' }, 'is 5 bytes'],
  ])('refuses %j readably', async (settings, message) => {
    const { exitCode, stderr } = await reseal([], settings);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at |c2hvcnQ=/m);
  });
});
