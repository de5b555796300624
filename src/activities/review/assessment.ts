import type { ProblemCode } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { ReviewVerdict } from '../../domain/messages.ts';
import type { ReviewStanding } from '../../domain/review/standing.ts';
import { tally } from '../../domain/review/vote.ts';
import type { Screening } from '../../domain/screening.ts';
import type { Reason } from '../../domain/types.ts';
import { recordFact } from '../../store/facts.ts';
import { keepNewAnswer } from '../../store/idempotency.ts';
import { inTransaction, type Db } from '../../store/pool.ts';
import { holdAssessmentReview } from '../../store/reviews/assessment.ts';
import type { ReviewRow } from '../../store/reviews/row.ts';
import { findReview } from '../../store/reviews/read.ts';
import { answerUnderKey, refusal, type Answered } from '../answer-under-key.ts';
import type { ActivityDeps } from '../deps.ts';
import { castVote, holdVoterOf } from './cast-vote.ts';
import { decideAssessment, screenAssessment } from './decide-assessment.ts';
import type { ReviewRef } from './types.ts';

const DENIED: Reason = { code: 'policy_denied', category: 'policy', message: 'A person denied it' };
const EXPIRED: Reason = { code: 'expired', category: 'risk', message: 'Nobody reviewed it in time' };
const WITHDRAWN: Reason = {
  code: 'frozen',
  category: 'identity',
  message: 'A freeze or a revocation ended the review',
};

/** How the review stands, for a workflow that begins or heard of a change. */
export async function standingOfReview(deps: ActivityDeps, { tenant, reviewId }: ReviewRef): Promise<ReviewStanding> {
  const review = await findReview(deps.pool, tenant, reviewId);
  if (!review) throw new Error(`review ${reviewId} is missing`);
  return standingOf(review, deps.now());
}

export function standingOf(review: ReviewRow, now: Date): ReviewStanding {
  const { approvals } = tally(review.votes, review.quorum);
  const waitMs = Math.max(0, Date.parse(review.expires_at) - now.getTime());
  return { status: review.status, waitMs, votes: { approvals, quorum: review.quorum } };
}

/** A person's word on an assessment, by the rules of every review; the last approval that is needed judges anew. */
export async function answerAssessmentReview(
  deps: ActivityDeps,
  ref: ReviewRef,
  said: ReviewVerdict,
): Promise<ReviewStanding> {
  const screening = await screenAssessment(deps, ref.tenant, ref.reviewId);
  return answerUnderKey(
    deps,
    ref.tenant,
    said.request,
    (db) => countVote(deps, db, ref, { ...said, screening }),
    () => standingOfReview(deps, ref),
  );
}

async function countVote(
  deps: ActivityDeps,
  db: Db,
  ref: ReviewRef,
  { request, verdict, note, screening }: ReviewVerdict & { screening: Screening | undefined },
): Promise<Answered<ReviewStanding>> {
  const { tenant, reviewId } = ref;
  const { actor, fingerprint } = request;
  const voter = await holdVoterOf(db, tenant, actor);
  const held = await holdAssessmentReview(db, tenant, reviewId);
  if (!held) throw new Error(`review ${reviewId} is missing`);
  const at = deps.now();
  const refuse = (code: ProblemCode, detail: string): Answered<ReviewStanding> => ({
    standing: standingOf(held.review, at),
    answer: refusal(request, code, detail),
  });
  if (held.review.status !== 'open') return refuse('review_closed', `The review is ${held.review.status}.`);
  if (at >= new Date(held.review.expires_at)) return refuse('review_closed', 'The time for the review is over.');
  const vote = await castVote(db, tenant, reviewId, { voter, actor, verdict, note, at });
  if ('refused' in vote) return refuse(vote.refused.code, vote.refused.detail);
  const { approvals, outcome } = vote;
  const { quorum } = held.review;
  const counted = { verdict, note, approvals, quorum };
  let jws = held.assessment.risk_payload_jws;
  let decision: string = held.assessment.decision;
  let reasons = held.assessment.reasons;
  if (outcome === 'open') {
    await recordFact(db, {
      tenant,
      at,
      type: 'review.voted',
      actor,
      subject: toTypeId('asmt', reviewId),
      body: { ...counted, repeated: vote.repeated },
      events: [],
    });
  } else {
    const proposal = outcome === 'denied' ? { deny: DENIED } : 'approve';
    ({ jws, decision, reasons } = await decideAssessment(deps, db, tenant, held, {
      proposal,
      actor,
      at,
      screening,
      body: counted,
    }));
  }
  const after = (await findReview(db, tenant, reviewId))!;
  const standing = standingOf(after, at);
  const body = {
    assessment_id: toTypeId('asmt', reviewId),
    decision,
    reasons,
    risk_payload_jws: jws,
    review: { status: after.status, approvals: standing.votes.approvals, quorum, expires_at: iso(after.expires_at) },
  };
  const committed = { fingerprint, status: 200, body };
  await keepNewAnswer(db, tenant, request, committed);
  return { standing, answer: committed };
}

/** Denied when nobody decided in time. */
export async function expireAssessmentReview(deps: ActivityDeps, ref: ReviewRef): Promise<ReviewStanding> {
  return inTransaction(deps.pool, async (db) => {
    const held = await holdAssessmentReview(db, ref.tenant, ref.reviewId);
    if (!held) throw new Error(`review ${ref.reviewId} is missing`);
    const at = deps.now();
    if (held.review.status !== 'open' || at < new Date(held.review.expires_at)) return standingOf(held.review, at);
    const order = { proposal: { deny: EXPIRED }, status: 'expired' as const, actor: 'system:timer', at, body: {} };
    await decideAssessment(deps, db, ref.tenant, held, order);
    return standingOf((await findReview(db, ref.tenant, ref.reviewId))!, at);
  });
}

/** The review was ended from outside; the assessment follows it, once. */
export async function withdrawAssessment(deps: ActivityDeps, ref: ReviewRef): Promise<void> {
  await inTransaction(deps.pool, async (db) => {
    const held = await holdAssessmentReview(db, ref.tenant, ref.reviewId);
    if (held?.review.status !== 'withdrawn' || held.assessment.decision !== 'review') return;
    const order = { proposal: { deny: WITHDRAWN }, actor: 'system:stop', at: deps.now(), body: {} };
    await decideAssessment(deps, db, ref.tenant, held, order);
  });
}

function iso(text: string): string {
  return new Date(text).toISOString();
}
