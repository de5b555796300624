import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { driveBacktest } from '../src/api/lifecycle/backtests.ts';
import type { Config } from '../src/config.ts';
import { findUndrivenBacktests } from '../src/store/backtests/drive.ts';

const EVERY_MS = 2_000;
/** Younger ones are being handed over by the process that committed them. */
const GRACE_MS = 2_000;
/** A pass takes seconds; one that waits for its turn behind many others is not harmed by being asked for again. */
const SILENCE_MS = 120_000;
const BATCH = 50;

interface BacktestDriverOptions {
  pool: Pool;
  client: Client;
  log: Logger;
  config: Pick<Config, 'TEMPORAL_TASK_QUEUE'>;
}

/**
 * Hands over the backtests that nobody has: whoever committed them died before it could, Temporal was away, or the
 * workflow was terminated there. The row is the outbox.
 */
export function startBacktestDriver({ pool, client, log, config }: BacktestDriverOptions): { stop(): Promise<void> } {
  const engine = { client, pool, taskQueue: config.TEMPORAL_TASK_QUEUE };
  const state = { stopping: false };
  let wake = () => {};
  const run = async () => {
    while (!state.stopping) {
      try {
        const found = await findUndrivenBacktests(pool, { graceMs: GRACE_MS, silenceMs: SILENCE_MS }, BATCH);
        for (const ref of found) await driveBacktest(engine, ref);
      } catch (error) {
        log.warn({ err: error }, 'a backtest was not handed over; trying again');
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, EVERY_MS);
        wake = () => (clearTimeout(timer), resolve());
        if (state.stopping) wake();
      });
    }
  };
  const running = run();
  return {
    async stop() {
      state.stopping = true;
      wake();
      await running;
    },
  };
}
