import { needsPerson } from '../../domain/review/release.ts';
import { automaticVerdict } from '../../domain/review/vote.ts';
import { holdExecution } from '../../store/executions/redecide.ts';
import { DecisionRaced } from '../../store/executions/commit-decision.ts';
import { inTransaction, type Db } from '../../store/pool.ts';
import type { Refinement } from '../../store/reviews/row.ts';
import { findReview } from '../../store/reviews/read.ts';
import { findReviewSettings } from '../../store/reviews/settings.ts';
import { closeReview } from '../../store/reviews/vote.ts';
import { holdStanding } from '../../store/stops/begin.ts';
import type { Screening } from '../../domain/screening.ts';
import { isOver } from '../decision/answer-review.ts';
import type { ActivityDeps } from '../deps.ts';
import { denial, gatherAgain, judgeWithProof, screenAgain, storeVerdict, type Rejudged } from '../decision/rejudge.ts';
import type { DecidedExecution, ExecutionRef } from '../types.ts';
import { lookAgain, storeRefinement, TOO_UNUSUAL } from './refine.ts';

/**
 * The second look at an execution in review, after its answer and beside the person. It informs; it decides only where
 * the organization has set a score for that, and then the intent is judged anew like after a person's yes. What needs
 * a person whatever the score says stays open.
 * @returns how the execution stands when it was decided by this; else undefined
 */
export async function refineReview(deps: ActivityDeps, ref: ExecutionRef): Promise<DecidedExecution | undefined> {
  const refinement = await lookAgain(deps, ref.tenant, ref.executionId);
  if (!refinement) return undefined;
  const screening = await screenAgain(deps, ref);
  for (;;) {
    try {
      return await inTransaction(deps.pool, async (db) => {
        await holdStanding(db, ref.tenant);
        return apply(deps, db, ref, { refinement, screening });
      });
    } catch (error) {
      if (!(error instanceof DecisionRaced)) throw error;
    }
  }
}

async function apply(
  deps: ActivityDeps,
  db: Db,
  ref: ExecutionRef,
  { refinement, screening }: { refinement: Refinement; screening: Screening | undefined },
): Promise<DecidedExecution | undefined> {
  const { tenant, executionId } = ref;
  const row = await holdExecution(db, tenant, executionId);
  const review = await findReview(db, tenant, executionId);
  if (!row || review?.refinement.status !== 'pending') return undefined;
  const at = deps.now();
  const open = row.stage === 'in_review' && !isOver(row, at);
  const verdict =
    open && refinement.score !== undefined
      ? automaticVerdict(refinement.score, await findReviewSettings(db, tenant))
      : undefined;
  let decided: DecidedExecution | undefined;
  if (verdict) {
    const about: Rejudged = { ref, row, actor: 'system:refinement', challengeStatus: row.challenge_status };
    const context = { ...(await gatherAgain(db, about, at)), screening };
    if (verdict === 'deny' || !needsPerson(judgeWithProof(row, context))) {
      const judgement =
        verdict === 'deny' ? denial(row, TOO_UNUSUAL, 'denied_by_operator') : judgeWithProof(row, context, 'review');
      await closeReview(db, tenant, row.id, { status: judgement.decision === 'approved' ? 'approved' : 'denied', at });
      const body = { verdict, refinement_score: refinement.score };
      ({ decided } = await storeVerdict(deps, db, about, judgement, { context, body }));
    }
  }
  // After the verdict: the head of the trail is locked last.
  await storeRefinement(db, tenant, review, { refinement, at });
  return decided;
}
