import { findExecution, type ExecutionRow } from '../../store/executions/read.ts';
import type { ActivityDeps } from '../deps.ts';
import type { DecidedExecution, ExecutionRef } from '../types.ts';

/** How an execution stands when nothing was changed: the workflow follows the row, whatever it expected. */
export function standing(row: ExecutionRow, now: Date): DecidedExecution {
  const until = {
    approved: row.token_expires_at,
    challenged: row.challenge_expires_at,
    in_review: row.review_expires_at,
  };
  const end = until[row.stage as keyof typeof until];
  return {
    executionId: row.id,
    decision: row.decision,
    stage: row.stage as DecidedExecution['stage'],
    reasonCode: row.reasons[0]?.code,
    waitMs: end ? new Date(end).getTime() - now.getTime() : undefined,
  };
}

export async function standingOf(deps: ActivityDeps, { tenant, executionId }: ExecutionRef): Promise<DecidedExecution> {
  const row = await findExecution(deps.pool, tenant, executionId);
  if (!row) throw new Error(`execution ${executionId} is missing`);
  return standing(row, deps.now());
}
