import type { Reason } from '../../domain/types.ts';
import { holdExecution } from '../../store/executions/redecide.ts';
import { inTransaction } from '../../store/pool.ts';
import { closeReview } from '../../store/reviews/vote.ts';
import type { ActivityDeps } from '../deps.ts';
import type { DecidedExecution, ExecutionRef } from '../types.ts';
import { denial, storeVerdict, type Rejudged } from './rejudge.ts';
import { standing } from './standing.ts';

const EXPIRED: Record<'challenged' | 'in_review', Reason> = {
  challenged: { code: 'challenge_required', category: 'identity', message: 'The challenge was not answered in time' },
  in_review: { code: 'risk_elevated', category: 'risk', message: 'Nobody reviewed it in time' },
};

/** The wait of a stage is over. Whoever left the stage first has won; then nothing changes here. */
export async function expireStage(
  deps: ActivityDeps,
  ref: ExecutionRef,
  stage: 'challenged' | 'in_review' | 'approved',
): Promise<DecidedExecution> {
  return inTransaction(deps.pool, async (db) => {
    const row = await holdExecution(db, ref.tenant, ref.executionId);
    if (!row) throw new Error(`execution ${ref.executionId} is missing`);
    if (row.stage !== stage) return standing(row, deps.now());
    const about: Rejudged = {
      ref,
      row,
      actor: 'system:timer',
      challengeStatus: stage === 'challenged' ? 'expired' : row.challenge_status,
    };
    if (stage === 'in_review') await closeReview(db, ref.tenant, row.id, { status: 'expired', at: deps.now() });
    const judgement =
      stage === 'approved'
        ? row
        : denial(row, EXPIRED[stage], stage === 'challenged' ? 'challenge_expired' : 'review_expired');
    const { decided } = await storeVerdict(deps, db, about, judgement, {
      lapsed: stage === 'approved',
      event: 'execution.expired',
    });
    return { ...decided, waitMs: undefined };
  });
}
