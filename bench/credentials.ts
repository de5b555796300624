import { fork } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import express, { type Express, type RequestHandler } from 'express';
import { pino } from 'pino';
import { credentialsOf } from '../src/api/access/credentials.ts';
import { createApp, type ApiDeps } from '../src/api/app.ts';
import { authenticate } from '../src/api/pipeline/authenticate.ts';
import { requireScope } from '../src/api/pipeline/check-scope.ts';
import { createRateLimits } from '../src/api/pipeline/rate-limit.ts';
import { assignRequestId } from '../src/api/pipeline/request-id.ts';
import type { AnyRoute } from '../src/api/route.ts';
import { authoritySettings, loadConfig } from '../src/config.ts';
import { logTo } from '../src/cli/output.ts';
import { Authorities } from '../src/store/certificates/authorities.ts';
import { Listener } from '../src/store/listener.ts';
import { createPool } from '../src/store/pool.ts';
import { provisionOrganization } from '../src/store/provisioning.ts';
import { createExecutionTokens } from '../src/trust/execution-token.ts';
import { createSealer } from '../src/trust/seal.ts';
import { createSigner } from '../src/trust/signing.ts';
import { startDatabase } from './database.ts';
import { positive } from './options.ts';

/** Milliseconds of CPU that a credential check may cost at the median. */
const LIMIT_MS = 0.3;

if (process.send) await load();
else await measure();

/** The load, in a process of its own: so many requests, one after the other on each of eight connections. */
async function load(): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const get = (url: string, headers: Record<string, string>) =>
    new Promise<void>((resolve, reject) => {
      const call = request(url, { agent, headers }, (response) => {
        response.on('end', () =>
          response.statusCode === 200 ? resolve() : reject(new Error(`${response.statusCode}`)),
        );
        response.resume();
      });
      call.on('error', reject).end();
    });
  process.on('message', ({ url, headers, count }: { url: string; headers: Record<string, string>; count: number }) => {
    let left = count;
    const loop = async () => {
      while (left-- > 0) await get(url, headers);
    };
    void Promise.all(Array.from({ length: 8 }, loop)).then(() => process.send!('done'));
  });
  await once(process, 'disconnect');
}

async function measure(): Promise<void> {
  const { rounds, requests } = new Command('bench/credentials')
    .description('CPU per credential check, warm, beside a route that does nothing')
    .option('--rounds <n>', 'of each kind, in turn', positive, 7)
    .option('--requests <n>', 'of one round', positive, 3_000)
    .parse()
    .opts<{ rounds: number; requests: number }>();
  const log = logTo(false);
  const database = await startDatabase(log);
  const child = fork(fileURLToPath(import.meta.url), { execArgv: process.execArgv });
  try {
    const databaseUrl = await database.fresh('credentials');
    const stage = await prepare(databaseUrl);
    const server = createServer(stage.app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const kinds = {
      nothing: { url: `${at}/nothing`, headers: {} },
      'API key': { url: `${at}/checked`, headers: { authorization: `Bearer ${stage.key}` } },
      'access token': { url: `${at}/checked`, headers: { authorization: `Bearer ${stage.token}` } },
    };
    const spent: Record<string, number[]> = { nothing: [], 'API key': [], 'access token': [] };
    for (let round = -1; round < rounds; round++) {
      for (const [kind, { url, headers }] of Object.entries(kinds)) {
        const before = process.cpuUsage();
        child.send({ url, headers, count: requests });
        await once(child, 'message');
        const { user, system } = process.cpuUsage(before);
        // The first round of each warms it up.
        if (round >= 0) spent[kind]!.push((user + system) / 1000 / requests);
      }
    }
    report(spent, log);
    server.close();
    server.closeAllConnections();
    await stage.close();
  } finally {
    child.disconnect();
    await database.stop();
  }
}

/** Two routes of one server: one that does nothing, and one behind what every request with a credential passes. */
async function prepare(
  databaseUrl: string,
): Promise<{ app: Express; key: string; token: string; close(): Promise<void> }> {
  const dataKey = randomBytes(32).toString('base64');
  const { privateKey } = generateKeyPairSync('ed25519');
  const pool = createPool(databaseUrl, 5);
  const config = loadConfig({
    DATABASE_URL: databaseUrl,
    RATE_LIMIT_PER_CREDENTIAL: '1000000000',
    RATE_LIMIT_PER_IP: '1000000000',
  });
  const sealer = createSealer(dataKey);
  const deps: ApiDeps = {
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
  const listener = new Listener();
  credentialsOf(pool).follow(listener);
  await listener.listen(databaseUrl);
  const made = await provisionOrganization(pool, deps.sealer, { name: 'Bench', mode: 'test' });
  const limits = createRateLimits(deps);
  const route = { tags: ['Agents'], scope: 'agents:read', method: 'get' } as unknown as AnyRoute;
  const answer: RequestHandler = (_req, res) => void res.end('{}');
  const app = express().disable('x-powered-by').set('etag', false);
  app.get('/nothing', answer);
  const steps = [...limits.byAddress(route), authenticate(deps), ...limits.byCredential(), requireScope('agents:read')];
  app.get('/checked', assignRequestId, ...steps, answer);
  app.use(createApp(deps));
  const server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const granted = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/oauth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      grant_type: 'client_credentials',
      client_id: made.clientId,
      client_secret: made.clientSecret,
    }),
  });
  const { access_token } = (await granted.json()) as { access_token: string };
  server.close();
  return {
    app,
    key: made.apiKey,
    token: access_token,
    async close() {
      await listener.close();
      await pool.end();
    },
  };
}

function report(spent: Record<string, number[]>, log: (line: string) => void): void {
  const floor = median(spent['nothing']!);
  log(`a route that does nothing: ${floor.toFixed(3)} ms of CPU a request`);
  for (const kind of ['API key', 'access token']) {
    const check = median(spent[kind]!.map((ms, round) => ms - spent['nothing']![round]!));
    const ratio = median(spent[kind]!.map((ms, round) => ms / spent['nothing']![round]!));
    log(`${kind}: ${check.toFixed(3)} ms more (limit ${LIMIT_MS}), ${ratio.toFixed(2)} times the whole`);
    if (check > LIMIT_MS) process.exitCode = 1;
  }
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
