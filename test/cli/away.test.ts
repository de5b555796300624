import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { execa } from 'execa';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { projectRoot } from '../../src/cli/paths.ts';
import { makeKeys, type InstallationKeys } from '../../src/cli/provision/keys.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';
import { shared } from '../setup/harness/client.ts';

/** Nothing listens there. */
const NOWHERE = '127.0.0.1:9';
const DATABASE_AWAY = `postgres://u:secret@${NOWHERE}/d`;
/** Each command is a process of its own; a busy machine needs a while. */
const PATIENCE = { timeout: 180_000 };

let folder: string;
let keys: InstallationKeys;
let database: TestDatabase;
beforeAll(async () => {
  [keys, database] = await Promise.all([makeKeys(), createTestDatabase()]);
});
afterAll(() => database.drop());
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'prokura-away-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a command that must end by itself, with exit code 1 and words for a person. */
async function refusal(args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { PATH, HOME } = process.env;
  const { exitCode, stderr, timedOut } = await execa(
    process.execPath,
    [path.join(projectRoot, 'scripts', 'prokura.mjs'), ...args],
    {
      cwd: folder,
      env: { PATH, HOME, PROKURA_STATE_DIR: folder, LOG_LEVEL: 'silent', ...env },
      extendEnv: false,
      reject: false,
      timeout: 120_000,
    },
  );
  expect({ exitCode, timedOut }).toEqual({ exitCode: 1, timedOut: false });
  expect(stderr).not.toMatch(/^\s+at /m);
  expect(stderr).not.toContain('secret');
  return stderr;
}

describe('a process of the service', PATIENCE, () => {
  const settings = () => ({
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: NOWHERE,
    PORT: '0',
    PROKURA_SIGNING_KEY: keys.PROKURA_SIGNING_KEY,
    PROKURA_DATA_KEY: keys.PROKURA_DATA_KEY,
  });

  it('ends with what to do when the database or Temporal cannot be had', async () => {
    expect(await refusal(['serve'], { ...settings(), DATABASE_URL: DATABASE_AWAY })).toMatch(
      /^The database at 127\.0\.0\.1:9 cannot be used: .*ECONNREFUSED.*\. Start it, or correct DATABASE_URL\.$/m,
    );
    expect(await refusal(['worker'], settings())).toMatch(
      /^Temporal at 127\.0\.0\.1:9 does not answer: .+\. Start it, or correct TEMPORAL_ADDRESS\.$/m,
    );
    const { address } = await shared('temporal');
    const elsewhere = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'nowhere' };
    expect(await refusal(['api'], { ...settings(), ...elsewhere })).toMatch(
      /^The namespace nowhere at Temporal cannot be used: .+\. Make it as .*, or correct TEMPORAL_NAMESPACE\.$/m,
    );
  });

  it('ends with what to do when its port is taken: what polls by then does not keep it alive', async () => {
    const { address, namespace } = await shared('temporal');
    const { port } = await listening(createServer());
    const reachable = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace, TEMPORAL_TASK_QUEUE: 'away' };
    expect(await refusal(['serve'], { ...settings(), ...reachable, PORT: String(port) })).toMatch(
      /^The API cannot listen: .*EADDRINUSE.*\. Free that port, or set PORT and HOST to others\.$/m,
    );
  });

  it('names the key that has the wrong form, and repeats nothing of it', async () => {
    const lost = keys.PROKURA_SIGNING_KEY.replaceAll('"', '');
    const signing = await refusal(['serve'], { ...settings(), PROKURA_SIGNING_KEY: lost });
    expect(signing).toContain('PROKURA_SIGNING_KEY is not JSON');
    expect(signing).not.toContain('Ed25519');
    const data = await refusal(['serve'], { ...settings(), PROKURA_DATA_KEY: 'c2hvcnQ=' });
    expect(data).toMatch(/^PROKURA_DATA_KEY is 5 bytes in base64, not 32: `prokura keys` prints/m);
    const payload = await refusal(['serve'], { ...settings(), PROKURA_PAYLOAD_KEY: 'c2hvcnQ=' });
    expect(payload).toMatch(/^PROKURA_PAYLOAD_KEY is 5 bytes/m);
  });

  it('names the bundle that cannot be read', async () => {
    const temporal = await shared('temporal');
    const reachable = { TEMPORAL_ADDRESS: temporal.address, TEMPORAL_NAMESPACE: temporal.namespace };
    const PROKURA_WORKFLOW_BUNDLE = path.join(folder, 'absent.js');
    const told = await refusal(['worker'], { ...settings(), ...reachable, PROKURA_WORKFLOW_BUNDLE });
    expect(told).toMatch(/^The workflow bundle cannot be read: .*absent\.js.*unset PROKURA_WORKFLOW_BUNDLE/m);
  });

  it('names the list of payees that cannot be read', async () => {
    const told = await refusal(['serve'], { ...settings(), PAYEE_LIST_FILE: path.join(folder, 'absent.csv') });
    expect(told).toMatch(/^The list of payees: .*absent\.csv.*\. Correct it, or PAYEE_LIST_FILE\.$/m);
  });
});

describe('prokura start', PATIENCE, () => {
  it('says what to do when the database that is named is away', async () => {
    expect(await refusal(['start', '--port', 'auto'], { DATABASE_URL: DATABASE_AWAY })).toMatch(
      /^DATABASE_URL: PostgreSQL at 127\.0\.0\.1:9 cannot be used: .+ unset DATABASE_URL: then an embedded one is used\.$/m,
    );
  });
});

describe('a command', PATIENCE, () => {
  it('says so when the database is away, or its address is none', async () => {
    expect(await refusal(['migrate'], { DATABASE_URL: DATABASE_AWAY })).toContain('Start it, or correct DATABASE_URL.');
    expect(await refusal(['migrate'], { DATABASE_URL: 'localhost' })).toContain('must be postgres://');
    expect(await refusal(['simulator'], { DATABASE_URL: DATABASE_AWAY })).toContain('The simulator cannot start');
    expect(await refusal(['simulator'], { DATABASE_URL: DATABASE_AWAY, SIMULATOR_NOTIFY_URL: 'http://x' })).toContain(
      'go together',
    );
  });

  it('says so when the database is of a newer version', async () => {
    const newer = await createTestDatabase();
    await newer.pool.query("UPDATE schema_migrations SET name = '9999_later' WHERE name LIKE '0002_%'");
    expect(await refusal(['migrate'], { DATABASE_URL: newer.url })).toMatch(/^This database has migrations that/m);
    await newer.drop();
  });

  it('says so when the API is away, or its address is none', async () => {
    const intent = ['policy', 'simulate', '--amount', '1', '--currency', 'EUR', '--merchant', 'm'];
    const key = { PROKURA_API_KEY: 'prk_test_secret' };
    expect(await refusal(intent, { PROKURA_API_URL: `http://${NOWHERE}`, ...key })).toContain(
      `Does Prokura run at http://${NOWHERE}? \`prokura doctor\` looks.`,
    );
    expect(await refusal(intent, { PROKURA_API_URL: 'localhost:8080', ...key })).toMatch(
      /^The address of the API \(PROKURA_API_URL\) cannot be used: an http/m,
    );
    expect(await refusal(['listen'], { PROKURA_API_URL: 'localhost:8080', ...key })).toContain('cannot be used');
    expect(await refusal(['listen'])).toContain('or run `npm start` first');
  });
});

describe('prokura settlement import', PATIENCE, () => {
  it('takes files only', async () => {
    mkdirSync(path.join(folder, 'march'));
    const access = { PROKURA_API_URL: `http://${NOWHERE}`, PROKURA_API_KEY: 'prk_test_secret' };
    const told = await refusal(['settlement', 'import', 'march', '--processor', 'alpha'], access);
    expect(told).toBe('march is not a file.');
  });

  it('cancels what it could not send whole', async () => {
    const asked: string[] = [];
    const server = createServer((req: IncomingMessage, res) => {
      req.resume().on('end', () => {
        asked.push(req.url!);
        const refused = req.url!.endsWith('/parts');
        res.writeHead(refused ? 500 : req.url!.endsWith('/cancel') ? 200 : 201, { 'content-type': 'application/json' });
        res.end(JSON.stringify(refused ? { code: 'internal_error' } : { import_id: 'imp_1', status: 'receiving' }));
      });
    });
    const { port } = await listening(server);
    writeFileSync(path.join(folder, 'march.csv'), 'line_id\n');
    const access = { PROKURA_API_URL: `http://127.0.0.1:${port}`, PROKURA_API_KEY: 'prk_test_secret' };
    const told = await refusal(['settlement', 'import', 'march.csv', '--processor', 'alpha'], access);
    expect(told).toContain('imp_1 was not sent whole. It was cancelled; nothing was applied.');
    expect(asked).toEqual(['', '/imp_1/parts', '/imp_1/cancel'].map((end) => `/v1/settlements/imports${end}`));
  });
});

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listening(server: Server): Promise<AddressInfo> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server.address() as AddressInfo;
}
