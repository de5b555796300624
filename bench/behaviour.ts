import { fork } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { pino } from 'pino';
import { createApp, type ApiDeps } from '../src/api/app.ts';
import { authoritySettings, loadConfig } from '../src/config.ts';
import { Authorities } from '../src/store/certificates/authorities.ts';
import { logTo } from '../src/cli/output.ts';
import { createPool } from '../src/store/pool.ts';
import { provisionOrganization } from '../src/store/provisioning.ts';
import { createExecutionTokens } from '../src/trust/execution-token.ts';
import { createSealer } from '../src/trust/seal.ts';
import { createSigner } from '../src/trust/signing.ts';
import { startDatabase } from './database.ts';
import { load, type Load, type Seen } from './behaviour/load.ts';
import { machineCpu, processCpu } from './measure/cpu.ts';
import { positive } from './options.ts';

/** Events a second, and the most that p99 may grow from the small store to the large one. */
const LIMITS = { single: 1_000, batch: 10_000, growth: 1.5 };
const BATCH = 500;
const AGENTS = 200;
/** Durable (fsync on), and no checkpoint within a run: its full-page images would fall on whichever store is next. */
const POSTGRES_SETTINGS = ['max_wal_size=4GB', 'checkpoint_timeout=1h', 'shared_buffers=512MB'];

if (process.send) await load();
else await measure();

interface Store {
  url: string;
  key: string;
  agents: string[];
  close(): Promise<void>;
}

/** Two services on stores of 1,000 and of 1,000,000 events take turns in short windows, so that a drift meets both. */
async function measure(): Promise<void> {
  const { rounds, seconds, stored } = new Command('bench/behaviour')
    .description('behaviour events a second, one by one and in batches, and p99 with few and with many stored')
    .option('--rounds <n>', 'windows of each kind', positive, 5)
    .option('--seconds <n>', 'of one window', positive, 5)
    .option('--stored <n>', 'events of the large store', positive, 1_000_000)
    .parse()
    .opts<{ rounds: number; seconds: number; stored: number }>();
  const log = logTo(false);
  const database = await startDatabase(log, POSTGRES_SETTINGS);
  const child = fork(fileURLToPath(import.meta.url), { execArgv: process.execArgv });
  try {
    const stores = {
      small: await prepare(await database.fresh('small'), 1_000),
      large: await prepare(await database.fresh('large'), stored),
    };
    const windows: Record<string, Window[]> = {};
    const run = async (name: string, store: Store, what: Omit<Load, 'url' | 'key' | 'agents'>) => {
      const [machine, own, sql, began] = [
        machineCpu(),
        process.cpuUsage(),
        processCpu(database.pid(), true),
        Date.now(),
      ];
      child.send({ url: store.url, key: store.key, agents: store.agents, ...what });
      const [seen] = (await once(child, 'message')) as [Seen];
      const elapsed = (Date.now() - began) / 1_000;
      const used = process.cpuUsage(own);
      const after = machineCpu();
      const spent = (used.user + used.system) / 1e6 + processCpu(database.pid(), true) - sql;
      const others = Math.max(0, after.busy - machine.busy + after.stolen - machine.stolen - spent - seen.cpu);
      (windows[name] ??= []).push({
        rate: seen.events / elapsed,
        p99: seen.p99,
        cpuMs: (spent * 1_000) / seen.events,
        others: others / (after.total - machine.total),
      });
    };
    for (let round = -1; round < rounds; round++) {
      for (const [size, store] of Object.entries(stores)) {
        await run(`batches, ${size} store`, store, { seconds, connections: 4, batch: BATCH });
        await run(`one by one, ${size} store`, store, { seconds, connections: 64, batch: 0 });
        await run(`one at a time, ${size} store`, store, { seconds, connections: 1, batch: 0 });
      }
      // The first round of each warms it up.
      if (round < 0) for (const name of Object.keys(windows)) delete windows[name];
    }
    report(windows, log);
    for (const store of Object.values(stores)) await store.close();
  } finally {
    child.disconnect();
    await database.stop();
  }
}

interface Window {
  rate: number;
  p99: number;
  cpuMs: number;
  others: number;
}

async function prepare(databaseUrl: string, stored: number): Promise<Store> {
  const dataKey = randomBytes(32).toString('base64');
  const { privateKey } = generateKeyPairSync('ed25519');
  const pool = createPool(databaseUrl, 10);
  const off = { RATE_LIMIT_PER_CREDENTIAL: '0', RATE_LIMIT_PER_IP: '0' };
  const config = loadConfig({ DATABASE_URL: databaseUrl, ...off });
  const sealer = createSealer(dataKey);
  const deps: ApiDeps = {
    config,
    pool,
    signer: await createSigner(JSON.stringify(privateKey.export({ format: 'jwk' }))),
    sealer,
    authorities: new Authorities({ pool, sealer, settings: authoritySettings(config) }),
    tokens: createExecutionTokens(dataKey),
    log: pino({ level: 'silent' }),
    // None of the events is high: no workflow is told.
    lifecycle: {} as ApiDeps['lifecycle'],
  };
  const made = await provisionOrganization(pool, deps.sealer, { name: 'Bench', mode: 'test' });
  const filler = createPool(databaseUrl, 1);
  await filler.query('SET statement_timeout = 0');
  await filler.query(
    `INSERT INTO agents (id, org_id, mode, name, model_hash, status)
     SELECT gen_random_uuid(), o.id, 'test', 'Agent ' || g, 'sha256:00', 'active'
       FROM organizations o, generate_series(1, $1::int) g`,
    [AGENTS],
  );
  const { rows } = await filler.query<{ id: string; org_id: string }>('SELECT id, org_id FROM agents ORDER BY id');
  await filler.query(
    `INSERT INTO behaviour_events (id, org_id, mode, agent_id, action_type, session_id, client_event_id, occurred_at,
                                   received_at, points, failed, factors, details)
     SELECT gen_random_uuid(), $1, 'test', ($2::uuid[])[1 + g % $3], 'tool_use', 's' || g % 5000, 'old' || g,
            now() - g * interval '5 seconds', now() - g * interval '5 seconds', 10 + g % 40, g % 50 = 0,
            '[{"factor": "action", "points": 10, "detail": "tool_use"}]', '{"tool": "search", "duration_ms": 420}'
       FROM generate_series(1, $4::int) g`,
    [rows[0]!.org_id, rows.map(({ id }) => id), AGENTS, stored],
  );
  await filler.query('VACUUM ANALYZE behaviour_events');
  await filler.end();
  const server = createServer(createApp(deps)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    key: made.apiKey,
    agents: rows.map(({ id }) => id),
    async close() {
      server.close();
      server.closeAllConnections();
      await pool.end();
    },
  };
}

function report(windows: Record<string, Window[]>, log: (line: string) => void): void {
  const of = (name: string, member: keyof Window) => median(windows[name]!.map((window) => window[member]));
  for (const name of Object.keys(windows)) {
    const [rate, p99, cpu] = [of(name, 'rate'), of(name, 'p99'), of(name, 'cpuMs')];
    const others = Math.round(of(name, 'others') * 100);
    log(
      `${name}: ${Math.round(rate)} events a second, p99 ${p99.toFixed(1)} ms, ${cpu.toFixed(3)} ms of CPU an event ` +
        `(API and PostgreSQL); others used ${others} % of the machine`,
    );
  }
  const growth = (kind: string) =>
    median(windows[`${kind}, large store`]!.map(({ p99 }, i) => p99 / windows[`${kind}, small store`]![i]!.p99));
  for (const kind of ['one at a time', 'one by one', 'batches']) {
    log(`${kind}: p99 grows ${growth(kind).toFixed(2)} times from the small store to the large one`);
  }
  const ok =
    of('one by one, large store', 'rate') >= LIMITS.single &&
    of('batches, large store', 'rate') >= LIMITS.batch &&
    growth('one at a time') <= LIMITS.growth &&
    growth('one by one') <= LIMITS.growth;
  log(ok ? 'as aimed' : `not as aimed: ${JSON.stringify(LIMITS)}`);
  if (!ok) process.exitCode = 1;
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
