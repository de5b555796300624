import { PROBLEMS, type ProblemCode } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { CommittedAnswer, Refusal, ReviewVerdict } from '../../domain/messages.ts';
import type { Reason } from '../../domain/types.ts';
import { holdExecution } from '../../store/executions/redecide.ts';
import type { ExecutionRow } from '../../store/executions/read.ts';
import { recordFact } from '../../store/facts.ts';
import type { Db } from '../../store/pool.ts';
import { closeReview } from '../../store/reviews/vote.ts';
import { newId } from '../../trust/new-id.ts';
import type { ActivityDeps } from '../deps.ts';
import { castVote, holdVoterOf, type Counted } from '../review/cast-vote.ts';
import type { DecidedExecution, ExecutionRef } from '../types.ts';
import { authorizeAnswer } from './answer.ts';
import {
  denial,
  gatherAgain,
  judgeWithProof,
  keepRequest,
  screenAgain,
  storeVerdict,
  type Rejudged,
} from './rejudge.ts';
import { standing } from './standing.ts';
import { refusal, unlessKeyTaken } from './unless-key-taken.ts';

const DENIED_BY_OPERATOR: Reason = { code: 'policy_denied', category: 'policy', message: 'An operator denied it' };

/**
 * A person's word on an execution in review. One denial ends it; the last approval that is needed is a proof like any
 * other: the intent is judged again, and what fails now still denies. A word that decides nothing yet is kept and
 * answered with how it stands.
 */
export async function answerReview(
  deps: ActivityDeps,
  ref: ExecutionRef,
  { request, verdict, note }: ReviewVerdict,
): Promise<DecidedExecution> {
  const { actor, fingerprint } = request;
  const screening = await screenAgain(deps, ref);
  const { outcome, answer } = await unlessKeyTaken(deps, ref, request, async (db) => {
    const voter = await holdVoterOf(db, ref.tenant, actor);
    const row = await holdExecution(db, ref.tenant, ref.executionId);
    if (!row) throw new Error(`execution ${ref.executionId} is missing`);
    const at = deps.now();
    const refuse = (code: ProblemCode, detail: string) => ({
      outcome: standing(row, at),
      answer: { ...refusal(fingerprint, code, detail), status: PROBLEMS[code].status },
    });
    if (row.stage !== 'in_review') return refuse('review_closed', `The execution is ${row.stage}.`);
    if (isOver(row, at)) return refuse('review_closed', 'The time for the review is over.');
    const vote = await castVote(db, ref.tenant, row.id, { voter, actor, verdict, note, at });
    if ('refused' in vote) return refuse(vote.refused.code, vote.refused.detail);
    if (vote.outcome === 'open') {
      const body = await stillOpen(deps, db, { ref, row, vote, said: { actor, verdict, note, at } });
      const committed = { fingerprint, status: 200, body };
      await keepRequest(db, ref, request, committed);
      const { approvals, review } = vote;
      return { outcome: { ...standing(row, at), votes: { approvals, quorum: review.quorum } }, answer: committed };
    }
    const about: Rejudged = { ref, row, actor, challengeStatus: row.challenge_status };
    const context = { ...(await gatherAgain(db, about, at)), screening };
    const denied = vote.outcome === 'denied';
    const judgement = denied
      ? denial(row, DENIED_BY_OPERATOR, 'denied_by_operator')
      : judgeWithProof(row, context, 'review');
    await closeReview(db, ref.tenant, row.id, {
      status: judgement.decision === 'approved' ? 'approved' : 'denied',
      at,
    });
    const body = { verdict, note, approvals: vote.approvals, quorum: vote.review.quorum };
    const stored = await storeVerdict(deps, db, about, judgement, { context, body });
    const committed = { fingerprint, status: 200, body: stored.answer };
    await keepRequest(db, ref, request, committed);
    return { outcome: stored.decided, answer: committed };
  });
  await deps.replies.announce(deps.pool, ref.tenant, request, answer);
  return isRefusal(answer) ? { ...outcome, refused: answer.body as unknown as Refusal } : outcome;
}

/** The timer may be late; the date is what was promised. */
export function isOver({ review_expires_at: end }: Pick<ExecutionRow, 'review_expires_at'>, at: Date): boolean {
  return end !== null && at >= new Date(end);
}

function isRefusal({ status }: CommittedAnswer): boolean {
  return status >= 400;
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
