/**
 * What assessing a plain mandate costs, over HTTP: `POST /v1/assess` of a mandate that was never seen (three round
 * trips, one of them a commit) and of one that was, beside a route that does nothing. CPU of the service's process per
 * request, and latency at one request at a time. PostgreSQL runs on the same machine, durable.
 *
 *   node --import tsx bench/assess.ts [--rounds 7] [--requests 600]
 */
import { fork } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import express, { type Express } from 'express';
import { pino } from 'pino';
import { credentialsOf } from '../src/api/access/credentials.ts';
import { createApp, type ApiDeps } from '../src/api/app.ts';
import { loadConfig } from '../src/config.ts';
import { logTo } from '../src/cli/output.ts';
import { Listener } from '../src/store/listener.ts';
import { createPool } from '../src/store/pool.ts';
import { provisionOrganization } from '../src/store/provisioning.ts';
import { createExecutionTokens } from '../src/trust/execution-token.ts';
import { createSealer } from '../src/trust/seal.ts';
import { createSigner } from '../src/trust/signing.ts';
import { startDatabase } from './database.ts';
import { positive } from './options.ts';

interface Order {
  url: string;
  key: string;
  count: number;
  /** Mandates of this name; with `fresh` each is another one. */
  name: string;
  fresh: boolean;
  agentId: string;
}

if (process.send) await load();
else await measure();

/** The load, in a process of its own: one request after the other. Answers with the latencies, milliseconds. */
async function load(): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const post = (order: Order, i: number) =>
    new Promise<void>((resolve, reject) => {
      const body = JSON.stringify({
        mandate: {
          vct: 'mandate.payment.1',
          transaction_id: order.fresh ? `${order.name}-${i}` : order.name,
          payee: { id: 'mrc_shop', name: 'Shop', website: 'https://shop.example' },
          payment_amount: { amount: 12_050, currency: 'EUR' },
          payment_instrument: { id: 'pi_1', type: 'card' },
          agent_id: order.agentId,
        },
      });
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${order.key}` };
      const call = request(order.url, { method: 'POST', agent, headers }, (response) => {
        response.on('end', () =>
          response.statusCode === 200 ? resolve() : reject(new Error(`${response.statusCode}`)),
        );
        response.resume();
      });
      call.on('error', reject).end(body);
    });
  process.on('message', (order: Order) => {
    void (async () => {
      const took: number[] = [];
      for (let i = 0; i < order.count; i++) {
        const began = performance.now();
        await post(order, i);
        took.push(performance.now() - began);
      }
      process.send!(took);
    })();
  });
  await once(process, 'disconnect');
}

async function measure(): Promise<void> {
  const { rounds, requests } = new Command('bench/assess')
    .description('CPU and latency of an assessment, beside a route that does nothing')
    .option('--rounds <n>', 'of each kind, in turn', positive, 7)
    .option('--requests <n>', 'of one round', positive, 600)
    .parse()
    .opts<{ rounds: number; requests: number }>();
  const log = logTo(false);
  const database = await startDatabase(log);
  const child = fork(fileURLToPath(import.meta.url), { execArgv: process.execArgv });
  try {
    const databaseUrl = await database.fresh('assess');
    const stage = await prepare(databaseUrl);
    const server = createServer(stage.app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { key, agentId } = await stage.furnish(at);
    const kinds: Record<string, { path: string; fresh: boolean }> = {
      nothing: { path: '/nothing', fresh: false },
      'a new mandate': { path: '/v1/assess', fresh: true },
      'the same mandate again': { path: '/v1/assess', fresh: false },
    };
    const spent: Record<string, number[]> = {};
    const took: Record<string, number[]> = {};
    for (let round = -1; round < rounds; round++) {
      for (const [kind, { path, fresh }] of Object.entries(kinds)) {
        const before = process.cpuUsage();
        child.send({ url: at + path, key, count: requests, name: `${kind} ${fresh ? round : ''}`, fresh, agentId });
        const [latencies] = (await once(child, 'message')) as [number[]];
        const { user, system } = process.cpuUsage(before);
        // The first round of each warms it up.
        if (round < 0) continue;
        (spent[kind] ??= []).push((user + system) / 1000 / requests);
        (took[kind] ??= []).push(...latencies);
      }
    }
    for (const kind of Object.keys(kinds)) {
      const ratio = shareOf(
        spent[kind]!.map((ms, round) => ms / spent['nothing']![round]!),
        0.5,
      );
      const [p50, p99] = [shareOf(took[kind]!, 0.5), shareOf(took[kind]!, 0.99)];
      log(
        `${kind}: ${shareOf(spent[kind]!, 0.5).toFixed(3)} ms of CPU (${ratio.toFixed(1)} times nothing), ` +
          `latency ${p50.toFixed(2)} ms at the median, ${p99.toFixed(2)} ms at 99 %`,
      );
    }
    server.close();
    server.closeAllConnections();
    await stage.close();
  } finally {
    child.disconnect();
    await database.stop();
  }
}

/** The whole application on a fresh database, with a route beside it that reads the body and does nothing. */
async function prepare(databaseUrl: string): Promise<{
  app: Express;
  furnish(at: string): Promise<{ key: string; agentId: string }>;
  close(): Promise<void>;
}> {
  const dataKey = randomBytes(32).toString('base64');
  const { privateKey } = generateKeyPairSync('ed25519');
  const pool = createPool(databaseUrl, 5);
  const deps: ApiDeps = {
    config: loadConfig({
      DATABASE_URL: databaseUrl,
      RATE_LIMIT_PER_CREDENTIAL: '1000000000',
      RATE_LIMIT_PER_IP: '1000000000',
    }),
    pool,
    signer: await createSigner(JSON.stringify(privateKey.export({ format: 'jwk' }))),
    sealer: createSealer(dataKey),
    authorities: {} as ApiDeps['authorities'],
    tokens: createExecutionTokens(dataKey),
    log: pino({ level: 'silent' }),
    // Never asked: an assessment is no lifecycle.
    lifecycle: {} as ApiDeps['lifecycle'],
  };
  const listener = new Listener();
  credentialsOf(pool).follow(listener);
  await listener.listen(databaseUrl);
  const made = await provisionOrganization(pool, deps.sealer, { name: 'Bench', mode: 'test' });
  const app = express().disable('x-powered-by').set('etag', false);
  app.post('/nothing', express.raw({ type: () => true }), (_req, res) => void res.end('{}'));
  app.use(createApp(deps));
  return {
    app,
    async furnish(at) {
      const send = async (where: string, body: object) => {
        const answer = await fetch(at + where, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            authorization: `Bearer ${made.apiKey}`,
            'idempotency-key': crypto.randomUUID(),
          },
          body: JSON.stringify(body),
        });
        if (!answer.ok) throw new Error(`${where}: ${answer.status} ${await answer.text()}`);
        return (await answer.json()) as Record<string, unknown>;
      };
      const principal = { external_ref: 'bench', type: 'organization', name: 'Bench' };
      const { principal_id } = await send('/v1/identities/principals', principal);
      const agent = await send('/v1/agents', { name: 'buyer', principal_id });
      return { key: made.apiKey, agentId: (agent['data'] as { id: string }).id };
    },
    async close() {
      await listener.close();
      await pool.end();
    },
  };
}

/** The value that this share of them does not exceed. */
function shareOf(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}
