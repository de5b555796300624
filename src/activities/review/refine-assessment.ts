import type { ReviewStanding } from '../../domain/review/standing.ts';
import { automaticVerdict } from '../../domain/review/vote.ts';
import type { Screening } from '../../domain/screening.ts';
import { DecisionRaced } from '../../store/executions/commit-decision.ts';
import { inTransaction, type Db } from '../../store/pool.ts';
import { holdAssessmentReview } from '../../store/reviews/assessment.ts';
import { findReview } from '../../store/reviews/read.ts';
import type { Refinement } from '../../store/reviews/row.ts';
import { findReviewSettings } from '../../store/reviews/settings.ts';
import { holdStanding } from '../../store/stops/begin.ts';
import type { ActivityDeps } from '../deps.ts';
import { standingOf } from './assessment.ts';
import { assessmentNeedsPerson, decideAssessment, screenAssessment } from './decide-assessment.ts';
import { lookAgain, storeRefinement, TOO_UNUSUAL } from './refine.ts';
import type { ReviewRef } from './types.ts';

/**
 * The second look at an assessment; it decides only where the organization has set a score for that, and releases
 * nothing that needs a person.
 */
export async function refineAssessmentReview(deps: ActivityDeps, ref: ReviewRef): Promise<ReviewStanding | undefined> {
  const refinement = await lookAgain(deps, ref.tenant, ref.reviewId);
  if (!refinement) return undefined;
  const screening = await screenAssessment(deps, ref.tenant, ref.reviewId);
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
  { tenant, reviewId }: ReviewRef,
  { refinement, screening }: { refinement: Refinement; screening: Screening | undefined },
): Promise<ReviewStanding | undefined> {
  const held = await holdAssessmentReview(db, tenant, reviewId);
  if (held?.review.refinement.status !== 'pending') return undefined;
  const at = deps.now();
  const open = held.review.status === 'open' && at < new Date(held.review.expires_at);
  const wished =
    open && refinement.score !== undefined
      ? automaticVerdict(refinement.score, await findReviewSettings(db, tenant))
      : undefined;
  const personal = wished === 'approve' && (await assessmentNeedsPerson(db, tenant, held, { at, screening }));
  const verdict = personal ? undefined : wished;
  if (verdict) {
    const proposal = verdict === 'deny' ? { deny: TOO_UNUSUAL } : ('approve' as const);
    const body = { refinement_score: refinement.score };
    await decideAssessment(deps, db, tenant, held, { proposal, actor: 'system:refinement', at, screening, body });
  }
  await storeRefinement(db, tenant, held.review, { refinement, at });
  return verdict ? standingOf((await findReview(db, tenant, reviewId))!, at) : undefined;
}
