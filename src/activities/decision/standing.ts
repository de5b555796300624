import type { ExecutionRow } from '../../store/executions/read.ts';
import type { DecidedExecution } from '../types.ts';

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
