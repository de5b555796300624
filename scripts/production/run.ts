import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runDemo } from '../../src/cli/demo/run.ts';
import type { DemoFile } from '../../src/cli/demo-file.ts';
import { messageOf, step } from '../../src/cli/output.ts';
import { onStopSignal } from '../../src/cli/until-stopped.ts';
import { Supervisor } from '../../src/cli/supervisor.ts';
import { bringUpProduction } from './bring-up.ts';
import { openPostgres } from './postgres.ts';
import type { OpenPostgres } from './postgres.ts';

export interface DemoProductionOptions {
  /** Print the demo's steps as JSON. */
  json: boolean;
  log: (line: string) => void;
}

/**
 * The topology of docker-compose.yml without containers: PostgreSQL (`DATABASE_URL`, else an embedded one), the
 * production Temporal server on it, two worker processes, one API process, the processor simulator, all in
 * `PROKURA_ENV=production` with fresh keys; then the demo, then an orderly end. Works in databases of its own,
 * which are dropped again, so that a given server may be one that holds real data.
 * @returns the exit code: 0 when the demo succeeded and everything ended politely
 */
export async function runDemoProduction({ json, log }: DemoProductionOptions): Promise<number> {
  const logs = await mkdtemp(join(tmpdir(), 'prokura-production-'));
  const supervisor = new Supervisor({ logs, log });
  const stopped = new Promise<never>((_, reject) => {
    onStopSignal(
      (signal) => reject(new Error(`${signal}: stopping in order`)),
      () => supervisor.hurry(),
    );
  });
  // Raced below; a signal between two races must not count as unhandled.
  stopped.catch(() => undefined);
  let postgres: OpenPostgres | undefined;
  const names = databaseNames();
  let code = 1;
  try {
    const server = await step(log, 'PostgreSQL', () => openPostgres(process.env['DATABASE_URL']));
    postgres = server;
    const start: DemoFile = await Promise.race([
      bringUpProduction({ postgres: server, databases: names, supervisor, log }),
      supervisor.failure,
      stopped,
    ]);
    code = await Promise.race([runDemo({ start, json, log }), supervisor.failure, stopped]);
  } catch (error) {
    log(messageOf(error));
    log(`Logs of every process: ${logs}`);
  }
  await step(log, 'stopped in order', async () => {
    await supervisor.stop();
    if (!postgres) return;
    for (const name of Object.values(names)) await postgres.run(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    await postgres.close();
  });
  if (code === 0) await rm(logs, { recursive: true, force: true });
  return code;
}

/** Databases of one demonstration. */
export interface ProductionDatabases {
  prokura: string;
  simulator: string;
  temporal: string;
  temporalVisibility: string;
}

function databaseNames(): ProductionDatabases {
  const mark = randomBytes(4).toString('hex');
  return {
    prokura: `prokura_demo_${mark}`,
    simulator: `prokura_simulator_demo_${mark}`,
    temporal: `temporal_demo_${mark}`,
    temporalVisibility: `temporal_visibility_demo_${mark}`,
  };
}
