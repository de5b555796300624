import type { Client } from '@temporalio/client';
import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { driveReview } from '../src/api/lifecycle/reviews.ts';
import type { Config } from '../src/config.ts';
import { findUndrivenReviews } from '../src/store/reviews/assessment.ts';

const EVERY_MS = 1_000;
const BATCH = 50;

interface ReviewDriverOptions {
  pool: Pool;
  client: Client;
  log: Logger;
  config: Pick<Config, 'TEMPORAL_TASK_QUEUE' | 'REVIEW_TTL_SECONDS'>;
}

/**
 * Starts the workflow of every assessment that a person must look at, and tells those whose review was ended from
 * outside. The row was written with the assessment, so that an assessment costs no call to Temporal, and a start that
 * was lost is repeated.
 */
export function startReviewDriver({ pool, client, log, config }: ReviewDriverOptions): { stop(): Promise<void> } {
  const engine = { client, pool, taskQueue: config.TEMPORAL_TASK_QUEUE };
  const state = { stopping: false };
  let wake = () => {};
  const run = async () => {
    while (!state.stopping) {
      try {
        for (const review of await findUndrivenReviews(pool, BATCH)) {
          await driveReview(engine, review, config.REVIEW_TTL_SECONDS * 1_000);
        }
      } catch (error) {
        log.warn({ err: error }, 'a review was not handed over; trying again');
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
