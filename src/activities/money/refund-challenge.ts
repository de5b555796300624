import { activityInfo } from '@temporalio/activity';
import { toTypeId } from '../../domain/ids.ts';
import type {
  ChallengeResponse,
  CommittedAnswer,
  RefundChallengeStanding,
  RefundInput,
  RefundStep,
} from '../../domain/messages.ts';
import { recordFact } from '../../store/facts.ts';
import { keepNewAnswer } from '../../store/idempotency.ts';
import { inTransaction, type Db } from '../../store/pool.ts';
import {
  findRefundChallenge,
  holdRefundChallenge,
  insertRefundChallenge,
  moveRefundChallenge,
  type RefundChallengeRow,
} from '../../store/refunds/challenge.ts';
import { judgeAnswer } from '../decision/step-up-proof.ts';
import { CHALLENGE_ATTEMPTS } from '../decision/verdict.ts';
import { answerUnderKey, refusal, type Answered } from '../answer-under-key.ts';
import type { ActivityDeps } from '../deps.ts';
import { openQuestion } from './open-question.ts';
import { keepRefusal, type Question } from './refund-review.ts';

/**
 * The principal must confirm the refund: nothing is reserved and nothing sent; what is asked is kept with its challenge,
 * and answered 202. The key of the request stays its own, so that a repeat reads how it stands.
 */
export async function askPrincipal(deps: ActivityDeps, input: RefundInput, question: Question): Promise<RefundStep> {
  const { tenant, request, operationId, paymentId } = input;
  const { payment, intent, stepUp, ...asked } = question;
  const at = deps.now();
  const expiresAt = new Date(at.getTime() + input.timers.challengeMs);
  const answer: CommittedAnswer = {
    fingerprint: request.fingerprint,
    status: 202,
    body: {
      payment,
      operation_id: operationId,
      waiting: {
        amount_minor: asked.amountMinor,
        expires_at: expiresAt.toISOString(),
        methods: stepUp,
        approval_url: `${deps.publicUrl}/approve/${toTypeId('chl', operationId)}`,
      },
    },
  };
  const refused = await openQuestion(deps, input, answer, async (db) => {
    await keepNewAnswer(db, tenant, request, answer);
    await insertRefundChallenge(db, tenant, {
      id: operationId,
      paymentId,
      workflowId: activityInfo().workflowExecution!.workflowId,
      principalId: payment.principal_id!,
      amountMinor: asked.amountMinor,
      intent,
      rule: asked.rule,
      message: asked.message,
      explanations: asked.explanations,
      attempts: CHALLENGE_ATTEMPTS,
      openedAt: at,
      expiresAt,
    });
    await recordFact(
      db,
      factOf(input, 'payment.refund_challenged', request.actor, at, {
        amount_minor: asked.amountMinor,
        currency: payment.currency,
        rule: asked.rule,
      }),
    );
  });
  return refused ?? { kind: 'waits', waitMs: input.timers.challengeMs, challenge: true };
}

/**
 * The principal's answer: a correct one lets the refund be judged anew, a no ends it, a wrong one costs an attempt, and the
 * last wrong one ends it too. Under a lock on the challenge, so that an answer and the timer cannot both win.
 */
export async function answerRefundChallenge(
  deps: ActivityDeps,
  input: RefundInput,
  response: ChallengeResponse,
): Promise<RefundChallengeStanding> {
  const { tenant, operationId } = input;
  return answerUnderKey(
    deps,
    tenant,
    response.request,
    (db) => hear(deps, db, input, response),
    async () => standingOf((await findRefundChallenge(deps.pool, tenant, operationId))!),
  );
}

async function hear(
  deps: ActivityDeps,
  db: Db,
  input: RefundInput,
  response: ChallengeResponse,
): Promise<Answered<RefundChallengeStanding>> {
  const { tenant, operationId } = input;
  const { request, method } = response;
  const row = await holdRefundChallenge(db, tenant, operationId);
  const at = deps.now();
  if (row.status !== 'open' || at >= new Date(row.expires_at)) {
    const over = refusal(request, 'challenge_expired', 'The challenge is over.');
    return { standing: standingOf(row), answer: over };
  }
  const about = { id: operationId, intent: row.intent, principal_id: row.principal_id };
  const verdict = await judgeAnswer(deps, db, { ref: { tenant }, row: about, now: at }, response);
  if (verdict !== 'wrong') {
    const status = verdict === 'proved' ? 'passed' : 'declined';
    await moveRefundChallenge(db, tenant, operationId, { status, attemptsLeft: row.attempts_left, at });
    const type = verdict === 'proved' ? 'payment.refund_confirmed' : 'payment.refund_declined';
    await recordFact(db, factOf(input, type, request.actor, at, { method }));
    const answer = {
      fingerprint: request.fingerprint,
      status: 200,
      body: {
        refund_id: toTypeId('op', operationId),
        payment_id: toTypeId('pay', input.paymentId),
        challenge: { challenge_id: toTypeId('chl', operationId), status },
      },
    };
    await keepNewAnswer(db, tenant, request, answer);
    if (verdict === 'declined') await keepRefusal(db, input, 'policy_denied', 'The principal declined the refund.');
    return { standing: { status }, answer };
  }
  const left = row.attempts_left - 1;
  const status = left > 0 ? 'open' : 'failed';
  await moveRefundChallenge(db, tenant, operationId, { status, attemptsLeft: left, at });
  await recordFact(
    db,
    factOf(input, 'payment.refund_challenge_failed', request.actor, at, { method, attempts_left: left }),
  );
  if (left === 0) await keepRefusal(db, input, 'challenge_failed', 'The challenge was answered wrongly too often.');
  return {
    standing: { status },
    answer: refusal(request, 'challenge_failed', 'The response is wrong.', { attempts_left: left }),
  };
}

/** Not made, when the principal has not answered in time. */
export async function expireRefundChallenge(deps: ActivityDeps, input: RefundInput): Promise<RefundChallengeStanding> {
  const { tenant, operationId } = input;
  return inTransaction(deps.pool, async (db) => {
    const row = await holdRefundChallenge(db, tenant, operationId);
    const at = deps.now();
    if (row.status !== 'open' || at < new Date(row.expires_at)) return standingOf(row);
    await moveRefundChallenge(db, tenant, operationId, { status: 'expired', attemptsLeft: row.attempts_left, at });
    await keepRefusal(db, input, 'challenge_expired', 'The principal did not confirm the refund in time.');
    await recordFact(db, factOf(input, 'payment.refund_expired', 'system:timer', at, {}));
    return { status: 'expired' };
  });
}

const standingOf = ({ status }: RefundChallengeRow): RefundChallengeStanding => ({ status });

function factOf({ tenant, paymentId, operationId }: RefundInput, type: string, actor: string, at: Date, body: object) {
  return {
    tenant,
    at,
    type,
    actor,
    subject: toTypeId('pay', paymentId),
    body: { operation_id: toTypeId('op', operationId), ...body },
    events: [],
  };
}
