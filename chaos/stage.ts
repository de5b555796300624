import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Connection } from '@temporalio/client';
import { type Log, step } from '../src/cli/output.ts';
import { selfCommand } from '../src/cli/paths.ts';
import { makeKeys } from '../src/cli/provision/keys.ts';
import { ensureNamespace } from '../src/cli/provision/namespace.ts';
import { nextFreePort } from '../src/cli/provision/ports.ts';
import { ensureDatabase, preparePostgres } from '../src/cli/provision/postgres.ts';
import { findTemporalBinary } from '../src/cli/provision/temporal-binary.ts';
import { temporalProgram } from '../src/cli/provision/temporal-server.ts';
import { simulatorProgram, status } from '../src/cli/start/programs.ts';
import type { Program } from '../src/cli/supervisor.ts';
import { migrate } from '../src/store/migrate.ts';
import { victimOf, type Victim } from './process.ts';

const FIRST_PORT = 24_000;
const NAMESPACE = 'prokura';
/** What a worker logs when it polls. */
const READY = '"msg":"ready"';

/** Waits are short, so that a run sees what takes days elsewhere. */
const SETTINGS = {
  CHALLENGE_TTL_SECONDS: '25',
  EXECUTION_TOKEN_TTL_SECONDS: '60',
  UNKNOWN_DEADLINE_SECONDS: '90',
  SETTLEMENT_SLA_SECONDS: '900',
  PROCESSOR_VISIBILITY_LAG_MS: '1000',
  PROCESSOR_TIMEOUT_MS: '2000',
  ANSWER_WAIT_MS: '6000',
  AUDIT_SEAL_SECONDS: '3',
};

/** What is killed. The processors are not ours to kill: they fail by script. */
export const VICTIMS = ['worker-1', 'worker-2', 'api', 'temporal', 'postgres'] as const;
export type VictimName = (typeof VICTIMS)[number];

/** The whole installation in processes of its own; the processors keep their books in a database server of theirs. */
export interface Stage {
  folder: string;
  apiUrl: string;
  simulatorUrl: string;
  databaseUrl: string;
  bankUrl: string;
  dataKey: string;
  victims: Record<VictimName, Victim>;
  end(): Promise<void>;
}

/** @param folder where data and logs go; a temporary one when not given */
export async function setStage(log: Log, folder?: string): Promise<Stage> {
  const place = folder ?? mkdtempSync(path.join(tmpdir(), 'prokura-chaos-'));
  mkdirSync(place, { recursive: true });
  // PostgreSQL runs as a user of its own where this process is root, and has to reach its data.
  chmodSync(place, 0o711);
  const logs = path.join(place, 'logs');
  const taken = new Set<number>();
  const port = async () => {
    const free = await nextFreePort(FIRST_PORT, taken);
    taken.add(free);
    return free;
  };
  const started: Victim[] = [];
  const start = async (label: string, program: Program, saying?: string): Promise<Victim> => {
    const victim = victimOf(program, logs, saying);
    started.push(victim);
    await step(log, label, () => victim.start());
    return victim;
  };
  const end = async () => {
    for (const victim of started.toReversed()) await victim.end();
  };
  try {
    const password = randomBytes(18).toString('base64url');
    const [ours, bank] = [
      await preparePostgres({ dir: path.join(place, 'postgres'), port: await port(), password, log }),
      await preparePostgres({ dir: path.join(place, 'bank'), port: await port(), password, log }),
    ];
    const postgres = await start('PostgreSQL', ours.program);
    await start("the processors' PostgreSQL", { ...bank.program, name: 'bank' });
    const [databaseUrl, bankUrl] = [ours.url('prokura'), bank.url('bank')];
    await Promise.all([ensureDatabase(databaseUrl), ensureDatabase(bankUrl)]);
    await step(log, 'database schema', () => migrate(databaseUrl, () => undefined));

    const temporalPort = await port();
    const binary = await findTemporalBinary({ log });
    const temporal = await start(
      'Temporal',
      temporalProgram({ binary, dir: path.join(place, 'temporal'), port: temporalPort }),
    );
    const address = `127.0.0.1:${temporalPort}`;
    const connection = await Connection.connect({ address });
    await ensureNamespace(connection, NAMESPACE);
    await connection.close();

    const keys = await makeKeys();
    const notifySecret = randomBytes(32).toString('base64');
    const apiUrl = `http://127.0.0.1:${await port()}`;
    const simulatorUrl = `http://127.0.0.1:${await port()}`;
    await start(
      'processors',
      simulatorProgram(simulatorUrl, apiUrl, bankUrl, { simulator_notify_secret: notifySecret } as never),
    );
    const role = (name: VictimName, kind: 'api' | 'worker'): Program => ({
      name,
      ...selfCommand([kind]),
      env: {
        PROKURA_SUPERVISED: '1',
        DATABASE_URL: databaseUrl,
        TEMPORAL_ADDRESS: address,
        TEMPORAL_NAMESPACE: NAMESPACE,
        HOST: '127.0.0.1',
        PORT: new URL(apiUrl).port,
        PUBLIC_URL: apiUrl,
        PROKURA_SIGNING_KEY: keys.PROKURA_SIGNING_KEY,
        PROKURA_DATA_KEY: keys.PROKURA_DATA_KEY,
        SIMULATOR_NOTIFY_SECRET: notifySecret,
        WEBHOOK_ALLOW_PRIVATE: 'true',
        LOG_LEVEL: kind === 'worker' ? 'info' : 'warn',
        ...SETTINGS,
      },
      stopWithinMs: 20_000,
      readyWithinMs: 120_000,
      ready: async () => kind === 'worker' || (await status(`${apiUrl}/health`)) === 200,
    });
    const [first, second, api] = [
      await start('worker 1', role('worker-1', 'worker'), READY),
      await start('worker 2', role('worker-2', 'worker'), READY),
      await start('API', role('api', 'api')),
    ];
    return {
      folder: place,
      apiUrl,
      simulatorUrl,
      databaseUrl,
      bankUrl,
      dataKey: keys.PROKURA_DATA_KEY,
      victims: { 'worker-1': first, 'worker-2': second, api, temporal, postgres },
      end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

/** Forgets what a run left behind. */
export function clear(stage: Stage): void {
  rmSync(stage.folder, { recursive: true, force: true });
}
