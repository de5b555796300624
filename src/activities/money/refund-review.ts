import { activityInfo } from '@temporalio/activity';
import { PROBLEMS, type ProblemCode } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { CommittedAnswer, RefundInput, RefundStep, ReviewVerdict } from '../../domain/messages.ts';
import type { Intent } from '../../domain/types.ts';
import type { ReviewStanding } from '../../domain/review/standing.ts';
import { recordFact } from '../../store/facts.ts';
import { keepAnswer, keepNewAnswer } from '../../store/idempotency.ts';
import type { PaymentRow } from '../../store/payments/row.ts';
import { inTransaction, type Db } from '../../store/pool.ts';
import { holdRefundReview, insertRefundRequest, type RefundRequest } from '../../store/refunds/request.ts';
import { findReview } from '../../store/reviews/read.ts';
import { findReviewSettings } from '../../store/reviews/settings.ts';
import { closeReview } from '../../store/reviews/vote.ts';
import { newId } from '../../trust/new-id.ts';
import { answerUnderKey, refusal, type Answered } from '../answer-under-key.ts';
import type { ActivityDeps } from '../deps.ts';
import { castVote, holdVoterOf } from '../review/cast-vote.ts';
import { standingOf } from '../review/assessment.ts';
import { openQuestion } from './open-question.ts';

/** What the policy wants a person for, and of which payment. */
export interface Question extends Pick<
  RefundRequest,
  'amountMinor' | 'rule' | 'message' | 'explanations' | 'delegationId'
> {
  payment: PaymentRow;
  /** What is asked, as the policy was asked about it. */
  intent: Intent;
  /** What the principal can answer with. */
  stepUp: readonly string[];
}

/**
 * Nothing is reserved and nothing sent: the request is kept with its review, and answered 202. Its key stays its own, so
 * that a repeat reads how it stands.
 */
export async function askPerson(
  deps: ActivityDeps,
  input: RefundInput,
  question: Question,
  /** The principal has confirmed it before: the key has an answer. */
  confirmed: boolean,
): Promise<RefundStep> {
  const { tenant, request, operationId, paymentId } = input;
  const { payment, intent: _intent, stepUp: _stepUp, ...asked } = question;
  const at = deps.now();
  const expiresAt = new Date(at.getTime() + input.timers.reviewMs);
  const waiting = { amount_minor: asked.amountMinor, expires_at: expiresAt.toISOString() };
  const answer: CommittedAnswer = {
    fingerprint: request.fingerprint,
    status: 202,
    body: { payment, operation_id: operationId, waiting },
  };
  const auditId = newId();
  const refused = await openQuestion(deps, input, answer, async (db) => {
    const { quorum } = await findReviewSettings(db, tenant);
    if (confirmed) await keepAnswer(db, tenant, request.key, answer.status, answer.body);
    else await keepNewAnswer(db, tenant, request, answer);
    await insertRefundRequest(db, tenant, {
      ...asked,
      id: operationId,
      paymentId,
      workflowId: activityInfo().workflowExecution!.workflowId,
      currency: payment.currency,
      reason: input.reason,
      agentId: payment.agent_id,
      principalId: payment.principal_id,
      merchantRef: payment.merchant_ref,
      quorum,
      auditId,
      openedAt: at,
      expiresAt,
    });
    await recordFact(db, {
      tenant,
      at,
      auditId,
      type: 'payment.refund_in_review',
      actor: request.actor,
      subject: toTypeId('pay', paymentId),
      body: {
        operation_id: toTypeId('op', operationId),
        amount_minor: asked.amountMinor,
        currency: payment.currency,
        rule: asked.rule,
      },
      events: [],
    });
  });
  return refused ?? { kind: 'waits', waitMs: input.timers.reviewMs };
}

/** A person's word on a refund, by the rules of every review. The last approval that is needed lets it be judged anew. */
export async function answerRefundReview(
  deps: ActivityDeps,
  input: RefundInput,
  said: ReviewVerdict,
): Promise<ReviewStanding> {
  const { tenant, operationId } = input;
  return answerUnderKey(
    deps,
    tenant,
    said.request,
    (db) => countVote(deps, db, input, said),
    async () => standingOf((await findReview(deps.pool, tenant, operationId))!, deps.now()),
  );
}

async function countVote(
  deps: ActivityDeps,
  db: Db,
  input: RefundInput,
  { request, verdict, note }: ReviewVerdict,
): Promise<Answered<ReviewStanding>> {
  const { tenant, operationId } = input;
  const { actor, fingerprint } = request;
  const voter = await holdVoterOf(db, tenant, actor);
  await holdRefundReview(db, tenant, operationId);
  const review = (await findReview(db, tenant, operationId))!;
  const at = deps.now();
  const refuse = (code: ProblemCode, detail: string) => ({
    standing: standingOf(review, at),
    answer: refusal(request, code, detail),
  });
  if (review.status !== 'open') return refuse('review_closed', `The review is ${review.status}.`);
  if (at >= new Date(review.expires_at)) return refuse('review_closed', 'The time for the review is over.');
  const vote = await castVote(db, tenant, operationId, { voter, actor, verdict, note, at });
  if ('refused' in vote) return refuse(vote.refused.code, vote.refused.detail);
  const { outcome, approvals } = vote;
  if (outcome !== 'open') await closeReview(db, tenant, operationId, { status: outcome, at });
  if (outcome === 'denied') await keepRefusal(db, input, 'policy_denied', 'A person denied the refund.');
  await recordFact(db, {
    tenant,
    at,
    type: outcome === 'open' ? 'review.voted' : `payment.refund_${outcome}`,
    actor,
    subject: toTypeId('pay', input.paymentId),
    body: { operation_id: toTypeId('op', operationId), verdict, note, approvals, quorum: review.quorum },
    events: [],
  });
  const standing = standingOf((await findReview(db, tenant, operationId))!, at);
  const answer = {
    fingerprint,
    status: 200,
    body: {
      refund_id: toTypeId('op', operationId),
      payment_id: toTypeId('pay', input.paymentId),
      review: {
        status: standing.status,
        approvals,
        quorum: review.quorum,
        expires_at: new Date(review.expires_at).toISOString(),
      },
    },
  };
  await keepNewAnswer(db, tenant, request, answer);
  return { standing, answer };
}

/** Not made, when nobody decided in time. */
export async function expireRefundReview(deps: ActivityDeps, input: RefundInput): Promise<ReviewStanding> {
  const { tenant, operationId } = input;
  return inTransaction(deps.pool, async (db) => {
    await holdRefundReview(db, tenant, operationId);
    const review = (await findReview(db, tenant, operationId))!;
    const at = deps.now();
    if (review.status !== 'open' || at < new Date(review.expires_at)) return standingOf(review, at);
    await closeReview(db, tenant, operationId, { status: 'expired', at });
    await keepRefusal(db, input, 'challenge_required', 'Nobody looked at the refund in time.');
    await recordFact(db, {
      tenant,
      at,
      type: 'payment.refund_expired',
      actor: 'system:timer',
      subject: toTypeId('pay', input.paymentId),
      body: { operation_id: toTypeId('op', operationId) },
      events: [],
    });
    return standingOf((await findReview(db, tenant, operationId))!, at);
  });
}

/** What a repeat of the request reads from now on. */
export async function keepRefusal(
  db: Db,
  { tenant, request }: Pick<RefundInput, 'tenant' | 'request'>,
  code: ProblemCode,
  detail: string,
): Promise<void> {
  await keepAnswer(db, tenant, request.key, PROBLEMS[code].status, { code, detail });
}
