import type { Log } from '../output.ts';
import { Supervisor } from '../supervisor.ts';
import { nextFreePort } from './ports.ts';
import { preparePostgres } from './postgres.ts';
import { findTemporalBinary } from './temporal-binary.ts';
import { temporalProgram } from './temporal-server.ts';

const quiet: Log = () => undefined;

/** A server that a test run or a measurement starts for itself. */
export interface Standalone {
  stop(): Promise<void>;
}

/**
 * Starts the embedded PostgreSQL alone; it ends with this process.
 * @param options `dir` holds the data, `logs` the log; `port` is sought from 54320 upwards when absent;
 *   `settings` are further `name=value` of postgresql.conf
 */
export async function startPostgres(options: {
  dir: string;
  logs: string;
  password: string;
  port?: number;
  settings?: string[];
  log?: Log;
}): Promise<Standalone & { url(database: string): string }> {
  const { dir, logs, password, settings = [], log = quiet } = options;
  const port = options.port ?? (await nextFreePort(54_320));
  const { program, url } = await preparePostgres({ dir, port, password, log });
  const args = [...program.args, ...settings.flatMap((setting) => ['-c', setting])];
  const supervisor = new Supervisor({ logs, log });
  await supervisor.start({ ...program, args });
  return { url, stop: () => supervisor.stop() };
}

/**
 * Starts a Temporal dev server alone, without UI; it ends with this process.
 * @param options `dir` holds its database file, `undefined` keeps everything in memory; `logs` holds the log;
 *   `port` is sought from 7233 upwards when absent
 */
export async function startTemporal(options: {
  dir?: string;
  logs: string;
  port?: number;
  log?: Log;
}): Promise<Standalone & { address: string }> {
  const { dir, logs, log = quiet } = options;
  const port = options.port ?? (await nextFreePort(7_233));
  const binary = await findTemporalBinary({ log });
  const supervisor = new Supervisor({ logs, log });
  await supervisor.start(temporalProgram({ binary, dir, port }));
  return { address: `127.0.0.1:${port}`, stop: () => supervisor.stop() };
}
