import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { examine } from '../../src/cli/doctor/examine.ts';
import { projectRoot } from '../../src/cli/paths.ts';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { findLiveApiKey } from '../../src/store/api-keys.ts';
import { listAudit, verifyAudit } from '../../src/store/audit.ts';
import { authenticateClient } from '../../src/store/oauth-clients.ts';
import { provisionOrganization } from '../../src/store/provisioning.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

const dataKey = randomBytes(32).toString('base64');
let folder: string;
let database: TestDatabase;
let org: string;
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-credentials-'));
  database = await createTestDatabase();
  const sealer = createSealer(dataKey);
  org = toTypeId('org', (await provisionOrganization(database.pool, sealer, { name: 'Acme', mode: 'test' })).orgId);
});
afterAll(async () => {
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

async function prokura(...args: string[]) {
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, PROKURA_STATE_DIR: folder, DATABASE_URL: database.url, PROKURA_DATA_KEY: dataKey };
  const command = [path.join(projectRoot, 'scripts', 'prokura.mjs'), ...args];
  return execa(process.execPath, command, { cwd: folder, env, extendEnv: false, reject: false, input: '' });
}

async function json<T = Record<string, string>>(...args: string[]): Promise<T> {
  const { exitCode, stdout, stderr } = await prokura(...args, '--json');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

const createKey = (...more: string[]) => json('key', 'create', '--org', org, '--name', 'shop', ...more);
const trail = async (mode: 'test' | 'live') =>
  listAudit(database.pool, { orgId: parseId(org, 'org')!, mode }, { order: 'asc', limit: 100 });

/** Each command is a process of its own; a busy machine needs a while. */
const PATIENCE = { timeout: 60_000 };

describe('prokura key', PATIENCE, () => {
  it('names the scope that there is not', async () => {
    const { exitCode, stderr } = await prokura(
      'key',
      'create',
      '--org',
      org,
      '--name',
      'x',
      '--mode',
      'test',
      '--scopes',
      'audit:read,all',
    );
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('no such scope: all; one or more of')]);
  });

  it('makes a key of the scopes and the mode asked for, and writes it down', async () => {
    const made = await createKey('--mode', 'live', '--scopes', 'agents:read,keys:read', '--expires-in-days', '2');
    const row = await findLiveApiKey(database.pool, made['api_key']!);
    expect(row).toMatchObject({ orgId: parseId(org, 'org'), mode: 'live', scopes: ['agents:read', 'keys:read'] });
    expect(Math.abs(row!.expiresAt!.getTime() - Date.now() - 2 * 86_400_000)).toBeLessThan(60_000);
    const entries = await trail('live');
    expect(entries.at(-1)).toMatchObject({ type: 'api_key.created', actor: 'system:command', subject: made['key_id'] });
    expect(JSON.stringify(entries)).not.toContain(made['api_key']);
  });

  it('gives a high-trust key a signing secret of its own', async () => {
    const made = await createKey('--mode', 'test', '--scopes', 'admin', '--high-trust');
    const row = await findLiveApiKey(database.pool, made['api_key']!);
    expect(row!.highTrust).toBe(true);
    expect(createSealer(dataKey).open(row!.signingSecretSealed!)).toBe(made['signing_secret']);
  });

  it('shows the text once, lists without it, and revokes', async () => {
    const args = ['--org', org, '--mode', 'test', '--name', 'till', '--scopes', 'agents:read'];
    const { stdout } = await prokura('key', 'create', ...args);
    const [, id] = /^(key_\w+) /m.exec(stdout)!;
    const [, text] = /^API key +(prk_test_\S+)$/m.exec(stdout)!;
    const listed = await prokura('key', 'list', '--org', org, '--mode', 'test');
    expect(listed.stdout).toMatch(new RegExp(`^${id}  test  …${text!.slice(-4)}  till \\(agents:read\\)$`, 'm'));
    expect(listed.stdout).not.toContain(text);
    const revoked = await json('key', 'revoke', id!, '--org', org, '--reason', 'lost');
    expect(revoked['revoked_at']).toBeTruthy();
    expect(await findLiveApiKey(database.pool, text!)).toBeUndefined();
    expect((await trail('test')).at(-1)).toMatchObject({ type: 'api_key.revoked', body: { reason: 'lost' } });
    expect(await json('key', 'revoke', id!, '--org', org)).toEqual(revoked);
    const { keys } = await json<{ keys: { key_id: string }[] }>('key', 'list', '--org', org);
    expect(keys.find((key) => key.key_id === id)).toMatchObject({ revoked_at: revoked['revoked_at'] });
  });

  it.each([
    [['key', 'create', '--org', 'ORG', '--mode', 'test', '--name', 'x', '--scopes', 'everything'], /payments:refund/],
    [['key', 'create', '--org', 'ORG', '--mode', 'test', '--name', 'x', '--scopes', ','], /payments:refund/],
    [['key', 'create', '--org', 'ORG', '--name', 'x', '--scopes', 'admin'], /--mode/],
    [['key', 'list', '--org', 'nobody'], /org_…/],
    [['key', 'list', '--org', '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10'], /There is no org_/],
    [['key', 'revoke', 'prk_test_abc', '--org', 'ORG'], /key_…/],
    [['key', 'revoke', '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10', '--org', 'ORG'], /nothing was changed/],
    [['client', 'revoke', 'client_x', '--org', 'ORG'], /nothing was changed/],
  ])('%j is refused with what is wrong', async (args, words) => {
    const before = (await trail('test')).length;
    const { exitCode, stderr } = await prokura(...args.map((arg) => (arg === 'ORG' ? org : arg)));
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(words);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect((await trail('test')).length).toBe(before);
  });
});

describe('prokura client', PATIENCE, () => {
  it('makes, lists and revokes a client; its secret is printed once', async () => {
    const args = ['--org', org, '--mode', 'live', '--name', 'erp', '--scopes', 'payments:read'];
    const made = await json('client', 'create', ...args);
    const authenticated = () => authenticateClient(database.pool, made['client_id']!, made['client_secret']!);
    expect(await authenticated()).toMatchObject({ mode: 'live', scopes: ['payments:read'] });
    const { stdout } = await prokura('client', 'list', '--org', org);
    expect(stdout).toMatch(new RegExp(`^${made['client_id']}  live  erp \\(payments:read\\)$`, 'm'));
    expect(stdout).not.toContain(made['client_secret']);
    expect(await json('client', 'revoke', made['client_id']!, '--org', org, '--reason', 'gone')).toMatchObject({
      client_id: made['client_id'],
      revoked_at: expect.any(String),
    });
    expect(await authenticated()).toBeUndefined();
    expect((await trail('live')).at(-1)).toMatchObject({ type: 'oauth_client.disabled', body: { reason: 'gone' } });
    const tenant = { orgId: parseId(org, 'org')!, mode: 'live' as const };
    expect((await verifyAudit(database.pool, tenant)).firstBreak).toBeUndefined();
  });
});

describe('prokura org', PATIENCE, () => {
  it('is the organization command under a shorter name', async () => {
    const listed = await Promise.all([json('org', 'list'), json('organization', 'list')]);
    expect(listed[0]).toEqual(listed[1]);
    expect(JSON.stringify(listed[0])).toContain(org);
  });

  it.each(['org create', 'key create', 'key list', 'key revoke', 'client create', 'client list', 'client revoke'])(
    '%s --help says what it takes',
    async (command) => {
      const { exitCode, stdout } = await prokura(...command.split(' '), '--help');
      expect(exitCode).toBe(0);
      expect(stdout).toContain('--json');
    },
  );
});

describe('prokura doctor', PATIENCE, () => {
  it('tells whether the data key opens what the database keeps sealed', async () => {
    const sealedBy = async (PROKURA_DATA_KEY: string) => {
      const checks = await examine({ DATABASE_URL: database.url, PROKURA_DATA_KEY, TEMPORAL_ADDRESS: '127.0.0.1:9' });
      return checks.find(({ name }) => name === 'sealed secrets');
    };
    expect(await sealedBy(dataKey)).toMatchObject({
      status: 'ok',
      detail: expect.stringContaining('sealed with the present data key'),
    });
    expect(await sealedBy(randomBytes(32).toString('base64'))).toMatchObject({
      status: 'failed',
      fix: expect.stringContaining('PROKURA_DATA_KEY'),
    });
  });
});
