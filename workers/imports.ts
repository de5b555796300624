import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { driveImport } from '../src/api/lifecycle/imports.ts';
import type { Config } from '../src/config.ts';
import { findUndrivenImports } from '../src/store/settlement/import-driving.ts';
import { repeatEvery } from './stops.ts';

const EVERY_MS = 2_000;
/** Younger ones are being handed over by the process that committed them. */
const GRACE_MS = 2_000;
/** A batch takes less than a second; one that waits for its turn is not harmed by being asked for again. */
const SILENCE_MS = 120_000;
const BATCH = 50;

interface ImportDriverOptions {
  pool: Pool;
  client: Client;
  log: Logger;
  config: Pick<Config, 'TEMPORAL_TASK_QUEUE'>;
}

/**
 * Hands over the settlement files that nobody has: whoever committed them died before it could, Temporal was away, or
 * the workflow was terminated there. The row is the outbox.
 */
export function startImportDriver({ pool, client, log, config }: ImportDriverOptions): { stop(): Promise<void> } {
  const engine = { client, pool, taskQueue: config.TEMPORAL_TASK_QUEUE };
  return repeatEvery(EVERY_MS, async () => {
    try {
      const found = await findUndrivenImports(pool, { graceMs: GRACE_MS, silenceMs: SILENCE_MS }, BATCH);
      for (const ref of found) await driveImport(engine, ref);
    } catch (error) {
      log.warn({ err: error }, 'a settlement file was not handed over; trying again');
    }
  });
}
