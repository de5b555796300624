import { randomBytes, randomUUID } from 'node:crypto';
import { freePorts } from '../../scripts/production/free-ports.ts';
import { makeKeys } from '../../src/cli/provision/keys.ts';
import { loadConfig } from '../../src/config.ts';
import { startSimulator } from '../../src/processors/simulator/server/main.ts';
import { seedDemo } from '../../src/store/demo-seed.ts';
import { startService, type RunningService } from '../../workers/service.ts';
import { createTestDatabase } from './database.ts';
import { shared } from './harness/client.ts';
import type { TestDatabase } from './database.ts';

export interface ApiAnswer<Body = Record<string, unknown>> {
  status: number;
  /** Parsed when the answer is JSON, text otherwise. */
  body: Body;
  headers: Headers;
}

export interface TestService {
  url: string;
  simulatorUrl: string;
  database: TestDatabase;
  taskQueue: string;
  /** Seals what the database keeps secret. */
  dataKey: string;
  credentials: { org_id: string; api_key: string; client_id: string; client_secret: string };
  /**
   * A request with the demo organization's key. Writes carry a fresh Idempotency-Key unless `headers` has one;
   * a header given as '' is left out.
   */
  api<Body = Record<string, unknown>>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<ApiAnswer<Body>>;
  /** Stops the process and starts it with changed settings, as a rollout does; `undefined` takes one away. */
  restart(changes: Record<string, string | undefined>): Promise<void>;
  /** A request to the processor simulator, e.g. `GET /control/effects?reference=…`. */
  simulator<Body = Record<string, unknown>>(method: string, path: string, body?: unknown): Promise<ApiAnswer<Body>>;
  close(): Promise<void>;
}

/**
 * The real service, API and workers in this process, on a database and a task queue of its own, with a processor
 * simulator and a seeded demo organization. For journeys: start it once per file, in `beforeAll`.
 * @param settings environment variables on top, e.g. `{ CHALLENGE_TTL_SECONDS: '2' }`
 */
export async function startTestService(settings: Record<string, string> = {}): Promise<TestService> {
  const [database, temporal, bundle, keys, [port]] = await Promise.all([
    createTestDatabase(),
    shared('temporal'),
    shared('workflowBundle'),
    makeKeys(),
    freePorts(1),
  ]);
  const taskQueue = `test-${randomUUID()}`;
  const notifySecret = randomBytes(32).toString('base64');
  let environment: Record<string, string | undefined> = {
    DATABASE_URL: database.url,
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    TEMPORAL_TASK_QUEUE: taskQueue,
    HOST: '127.0.0.1',
    PORT: String(port),
    LOG_LEVEL: 'silent',
    PROKURA_SIGNING_KEY: keys.PROKURA_SIGNING_KEY,
    PROKURA_DATA_KEY: keys.PROKURA_DATA_KEY,
    PROKURA_WORKFLOW_BUNDLE: bundle.codePath,
    WEBHOOK_ALLOW_PRIVATE: 'true',
    SIMULATOR_NOTIFY_SECRET: notifySecret,
    ...settings,
  };
  let service: RunningService | undefined = await startService(loadConfig(environment), 'all');
  const url = service.url!;
  const simulator = await startSimulator({
    databaseUrl: database.url,
    host: '127.0.0.1',
    port: 0,
    notifyUrl: `${url}/v1/processors/simulator/notifications`,
    notifySecret,
  });
  const dataKey = environment['PROKURA_DATA_KEY']!;
  const credentials = await seedDemo(database.url, { simulatorUrl: simulator.url, dataKey });
  return {
    url,
    simulatorUrl: simulator.url,
    database,
    taskQueue,
    dataKey,
    credentials,
    api(method, path, body, headers = {}) {
      const defaults: Record<string, string> = { authorization: `Bearer ${credentials.api_key}` };
      if (method !== 'GET') defaults['idempotency-key'] = randomUUID();
      return request(`${url}${path}`, method, body, { ...defaults, ...lowerCased(headers) });
    },
    async restart(changes) {
      environment = { ...environment, ...changes };
      await service?.stop();
      service = undefined;
      service = await startService(loadConfig(environment), 'all');
    },
    simulator: (method, path, body) => request(`${simulator.url}${path}`, method, body, {}),
    async close() {
      await service?.stop();
      await simulator.stop();
      await database.drop();
    },
  };
}

async function request<Body>(
  url: string,
  method: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<ApiAnswer<Body>> {
  const sent = Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== ''));
  const response = await fetch(url, {
    method,
    redirect: 'manual',
    headers: body === undefined ? sent : { 'content-type': 'application/json', ...sent },
    body: body === undefined || typeof body === 'string' ? (body ?? null) : JSON.stringify(body),
  });
  const type = response.headers.get('content-type') ?? '';
  // A stream ends when nobody reads it, and not before.
  if (type.includes('event-stream')) await response.body?.cancel();
  const text = type.includes('event-stream') ? '' : await response.text();
  const isJson = /[/+]json/.test(type);
  return { status: response.status, body: (isJson ? JSON.parse(text) : text) as Body, headers: response.headers };
}

function lowerCased(headers: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}
