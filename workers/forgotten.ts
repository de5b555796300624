import type { Pool } from 'pg';
import type { Logger } from 'pino';
import type { ActivityDeps } from '../src/activities/deps.ts';
import { findForgotten, markTold, type OpenOperation } from '../src/store/payments/forgotten.ts';
import { findUnapplied } from '../src/store/payments/resolutions.ts';
import { findUnreversed, reverseRefund } from '../src/store/refunds/reverse.ts';
import { inTransaction } from '../src/store/pool.ts';
import { applyAwaitedLines } from '../src/store/settlement/awaited.ts';
import { repeatEvery } from './stops.ts';

const EVERY_MS = 5_000;
const BATCH = 100;
/** Times the first wait, after which it is looked whether the workflow that was told still runs. */
const AGAIN_AFTER = 10;

interface Options {
  pool: Pool;
  signal: ActivityDeps['signal'];
  /** Whether a workflow runs. */
  lives: (workflowId: string) => Promise<boolean>;
  /** Takes over an operation whose workflow is over. */
  stayWith: (operation: OpenOperation) => Promise<void>;
  log: Logger;
  /** Longer than a sender takes for its call and the question afterwards: what is older may have lost its driver. */
  afterMs: number;
}

/**
 * Tells lifecycles of operations that stay open. An update is not in a workflow's history until its first task is
 * completed; when the Temporal server dies in between, the operation is committed and sent, and the workflow never
 * heard of it. A signal is durable: told once, the workflow stays with every operation that is open in the database.
 * Where that workflow is over, another one takes its place.
 * Likewise a person's word that nobody carried out is told again, and settlement lines that came before the outcome of
 * their operation are counted once it is known, and a refund that was told to have come back before its success was
 * recorded is reversed.
 */
export function startForgottenDriver({ pool, signal, lives, stayWith, log, afterMs }: Options): {
  stop(): Promise<void>;
} {
  const tell = async (operation: OpenOperation, what: 'look' | 'evidence') => {
    const { id, workflowId } = operation;
    if (!(await signal(workflowId, what, what === 'look' ? {} : { operationId: id }))) await stayWith(operation);
  };
  return repeatEvery(EVERY_MS, async () => {
    try {
      const age = { olderThanMs: afterMs, againMs: AGAIN_AFTER * afterMs, limit: BATCH };
      for (const operation of await findForgotten(pool, age)) {
        if (!operation.told) await tell(operation, operation.own ? 'evidence' : 'look');
        else if (!(await lives(operation.workflowId))) await stayWith(operation);
        await markTold(pool, [operation.id], new Date());
      }
      for (const operation of await findUnapplied(pool, afterMs, BATCH)) await tell(operation, 'evidence');
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
  });
}
