import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Log } from '../src/cli/output.ts';
import { nextFreePort } from '../src/cli/provision/ports.ts';
import { ensureDatabase, preparePostgres } from '../src/cli/provision/postgres.ts';
import { Supervisor } from '../src/cli/supervisor.ts';
import { migrate } from '../src/store/migrate.ts';

/** A durable PostgreSQL in a folder that goes with it, for a bench that needs no other server. */
export interface BenchDatabase {
  /** Makes a database with the current schema, and says its URL. */
  fresh(name: string): Promise<string>;
  pid(): number;
  stop(): Promise<void>;
}

/** @param settings of the server, as `name=value` */
export async function startDatabase(log: Log, settings: string[] = []): Promise<BenchDatabase> {
  const folder = mkdtempSync(path.join(tmpdir(), 'prokura-bench-'));
  // PostgreSQL may run as a user of its own, and has to reach its data.
  chmodSync(folder, 0o711);
  let pid = 0;
  const supervisor = new Supervisor({
    logs: path.join(folder, 'logs'),
    log,
    changed: (programs) => (pid = programs.find(({ name }) => name === 'postgres')?.pid ?? pid),
  });
  const stop = async () => {
    await supervisor.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const port = await nextFreePort(22_000, new Set());
    const password = randomBytes(18).toString('base64url');
    const { program, url } = await preparePostgres({ dir: path.join(folder, 'postgres'), port, password, log });
    await supervisor.start({ ...program, args: [...program.args, ...settings.flatMap((one) => ['-c', one])] });
    return {
      async fresh(name) {
        await ensureDatabase(url(name));
        await migrate(url(name), () => undefined);
        return url(name);
      },
      pid: () => pid,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
