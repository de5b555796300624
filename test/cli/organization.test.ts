import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { projectRoot, statePaths } from '../../src/cli/paths.ts';
import { writePrivateJson } from '../../src/cli/private-file.ts';
import { processRef } from '../../src/cli/provision/processes.ts';
import { SCOPES } from '../../src/domain/access-scopes.ts';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { findLiveApiKey } from '../../src/store/api-keys.ts';
import { listAudit, verifyAudit } from '../../src/store/audit.ts';
import { authenticateClient } from '../../src/store/oauth-clients.ts';
import { provisionOrganization } from '../../src/store/provisioning.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

const dataKey = randomBytes(32).toString('base64');
const PROCESSOR_KEY = 'sk_processor_4242424242';
let folder: string;
let database: TestDatabase;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-organization-'));
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

interface Call {
  env?: NodeJS.ProcessEnv;
  input?: string;
}

/** Runs the command as an operator does, by default with the settings of the test's installation. */
async function prokura(args: string[], { env = settings(), input = '' }: Call = {}) {
  const { PATH, HOME } = process.env;
  const { exitCode, stdout, stderr } = await execa(
    process.execPath,
    [path.join(projectRoot, 'scripts', 'prokura.mjs'), ...args],
    { cwd: folder, env: { PATH, HOME, PROKURA_STATE_DIR: folder, ...env }, extendEnv: false, reject: false, input },
  );
  return { exitCode, stdout, stderr };
}

const settings = (): NodeJS.ProcessEnv => ({ DATABASE_URL: database.url, PROKURA_DATA_KEY: dataKey });

async function json<T = Record<string, string>>(args: string[], call?: Call): Promise<T> {
  const { exitCode, stdout, stderr } = await prokura([...args, '--json'], call);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

const create = (name: string, ...more: string[]) => json(['organization', 'create', '--name', name, ...more]);

/** An organization made without the command. @returns its TypeID */
async function organization(name: string): Promise<string> {
  const { orgId } = await provisionOrganization(database.pool, createSealer(dataKey), { name, mode: 'test' });
  return toTypeId('org', orgId);
}

const ACCOUNT = '--mode test --processor alpha --kind simulator --base-url http://127.0.0.1:9 --priority 10'.split(' ');
/** Arguments of `account add` without the source of the key. */
const account = (org: string, mid = 'shop-1') => ['account', 'add', '--org', org, '--mid', mid, ...ACCOUNT];

async function count(table: 'organizations' | 'mids' | 'audit_entries'): Promise<number> {
  const { rows } = await database.pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`);
  return rows[0]!.n;
}

describe('prokura organization', () => {
  it('makes an organization whose key and client hold every scope, in the mode asked for', async () => {
    const made = await create('Acme', '--mode', 'live');
    const key = await findLiveApiKey(database.pool, made['api_key']!);
    expect(key).toMatchObject({ orgId: parseId(made['org_id']!, 'org'), mode: 'live', scopes: [...SCOPES] });
    expect(made['api_key']).toMatch(/^prk_live_/);
    const client = await authenticateClient(database.pool, made['client_id']!, made['client_secret']!);
    expect(client).toMatchObject({ orgId: key!.orgId, mode: 'live', scopes: [...SCOPES] });
    expect(createSealer(dataKey).open(client!.signingSecretSealed!)).toBe(made['client_secret']);
    expect(await authenticateClient(database.pool, made['client_id']!, `${made['client_secret']}x`)).toBeUndefined();
  });

  it('begins the audit trail with it, without the secrets', async () => {
    const made = await create('Audited');
    const tenant = { orgId: parseId(made['org_id']!, 'org')!, mode: 'test' as const };
    const entries = await listAudit(database.pool, tenant, { order: 'asc', limit: 10 });
    expect(entries).toMatchObject([
      { type: 'organization.created', subject: made['org_id'], body: { name: 'Audited' } },
    ]);
    expect(JSON.stringify(entries)).not.toContain(made['api_key']);
    expect(JSON.stringify(entries)).not.toContain(made['client_secret']);
    expect(await verifyAudit(database.pool, tenant)).toEqual({ entriesChecked: 1 });
  });

  it('shows a person the key once, and lists organizations without it', async () => {
    const { stdout } = await prokura(['organization', 'create', '--name', 'Readable']);
    const [, org, key] = /^Organization +(org_\w+)\n[^]*^API key +(prk_test_\S+)$/m.exec(stdout)!;
    const listed = await prokura(['organization', 'list']);
    expect(listed.stdout).toMatch(new RegExp(`^${org}  active +\\S+  Readable$`, 'm'));
    expect(listed.stdout).not.toContain(key);
    const { organizations } = await json<{ organizations: { org_id: string; name: string }[] }>([
      'organization',
      'list',
    ]);
    expect(organizations).toContainEqual(expect.objectContaining({ org_id: org, name: 'Readable' }));
  });
});

describe('prokura account', () => {
  it.each(['stdin', 'variable'])('adds an account with its key from %s, sealed and audited', async (source) => {
    const org = await organization(`By ${source}`);
    const call: Call =
      source === 'stdin' ? { input: `${PROCESSOR_KEY}\n` } : { env: { ...settings(), KEY: PROCESSOR_KEY } };
    const given = source === 'stdin' ? ['--api-key-stdin'] : ['--api-key-env', 'KEY'];
    const added = await json([...account(org), '--currencies', 'EUR,USD', ...given], call);
    expect(added).toMatchObject({
      mode: 'test',
      processor: 'alpha',
      mid: 'shop-1',
      priority: 10,
      currencies: ['EUR', 'USD'],
    });
    expect(JSON.stringify(added)).not.toContain(PROCESSOR_KEY);

    const { rows } = await database.pool.query<{ api_key_sealed: string }>('SELECT * FROM mids WHERE id = $1', [
      parseId(added['mid_id']!, 'mid'),
    ]);
    expect(rows[0]).toMatchObject({ org_id: parseId(org, 'org'), base_url: 'http://127.0.0.1:9', enabled: true });
    expect(createSealer(dataKey).open(rows[0]!.api_key_sealed)).toBe(PROCESSOR_KEY);
    const tenant = { orgId: parseId(org, 'org')!, mode: 'test' as const };
    const [entry] = await listAudit(database.pool, tenant, { order: 'desc', limit: 1 });
    expect(entry).toMatchObject({ type: 'processor_account.added', subject: added['mid_id'] });
    expect(JSON.stringify(entry)).not.toContain(PROCESSOR_KEY);
  });

  it('lists accounts of both modes in the order in which they are asked, or of one', async () => {
    const org = await organization('Lists');
    const call = { input: PROCESSOR_KEY };
    await json([...account(org, 'second'), '--api-key-stdin'], call);
    await json([...account(org, 'first'), '--priority', '5', '--api-key-stdin'], call);
    await json([...account(org, 'real'), '--mode', 'live', '--api-key-stdin'], call);
    const mids = async (...more: string[]) => {
      const { accounts } = await json<{ accounts: { mid: string }[] }>(['account', 'list', '--org', org, ...more]);
      return accounts.map(({ mid }) => mid);
    };
    expect(await mids()).toEqual(['first', 'second', 'real']);
    expect(await mids('--mode', 'live')).toEqual(['real']);
  });

  it.each([
    [['--api-key-stdin'], 'The key is empty'],
    [[], 'Give the key in one way'],
    [['--api-key-stdin', '--api-key-env', 'KEY'], 'Give the key in one way'],
    [['--api-key-env', PROCESSOR_KEY], 'is not set'],
    [['--api-key-env', 'KEY', '--kind', 'paypal'], 'There is: simulator'],
    [['--api-key-env', 'KEY', '--kind', 'stripe'], 'must be a secret or restricted key'],
    [['--api-key-env', 'KEY', '--currencies', 'EUR,eur'], 'ISO 4217'],
    [['--api-key-env', 'KEY', '--base-url', 'https://user:secret@h'], 'without user, password'],
    [['--api-key-env', 'KEY', '--priority', '-1'], 'lower is asked first'],
    [['--api-key-env', 'KEY', '--org', 'org_00000000000000000000000000'], 'org list'],
  ])('refuses %j readably, stores nothing and repeats no key', async (more, message) => {
    const org = await organization('Refuses');
    const before = await count('mids');
    const env = { ...settings(), KEY: 'sk_other_1' };
    const { exitCode, stdout, stderr } = await prokura([...account(org), ...more], { env });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at |sk_/m);
    expect(await count('mids')).toBe(before);
  });

  it('refuses the same account twice and leaves the first as it was', async () => {
    const org = await organization('Twice');
    await json([...account(org), '--api-key-stdin'], { input: PROCESSOR_KEY });
    const entries = await count('audit_entries');
    const again = await prokura([...account(org), '--api-key-stdin'], { input: 'sk_other_2' });
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain('nothing was changed');
    expect(await count('audit_entries')).toBe(entries);
  });
});

describe('the settings of both', () => {
  const args = ['organization', 'create', '--name', 'Nobody'];

  it.each([
    ['no database', {}, 'Set DATABASE_URL'],
    [
      'a database that is away',
      { DATABASE_URL: 'postgres://u:pw@127.0.0.1:1/d', PROKURA_DATA_KEY: dataKey },
      'cannot be used',
    ],
    ['no URL at all', { DATABASE_URL: 'here', PROKURA_DATA_KEY: dataKey }, 'must be postgres://'],
  ])('are refused readably with %s', async (_, env, message) => {
    const { exitCode, stderr } = await prokura(args, { env });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at |:pw@/m);
  });

  it('must have the data key that the database was sealed with', async () => {
    await organization('Sealed');
    const before = await count('organizations');
    const other = randomBytes(32).toString('base64');
    for (const [key, message] of [
      [undefined, 'Set PROKURA_DATA_KEY'],
      ['c2hvcnQ=', 'is 5 bytes'],
      [other, 'is not the key that'],
    ]) {
      const { exitCode, stderr } = await prokura(args, { env: { ...settings(), PROKURA_DATA_KEY: key } });
      expect(exitCode).toBe(1);
      expect(stderr).toContain(message);
    }
    expect(await count('organizations')).toBe(before);
    await create('Control');
    expect(await count('organizations')).toBe(before + 1);
  });

  it('say what to do about a database without the schema', async () => {
    const bare = new URL(database.url);
    bare.pathname = '/postgres';
    const { stderr } = await prokura(args, { env: { ...settings(), DATABASE_URL: bare.href } });
    expect(stderr).toBe('The database has not the current schema: run `prokura migrate` first.');
  });

  it('come from the start that runs from the state folder, and only for its own database', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'prokura-running-'));
    try {
      const paths = statePaths(dir);
      writePrivateJson(paths.state, { supervisor: processRef(process.pid), programs: [] });
      const url = 'http://127.0.0.1:9';
      const places = { api_url: url, temporal_ui_url: url, temporal_address: '127.0.0.1:9', temporal_namespace: 'x' };
      const credentials = { org_id: 'x', api_key: 'x', client_id: 'x', client_secret: 'x' };
      writePrivateJson(paths.demo, { database_url: database.url, simulator_url: url, ...places, ...credentials });
      writePrivateJson(paths.keys, { data_key: dataKey, postgres_password: 'x', simulator_notify_secret: 'x' });
      const env = { PROKURA_STATE_DIR: dir };
      const made = await json(args, { env });
      expect(await findLiveApiKey(database.pool, made['api_key']!)).toBeDefined();

      const elsewhere = { ...env, DATABASE_URL: `${database.url}?application_name=other` };
      const { exitCode, stderr } = await prokura(args, { env: elsewhere });
      expect({ exitCode, stderr }).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('Set PROKURA_DATA_KEY'),
      });

      writePrivateJson(paths.state, { supervisor: null, programs: [] });
      expect((await prokura(args, { env })).stderr).toContain('Set DATABASE_URL');
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
