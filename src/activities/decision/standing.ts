import type { ExecutionRow } from '../../store/executions/read.ts';
import type { DecidedExecution } from '../types.ts';

/** How an execution stands when nothing was changed: the workflow follows the row, whatever it expected. */
export function standing(row: ExecutionRow): DecidedExecution {
  return {
    executionId: row.id,
    decision: row.decision,
    stage: row.stage as DecidedExecution['stage'],
    reasonCode: row.reasons[0]?.code,
  };
}
