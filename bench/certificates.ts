/**
 * The public question by serial number, and the revocation list of many certificates while that question is asked.
 *
 *   node --import tsx bench/certificates.ts [--revoked 100000] [--seconds 10]
 */
import { fork, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { pino } from 'pino';
import { refreshLists } from '../src/activities/certificates/refresh-lists.ts';
import { createApp, type ApiDeps } from '../src/api/app.ts';
import { logTo } from '../src/cli/output.ts';
import { authoritySettings, loadConfig } from '../src/config.ts';
import { Authorities } from '../src/store/certificates/authorities.ts';
import { createOrganization } from '../src/store/organizations.ts';
import { createPool } from '../src/store/pool.ts';
import { createExecutionTokens } from '../src/trust/execution-token.ts';
import { newId } from '../src/trust/new-id.ts';
import { createSealer } from '../src/trust/seal.ts';
import { createSigner } from '../src/trust/signing.ts';
import { startDatabase } from './database.ts';
import { positive } from './options.ts';

const ACTIVE = 10_000;
const CONNECTIONS = 32;

interface Load {
  url: string;
  serials: string[];
  ms: number;
}
interface Seen {
  requests: number;
  seconds: number;
  p50: number;
  p99: number;
  worst: number;
}

if (process.send) await load();
else await measure();

/** The load, in a process of its own: random serial numbers, as fast as the answers come on 32 connections. */
async function load(): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const get = (url: string) =>
    new Promise<void>((resolve, reject) => {
      const call = request(url, { agent }, (response) => {
        response.on('end', () =>
          response.statusCode === 200 ? resolve() : reject(new Error(`HTTP ${response.statusCode}`)),
        );
        response.resume();
      });
      call.on('error', reject).end();
    });
  process.on('message', ({ url, serials, ms }: Load) => {
    const began = performance.now();
    const took: number[] = [];
    const loop = async () => {
      while (performance.now() - began < ms) {
        const at = performance.now();
        await get(url + serials[Math.floor(Math.random() * serials.length)]);
        took.push(performance.now() - at);
      }
    };
    void Promise.all(Array.from({ length: CONNECTIONS }, loop)).then(() => {
      took.sort((a, b) => a - b);
      const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))]!;
      const seconds = (performance.now() - began) / 1000;
      process.send!({ requests: took.length, seconds, p50: at(0.5), p99: at(0.99), worst: at(1) } satisfies Seen);
    });
  });
  await once(process, 'disconnect');
}

async function measure(): Promise<void> {
  const { revoked, seconds } = new Command('bench/certificates')
    .description('questions by serial number per second; the list of many revoked certificates')
    .option('--revoked <n>', 'certificates on the list', positive, 100_000)
    .option('--seconds <n>', 'of questions', positive, 10)
    .parse()
    .opts<{ revoked: number; seconds: number }>();
  const log = logTo(false);
  const database = await startDatabase(log);
  const child = fork(fileURLToPath(import.meta.url), { execArgv: process.execArgv });
  try {
    const databaseUrl = await database.fresh('certificates');
    const deps = await prepare(databaseUrl);
    const serials = await fill(deps, revoked);
    const server = createServer(createApp(deps)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/verify/`;
    const ask = (ms: number) => questions(child, { url, serials, ms });
    await ask(2_000);
    report('by serial, alone', await ask(seconds * 1_000));
    await list(deps, 'the list, alone');
    const under = ask(seconds * 1_000);
    await sleep(1_000);
    await list(deps, 'the list, under the questions');
    report('by serial, while the list is made', await under);
    server.close();
    server.closeAllConnections();
    await deps.pool.end();
  } finally {
    child.disconnect();
    await database.stop();
  }
}

/** With the milliseconds of CPU that this process, the server, has spent on each. */
async function questions(child: ChildProcess, task: Load): Promise<Seen & { cpu: number }> {
  const before = process.cpuUsage();
  child.send(task);
  const [seen] = (await once(child, 'message')) as [Seen];
  const { user, system } = process.cpuUsage(before);
  return { ...seen, cpu: (user + system) / 1000 / seen.requests };
}

function report(what: string, { requests, seconds, p50, p99, worst, cpu }: Seen & { cpu: number }): void {
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const rate = Math.round(requests / seconds);
  console.log(
    `${what.padEnd(36)} ${rate}/s  p50 ${ms(p50)}  p99 ${ms(p99)}  worst ${ms(worst)}  CPU ${cpu.toFixed(2)} ms each`,
  );
}

async function list(deps: ApiDeps, what: string): Promise<void> {
  await deps.pool.query('DELETE FROM certificate_lists');
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const began = performance.now();
  const { signed } = await refreshLists({ ...deps, now: () => new Date() });
  const took = performance.now() - began;
  delay.disable();
  const told = signed.map((one) => one.replace(/^\S+ /, '')).join('; ');
  const worst = (delay.max / 1e6).toFixed(0);
  console.log(`${what.padEnd(36)} ${(took / 1000).toFixed(2)} s (${told}), event loop held at most ${worst} ms`);
}

async function prepare(databaseUrl: string): Promise<ApiDeps> {
  const dataKey = randomBytes(32).toString('base64');
  const { privateKey } = generateKeyPairSync('ed25519');
  const pool = createPool(databaseUrl, 20);
  const off = { RATE_LIMIT_VERIFY_PER_IP: '0', RATE_LIMIT_PER_IP: '0' };
  const config = loadConfig({ DATABASE_URL: databaseUrl, ...off });
  const sealer = createSealer(dataKey);
  return {
    config,
    pool,
    signer: await createSigner(JSON.stringify(privateKey.export({ format: 'jwk' }))),
    sealer,
    authorities: new Authorities({ pool, sealer, settings: authoritySettings(config) }),
    tokens: createExecutionTokens(dataKey),
    log: pino({ level: 'silent' }),
    // Never asked: no route of a lifecycle is called here.
    lifecycle: {} as ApiDeps['lifecycle'],
  };
}

/** Certificates of as many agents, `revoked` of them revoked. @returns the serial numbers of those that are active */
async function fill({ pool, authorities }: ApiDeps, revoked: number): Promise<string[]> {
  const issuer = await authorities.issuing();
  const org = await createOrganization(pool, { name: 'Bench' });
  const agent = newId();
  await pool.query(`INSERT INTO agents (id, org_id, mode, name) VALUES ($1, $2, 'test', 'bench')`, [agent, org]);
  const insert = `
    INSERT INTO certificates (id, org_id, mode, agent_id, issuer_id, serial_number, certificate, key_ref, key_algorithm,
      key_hash, key_origin, status, issued_at, expires_at, revoked_at, revocation_reason, reason_code)
    SELECT gen_random_uuid(), $1, 'test', a.id, $3, '4' || upper(substr(md5(random()::text || n), 2)), $4, 'local:x', 'ES256',
           sha256(n::text::bytea), 'held', $5, now(), now() + interval '1 year', $6, $7, $8
      FROM generate_series(1, $9::int) n, LATERAL (SELECT $2::uuid AS id) a`;
  // As large as they are: what a page of rows holds decides how fast one is found.
  const der = issuer.certificate;
  const client = await pool.connect();
  try {
    await client.query(`SET statement_timeout = 0`);
    await client.query(insert, [org, agent, issuer.id, der, 'revoked', new Date(), 'bench', 4, revoked]);
    await client.query(
      `WITH made AS (
         INSERT INTO agents (id, org_id, mode, name)
         SELECT gen_random_uuid(), $1, 'test', 'bench' FROM generate_series(1, $2::int) RETURNING id)
       INSERT INTO certificates (id, org_id, mode, agent_id, issuer_id, serial_number, certificate, key_ref,
         key_algorithm, key_hash, key_origin, issued_at, expires_at)
       SELECT gen_random_uuid(), $1, 'test', id, $3, '4' || upper(substr(md5(random()::text || id), 2)), $4, 'local:x',
              'ES256', sha256(id::text::bytea), 'held', now(), now() + interval '1 year' FROM made`,
      [org, ACTIVE, issuer.id, der],
    );
    await client.query('ANALYZE certificates');
    const { rows } = await client.query<{ serial: string }>(
      `SELECT serial_number AS serial FROM certificates WHERE status = 'active'`,
    );
    return rows.map(({ serial }) => serial);
  } finally {
    client.release(true);
  }
}
