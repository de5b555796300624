import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { driveDispute } from '../src/api/lifecycle/disputes.ts';
import type { Config } from '../src/config.ts';
import { findUndrivenDisputes } from '../src/store/disputes/drive.ts';
import { repeatEvery } from './stops.ts';

const EVERY_MS = 1_000;
/** Younger changes may still be on their way to being committed by others. */
const GRACE_MS = 0;
const BATCH = 50;

interface Options {
  pool: Pool;
  client: Client;
  log: Logger;
  config: Pick<Config, 'TEMPORAL_TASK_QUEUE'>;
}

/** Tells the workflows of disputes what was changed. The row is the outbox: a second is nothing to a dispute. */
export function startDisputeDriver({ pool, client, log, config }: Options): { stop(): Promise<void> } {
  const engine = { client, pool, taskQueue: config.TEMPORAL_TASK_QUEUE };
  return repeatEvery(EVERY_MS, async () => {
    try {
      for (const changed of await findUndrivenDisputes(pool, GRACE_MS, BATCH)) await driveDispute(engine, changed);
    } catch (error) {
      log.warn({ err: error }, 'a dispute was not handed over; trying again');
    }
  });
}
