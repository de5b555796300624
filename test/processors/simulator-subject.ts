import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Effect, EffectSummary } from '../../src/processors/simulator/server/effects.ts';
import { startSimulator } from '../../src/processors/simulator/server/main.ts';
import type { Timing } from '../../src/processors/simulator/server/controls.ts';
import { createTestDatabase } from '../setup/database.ts';

export type TestSimulator = Awaited<ReturnType<typeof startTestSimulator>>;

/** Quick enough for tests; the ratios between them are those of the defaults. */
const QUICK: Partial<Timing> = { slow_ms: 600, pending_ms: 150, expire_soon_ms: 400, late_notification_ms: 900 };

/** A simulator on a database of its own, with its control endpoints as functions. */
export async function startTestSimulator(notify?: { url: string; secret: string }) {
  const database = await createTestDatabase();
  const options = {
    databaseUrl: database.url,
    host: '127.0.0.1',
    port: 0,
    ...(notify ? { notifyUrl: notify.url, notifySecret: notify.secret } : {}),
  };
  let running = await startSimulator(options);

  const control = async <T>(path: string, body?: object): Promise<T> => {
    const answer = await fetch(`${running.url}/control/${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { 'content-type': 'application/json' },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`control/${path}: ${answer.status} ${text}`);
    return JSON.parse(text) as T;
  };
  await control('timing', QUICK);

  return {
    pool: database.pool,
    get url() {
      return running.url;
    },
    control,
    effects: async (reference: string) =>
      (await control<{ data: Effect[] }>(`effects?reference=${encodeURIComponent(reference)}`)).data,
    summary: (reference: string) => control<EffectSummary>(`summary?reference=${encodeURIComponent(reference)}`),
    async restart() {
      await running.stop();
      running = await startSimulator(options);
    },
    async stop() {
      await running.stop();
      await database.drop();
    },
  };
}

export interface Received {
  body: Buffer;
  headers: IncomingHttpHeaders;
  at: number;
}

/** A receiver of notifications; `refuse(n)` makes it answer 500 to the next n. */
export async function startReceiver() {
  const received: Received[] = [];
  let refusals = 0;
  const server = createServer((req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const refuse = refusals > 0;
      if (refuse) refusals -= 1;
      else received.push({ body: Buffer.concat(chunks), headers: req.headers, at: Date.now() });
      res.statusCode = refuse ? 500 : 204;
      res.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/notifications`,
    received,
    refuse: (times: number) => void (refusals = times),
    refusalsLeft: () => refusals,
    stop: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
