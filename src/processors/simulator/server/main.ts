import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express, { type Express } from 'express';
import { Pool, TypeOverrides, types } from 'pg';
import { startClock } from './clock.ts';
import { controlRoutes } from './control-routes.ts';
import { loadControls } from './controls.ts';
import { adyenRoutes } from './adyen/routes.ts';
import type { SimulatorParts } from './parts.ts';
import { processorRoutes } from './processor-routes.ts';
import { createSchema } from './schema.ts';
import { stripeRoutes } from './stripe/routes.ts';
import { notFound, renderProblem } from './wire-problem.ts';

export interface SimulatorOptions {
  /** Its own database, or one it shares: everything lives in the schema `simulator`. */
  databaseUrl: string;
  host: string;
  /** 0 lets the system choose; `url` tells which. */
  port: number;
  /** Where settlement and asynchronous outcomes are announced; needs `notifySecret`. */
  notifyUrl?: string;
  notifySecret?: string;
  /** Called with what went wrong inside; by default its message is written to stderr. */
  onError?: (error: unknown) => void;
}

/** Longer than clients keep a connection, so that the client closes first and no request meets a closing socket. */
const KEEP_ALIVE_MS = 65_000;
const POOL_SIZE = 16;

/**
 * Starts the simulated processors and their `{url}/control/…`. Every processor answers in three formats: plain and
 * Stripe's at `{url}/{processor}/v1/…`, Adyen's at `{url}/{processor}/v71/…`; over one ledger and one script of faults.
 * @throws TypeError when one of `notifyUrl` and `notifySecret` is missing; whatever Postgres or the port refuses
 */
export async function startSimulator(options: SimulatorOptions): Promise<{ url: string; stop(): Promise<void> }> {
  const { notifyUrl, notifySecret } = options;
  if (!notifyUrl !== !notifySecret) throw new TypeError('notifyUrl and notifySecret go together');
  const receiver = notifyUrl && notifySecret ? { url: notifyUrl, secret: notifySecret } : undefined;
  const report = options.onError ?? writeError;

  const parsers = new TypeOverrides();
  // Amounts and sequence numbers stay below 2^53.
  parsers.setTypeParser(types.builtins.INT8, Number);
  const pool = new Pool({ connectionString: options.databaseUrl, max: POOL_SIZE, types: parsers });
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  let stopped = false;
  pool.on('error', (error) => stopped || report(error));
  try {
    await createSchema(pool);
    const controls = await loadControls(pool);
    const clock = startClock(pool, { plain: receiver, of: controls.endpointOf }, report);
    const server = createServer(createApp({ pool, controls, clock, announces: receiver !== undefined }, report));
    server.keepAliveTimeout = KEEP_ALIVE_MS;
    const stop = async () => {
      await clock.stop();
      await close(server);
      stopped = true;
      await pool.end();
    };
    try {
      await listen(server, options.port, options.host);
    } catch (error) {
      await clock.stop();
      throw error;
    }
    return { url: `http://${options.host}:${(server.address() as AddressInfo).port}`, stop };
  } catch (error) {
    await pool.end();
    throw error;
  }
}

function createApp(parts: SimulatorParts, report: (error: unknown) => void): Express {
  const app = express();
  app.disable('x-powered-by').disable('etag');
  app.get('/health', async (_req, res) => {
    await parts.pool.query('SELECT 1');
    res.json({ status: 'ok' });
  });
  app.use('/control', controlRoutes(parts));
  // An official SDK knows hosts without a path: there the key names the processor.
  app.use('/v1', stripeRoutes(parts));
  app.use('/:processor/v1', stripeRoutes(parts));
  app.use('/:processor/v71', adyenRoutes(parts));
  app.use('/:processor/v1', processorRoutes(parts));
  app.use(notFound, renderProblem(report));
  return app;
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** The message alone: the error of a connection carries its parameters. */
function writeError(error: unknown): void {
  process.stderr.write(`simulator: ${error instanceof Error ? error.message : String(error)}\n`);
}
