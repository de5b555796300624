import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { ActivityDeps } from '../src/activities/deps.ts';
import { findForgotten, markTold } from '../src/store/payments/forgotten.ts';
import { findUnapplied } from '../src/store/payments/resolutions.ts';
import { findUnreversed, reverseRefund } from '../src/store/refunds/reverse.ts';
import { inTransaction } from '../src/store/pool.ts';
import { applyAwaitedLines } from '../src/store/settlement/awaited.ts';

const EVERY_MS = 5_000;
const BATCH = 100;

interface Options {
  pool: Pool;
  signal: ActivityDeps['signal'];
  log: Logger;
  /** Longer than a sender takes for its call and the question afterwards: what is older may have lost its driver. */
  afterMs: number;
}

/**
 * Tells lifecycles of operations that stay open. An update is not in a workflow's history until its first task is
 * completed; when the Temporal server dies in between, the operation is committed and sent, and the workflow never
 * heard of it. A signal is durable: told once, the workflow stays with every operation that is open in the database.
 * Likewise a person's word that nobody carried out is told again, and settlement lines that came before the outcome of
 * their operation are counted once it is known, and a refund that was told to have come back before its success was
 * recorded is reversed.
 */
export function startForgottenDriver({ pool, signal, log, afterMs }: Options): { stop(): Promise<void> } {
  const state = { stopping: false };
  let wake = () => {};
  const run = async () => {
    while (!state.stopping) {
      try {
        for (const { id, workflowId } of await findForgotten(pool, afterMs, BATCH)) {
          await signal(workflowId, 'look', {});
          await markTold(pool, [id], new Date());
        }
        for (const { id, workflowId } of await findUnapplied(pool, afterMs, BATCH)) {
          await signal(workflowId, 'evidence', { operationId: id });
        }
        for (const { tenant, operationId, code, processor } of await findUnreversed(pool, BATCH)) {
          const reversal = { operationId, code, actor: `processor:${processor}`, at: new Date() };
          await inTransaction(pool, (db) => reverseRefund(db, tenant, reversal));
        }
        for (const { workflowId, complete } of await applyAwaitedLines(pool, BATCH, new Date())) {
          await signal(workflowId, 'settled', { complete });
        }
      } catch (error) {
        log.warn({ err: error }, 'open operations were not told of; trying again');
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
