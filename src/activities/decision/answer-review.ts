import type { ProblemCode } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { ReviewVerdict } from '../../domain/messages.ts';
import type { Screening } from '../../domain/screening.ts';
import type { Reason } from '../../domain/types.ts';
import { holdExecution } from '../../store/executions/redecide.ts';
import type { ExecutionRow } from '../../store/executions/read.ts';
import { recordFact } from '../../store/facts.ts';
import { keepNewAnswer } from '../../store/idempotency.ts';
import type { Db } from '../../store/pool.ts';
import { closeReview } from '../../store/reviews/vote.ts';
import { newId } from '../../trust/new-id.ts';
import { answerUnderKey, refusal, type Answered } from '../answer-under-key.ts';
import type { ActivityDeps } from '../deps.ts';
import { castVote, holdVoterOf, type Counted } from '../review/cast-vote.ts';
import type { DecidedExecution, ExecutionRef } from '../types.ts';
import { authorizeAnswer } from './answer.ts';
import { denial, gatherAgain, judgeWithProof, screenAgain, storeVerdict, type Rejudged } from './rejudge.ts';
import { standing, standingOf } from './standing.ts';

const DENIED_BY_OPERATOR: Reason = { code: 'policy_denied', category: 'policy', message: 'An operator denied it' };

/**
 * A person's word on an execution in review. One denial ends it; the last approval that is needed is a proof like any
 * other: the intent is judged again, and what fails now still denies. A word that decides nothing yet is kept and
 * answered with how it stands.
 */
export async function answerReview(
  deps: ActivityDeps,
  ref: ExecutionRef,
  said: ReviewVerdict,
): Promise<DecidedExecution> {
  const screening = await screenAgain(deps, ref);
  return answerUnderKey(
    deps,
    ref.tenant,
    said.request,
    (db) => hear(deps, db, ref, { ...said, screening }),
    () => standingOf(deps, ref),
  );
}

async function hear(
  deps: ActivityDeps,
  db: Db,
  ref: ExecutionRef,
  { request, verdict, note, screening }: ReviewVerdict & { screening: Screening | undefined },
): Promise<Answered<DecidedExecution>> {
  const { actor, fingerprint } = request;
  const voter = await holdVoterOf(db, ref.tenant, actor);
  const row = await holdExecution(db, ref.tenant, ref.executionId);
  if (!row) throw new Error(`execution ${ref.executionId} is missing`);
  const at = deps.now();
  const refuse = (code: ProblemCode, detail: string) => ({
    standing: standing(row, at),
    answer: refusal(request, code, detail),
  });
  const keep = async (now: DecidedExecution, body: Record<string, unknown>) => {
    const answer = { fingerprint, status: 200, body };
    await keepNewAnswer(db, ref.tenant, request, answer, ref.executionId);
    return { standing: now, answer };
  };
  if (row.stage !== 'in_review') return refuse('review_closed', `The execution is ${row.stage}.`);
  if (isOver(row, at)) return refuse('review_closed', 'The time for the review is over.');
  const vote = await castVote(db, ref.tenant, row.id, { voter, actor, verdict, note, at });
  if ('refused' in vote) return refuse(vote.refused.code, vote.refused.detail);
  const { approvals, review } = vote;
  if (vote.outcome === 'open') {
    const body = await stillOpen(deps, db, { ref, row, vote, said: { actor, verdict, note, at } });
    return keep({ ...standing(row, at), votes: { approvals, quorum: review.quorum } }, body);
  }
  const about: Rejudged = { ref, row, actor, challengeStatus: row.challenge_status };
  const context = { ...(await gatherAgain(db, about, at)), screening };
  const judgement =
    vote.outcome === 'denied'
      ? denial(row, DENIED_BY_OPERATOR, 'denied_by_operator')
      : judgeWithProof(row, context, 'review');
  await closeReview(db, ref.tenant, row.id, { status: judgement.decision === 'approved' ? 'approved' : 'denied', at });
  const body = { verdict, note, approvals, quorum: review.quorum };
  const { decided, answer } = await storeVerdict(deps, db, about, judgement, { context, body });
  return keep(decided, answer);
}

/** The timer may be late; the date is what was promised. */
export function isOver({ review_expires_at: end }: Pick<ExecutionRow, 'review_expires_at'>, at: Date): boolean {
  return end !== null && at >= new Date(end);
}

/** Keeps a word that decides nothing yet in the trail; the answer says what is still needed. */
async function stillOpen(
  deps: ActivityDeps,
  db: Db,
  about: {
    ref: ExecutionRef;
    row: ExecutionRow;
    vote: Counted;
    said: { actor: string; verdict: string; note: string; at: Date };
  },
): Promise<Record<string, unknown>> {
  const { ref, row, vote, said } = about;
  const { approvals, review } = vote;
  const auditId = newId();
  await recordFact(db, {
    tenant: ref.tenant,
    at: said.at,
    type: 'review.voted',
    actor: said.actor,
    subject: toTypeId('exec', row.id),
    auditId,
    body: { verdict: said.verdict, note: said.note, approvals, quorum: review.quorum, repeated: vote.repeated },
    events: [],
  });
  const answer = authorizeAnswer({
    executionId: row.id,
    decision: row.decision,
    policyRef: row.policy_id ? toTypeId('pol', row.policy_id) : 'none',
    auditId,
    risk: row.risk,
    reasons: row.reasons,
    riskPayloadJws: row.risk_payload_jws,
    tokenExpiresAt: null,
    challengeExpiresAt: null,
    reviewExpiresAt: row.review_expires_at === null ? null : new Date(row.review_expires_at),
    publicUrl: deps.publicUrl,
    nextStep: { action: 'wait_for_review' },
  });
  return { ...answer, review: { ...(answer['review'] as object), status: 'open', approvals, quorum: review.quorum } };
}
