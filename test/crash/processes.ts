import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Client, Connection } from '@temporalio/client';
import { temporal as proto } from '@temporalio/proto';
import { freePorts } from '../../scripts/production/free-ports.ts';
import { createClient, type Client as ApiClient } from '../../src/cli/demo/client.ts';
import { makeKeys } from '../../src/cli/provision/keys.ts';
import { startSimulator } from '../../src/processors/simulator/server/main.ts';
import { seedDemo } from '../../src/store/demo-seed.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';
import { shared } from '../setup/harness/client.ts';

const READY_WITHIN_MS = 25_000;

/** A process of the service, started by its command. */
export interface ServiceProcess {
  pid: number;
  /** What it wrote so far. */
  output(): string;
  /** SIGKILL: nothing is drained, nothing is said. */
  kill(): Promise<void>;
}

export interface Answered<Body> {
  status: number;
  body: Body;
}

/** The service in processes of its own, which can be killed: an API, and as many workers as are started. */
export interface Installation {
  url: string;
  database: TestDatabase;
  credentials: { org_id: string; api_key: string };
  client: ApiClient;
  startWorker(): Promise<ServiceProcess>;
  /** A request with its own key; the answer whatever its status is. */
  post<Body>(path: string, body: unknown, key?: string, apiKey?: string): Promise<Answered<Body>>;
  put<Body>(path: string, body: unknown): Promise<Answered<Body>>;
  simulator: ApiClient;
  /** Processes that completed tasks of a workflow, first to last; the last one keeps it in memory. */
  pidsOf(workflowId: string): Promise<number[]>;
  close(): Promise<void>;
}

/** @param settings environment variables on top, for every process */
export async function install(settings: Record<string, string> = {}): Promise<Installation> {
  const [database, temporal, bundle, keys, [port]] = await Promise.all([
    createTestDatabase(),
    shared('temporal'),
    shared('workflowBundle'),
    makeKeys(),
    freePorts(1),
  ]);
  const notifySecret = randomBytes(32).toString('base64');
  const url = `http://127.0.0.1:${port}`;
  const environment = {
    ...process.env,
    DATABASE_URL: database.url,
    DATABASE_POOL_SIZE: '5',
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    TEMPORAL_TASK_QUEUE: `test-${randomUUID()}`,
    HOST: '127.0.0.1',
    LOG_LEVEL: 'info',
    PUBLIC_URL: url,
    PROKURA_SIGNING_KEY: keys.PROKURA_SIGNING_KEY,
    PROKURA_DATA_KEY: keys.PROKURA_DATA_KEY,
    PROKURA_WORKFLOW_BUNDLE: bundle.codePath,
    SIMULATOR_NOTIFY_SECRET: notifySecret,
    ...settings,
  };
  const running = new Set<ServiceProcess>();
  const start = async (role: 'api' | 'worker') => {
    const started = await startProcess(role, { ...environment, PORT: String(port) });
    running.add(started);
    return started;
  };
  const simulator = await startSimulator({
    databaseUrl: database.url,
    host: '127.0.0.1',
    port: 0,
    notifyUrl: `${url}/v1/processors/simulator/notifications`,
    notifySecret,
  });
  const credentials = await seedDemo(database.url, { simulatorUrl: simulator.url, dataKey: keys.PROKURA_DATA_KEY });
  const connection = await Connection.connect({ address: temporal.address });
  const workflows = new Client({ connection, namespace: temporal.namespace }).workflow;
  await start('api');
  const send = async <Body>(
    method: 'POST' | 'PUT',
    path: string,
    body: unknown,
    key: string = randomUUID(),
    apiKey = credentials.api_key,
  ): Promise<Answered<Body>> => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', 'idempotency-key': key },
      body: JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as Body };
  };
  return {
    url,
    database,
    credentials,
    client: createClient(url, credentials.api_key),
    startWorker: () => start('worker'),
    post: (path, body, key, apiKey) => send('POST', path, body, key, apiKey),
    put: (path, body) => send('PUT', path, body),
    simulator: createClient(simulator.url),
    async pidsOf(workflowId) {
      const { events } = await workflows.getHandle(workflowId).fetchHistory();
      // `<pid>@<host>`, as the SDK names a worker.
      return (events ?? []).flatMap(({ eventType, workflowTaskCompletedEventAttributes: done }) =>
        eventType === proto.api.enums.v1.EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
          ? [Number.parseInt(done?.identity ?? '', 10)]
          : [],
      );
    },
    async close() {
      await Promise.all([...running].map((one) => one.kill()));
      await connection.close();
      await simulator.stop();
      await database.drop();
    },
  };
}

async function startProcess(role: string, env: NodeJS.ProcessEnv): Promise<ServiceProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', role], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${role} is not ready:\n${output}`)), READY_WITHIN_MS);
    const hear = (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('"msg":"ready"')) {
        clearTimeout(timer);
        resolve();
      }
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('exit', (code) => {
      clearTimeout(timer);
      reject(new Error(`${role} ended with ${code}:\n${output}`));
    });
  });
  try {
    await ready;
  } catch (error) {
    await killed(child);
    throw error;
  }
  return { pid: child.pid!, output: () => output, kill: () => killed(child) };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
