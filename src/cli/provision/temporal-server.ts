import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { Connection } from '@temporalio/client';
import type { Program } from '../supervisor.ts';

/**
 * Values of the dev server for one machine: a single matching partition (one poller finds every task), workflow
 * starts and activities handed straight to the worker that asked for them, and limits per second that a local
 * load test does not meet.
 */
const DYNAMIC_CONFIG: Record<string, number | boolean> = {
  'matching.numTaskqueueReadPartitions': 1,
  'matching.numTaskqueueWritePartitions': 1,
  'system.enableEagerWorkflowStart': true,
  'system.enableActivityEagerExecution': true,
  'frontend.rps': 100_000,
  'frontend.namespaceRPS': 100_000,
  'frontend.namespaceRPS.visibility': 1_000,
  'frontend.namespaceRPS.namespaceReplicationInducingAPIs': 100,
  'frontend.persistenceMaxQPS': 100_000,
  'history.rps': 100_000,
  'history.persistenceMaxQPS': 100_000,
  'matching.rps': 100_000,
  'matching.persistenceMaxQPS': 100_000,
  'worker.persistenceMaxQPS': 100_000,
};

export interface TemporalServerOptions {
  /** Path of the CLI, from `findTemporalBinary`. */
  binary: string;
  /** Folder of the database file; `undefined` keeps everything in memory. */
  dir?: string | undefined;
  port: number;
  /** Port of the web UI; `undefined` starts none. */
  uiPort?: number | undefined;
  /** Where the UI has encrypted payloads decoded. */
  uiCodecEndpoint?: string | undefined;
}

/** The dev server as a program of the supervisor; ready when its frontend answers. */
export function temporalProgram(options: TemporalServerOptions): Program {
  const { binary, dir, port, uiPort, uiCodecEndpoint } = options;
  if (dir) mkdirSync(dir, { recursive: true, mode: 0o700 });
  return {
    name: 'temporal',
    command: binary,
    args: [
      ...`server start-dev --ip 127.0.0.1 --port ${port} --log-level error`.split(' '),
      '--disable-config-file',
      '--disable-config-env',
      ...(uiPort === undefined ? ['--headless'] : ['--ui-port', String(uiPort), '--ui-disable-news-fetch']),
      ...(uiCodecEndpoint ? ['--ui-codec-endpoint', uiCodecEndpoint] : []),
      ...(dir ? ['--db-filename', path.join(dir, 'temporal.db'), ...pragma('journal_mode=WAL')] : []),
      ...(dir ? pragma('synchronous=FULL') : []),
      ...Object.entries(DYNAMIC_CONFIG).flatMap(([key, value]) => ['--dynamic-config-value', `${key}=${value}`]),
    ],
    // The server allocates much and keeps little: collecting less often costs memory and saves a tenth of its CPU.
    env: { GOGC: '400' },
    readyWithinMs: 60_000,
    stopWithinMs: 10_000,
    ready: () => temporalAnswers(`127.0.0.1:${port}`),
  };
}

const pragma = (setting: string) => ['--sqlite-pragma', setting];

/** Whether a Temporal frontend answers at `address` (host:port) now. */
export async function temporalAnswers(address: string, withinMs = 1_000): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: withinMs });
    await connection.close();
    return true;
  } catch {
    return false;
  }
}
