import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Connection } from '@temporalio/client';
import type { Log } from '../src/cli/output.ts';
import { makeKeys } from '../src/cli/provision/keys.ts';
import { ensureNamespace } from '../src/cli/provision/namespace.ts';
import { nextFreePort } from '../src/cli/provision/ports.ts';
import { ensureDatabase, preparePostgres } from '../src/cli/provision/postgres.ts';
import type { StartedProgram } from '../src/cli/provision/state.ts';
import { findTemporalBinary } from '../src/cli/provision/temporal-binary.ts';
import { temporalProgram } from '../src/cli/provision/temporal-server.ts';
import { status } from '../src/cli/start/programs.ts';
import { type Program, Supervisor } from '../src/cli/supervisor.ts';

const FIRST_PORT = 22_000;
const NAMESPACE = 'prokura';
/** Durable (fsync on), and no checkpoint within a run: its full-page images would fall on whichever target is next. */
const POSTGRES_SETTINGS = ['max_wal_size=4GB', 'checkpoint_timeout=1h'];

/** Servers that all targets share, in a folder that goes with them. */
export interface Stage {
  folder: string;
  processorUrl: string;
  temporal: { address: string; namespace: string };
  keys: Awaited<ReturnType<typeof makeKeys>>;
  /** Makes the database and says its URL. */
  database(name: string): Promise<string>;
  port(): Promise<number>;
  /** Starts a program that ends with the stage; resolves when it is ready. */
  start(program: Program): Promise<void>;
  pidOf(name: string): number;
  stop(): Promise<void>;
}

/** Starts PostgreSQL, a Temporal dev server on a durable database file, and the approving processor. */
export async function setStage(log: Log, postgresSettings: string[] = []): Promise<Stage> {
  const folder = mkdtempSync(path.join(tmpdir(), 'prokura-bench-'));
  // PostgreSQL runs as a user of its own where this process is root, and has to reach its data.
  chmodSync(folder, 0o711);
  let programs: StartedProgram[] = [];
  const logs = path.join(folder, 'logs');
  const supervisor = new Supervisor({ logs, log, changed: (now) => (programs = now) });
  const stop = async () => {
    await supervisor.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const taken = new Set<number>();
  const port = async () => {
    const free = await nextFreePort(FIRST_PORT, taken);
    taken.add(free);
    return free;
  };
  try {
    const password = randomBytes(18).toString('base64url');
    const postgres = await preparePostgres({ dir: path.join(folder, 'postgres'), port: await port(), password, log });
    const settings = [...POSTGRES_SETTINGS, ...postgresSettings].flatMap((setting) => ['-c', setting]);
    await supervisor.start({ ...postgres.program, args: [...postgres.program.args, ...settings] });

    const temporalPort = await port();
    const binary = await findTemporalBinary({ log });
    await supervisor.start(temporalProgram({ binary, dir: path.join(folder, 'temporal'), port: temporalPort }));
    const temporal = { address: `127.0.0.1:${temporalPort}`, namespace: NAMESPACE };
    const connection = await Connection.connect({ address: temporal.address });
    await ensureNamespace(connection, NAMESPACE);
    await connection.close();

    const processorPort = await port();
    await supervisor.start(benchProgram('processor', processorPort, {}));
    return {
      folder,
      processorUrl: `http://127.0.0.1:${processorPort}`,
      temporal,
      keys: await makeKeys(),
      database: async (name) => {
        await ensureDatabase(postgres.url(name));
        return postgres.url(name);
      },
      port,
      start: (program) => supervisor.start(program),
      pidOf: (name) => programs.find((program) => program.name === name)!.pid,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** `bench/<name>.ts` or `bench/<name>/server.ts` as a program that listens on `port`; ready when it answers. */
export function benchProgram(
  name: 'processor' | 'floor' | 'bare',
  port: number,
  env: NodeJS.ProcessEnv,
  profile?: string,
): Program {
  const file = new URL(name === 'processor' ? './processor.ts' : `./${name}/server.ts`, import.meta.url);
  return {
    name,
    command: process.execPath,
    args: [...profiler(profile), '--import', 'tsx', fileURLToPath(file)],
    env: { PROKURA_SUPERVISED: '1', NODE_ENV: 'production', PORT: String(port), ...env },
    endsWithStdin: true,
    stopWithinMs: 10_000,
    readyWithinMs: 60_000,
    ready: async () => (await status(`http://127.0.0.1:${port}/`)) !== undefined,
  };
}

/** Options of node that write a CPU profile per thread into `folder` when the process ends. */
export function profiler(folder: string | undefined): string[] {
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}
