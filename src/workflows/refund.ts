import {
  allHandlersFinished,
  ApplicationFailure,
  condition,
  patched,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { toTypeId } from '../domain/ids.ts';
import type {
  ChallengeResponse,
  OperationStep,
  RefundChallengeStanding,
  RefundInput,
  RefundStep,
  ReviewVerdict,
} from '../domain/messages.ts';
import type { ReviewStanding } from '../domain/review/standing.ts';
import { money } from './activities.ts';
import { confirmUpdate, evidenceSignal, revokedSignal, voteUpdate } from './messages.ts';
import { ATTENTION_ENDS, resolveAlone, type Nudges } from './resolution.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { attributes } from './visibility.ts';

/** What a refund is refused with that its principal has not confirmed; nobody answered in time otherwise. */
const NOT_CONFIRMED: Readonly<Record<string, string>> = { failed: 'challenge_failed', declined: 'policy_denied' };

/**
 * One governed refund: policy check, the principal or an operator where the policy wants one, reservation, processor,
 * record. It works on a payment whose lifecycle has ended, since the limit is held by the payment's row and not by a
 * workflow.
 */
export async function refund(input: RefundInput): Promise<OperationStep> {
  const nudges: Nudges = new Set();
  let step: RefundStep | undefined;
  let standing: ReviewStanding | undefined;
  let challenge: RefundChallengeStanding | undefined;
  let revoked = false;
  const alone = oneAtATime();
  setHandler(evidenceSignal, ({ operationId }) => void nudges.add(operationId), {
    description: 'A processor told something about this operation',
  });
  setHandler(revokedSignal, () => void (revoked = true), {
    description: 'A freeze or a revocation ended the wait',
  });
  setHandler(voteUpdate, vote, {
    description: 'A person approves or denies',
    validator: (_: ReviewVerdict) => {
      if (step !== undefined) mustBeOpen();
    },
  });
  setHandler(confirmUpdate, respond, {
    description: 'The principal answers the challenge',
    validator: (_: ChallengeResponse) => {
      if (step !== undefined) mustBeChallenged();
    },
  });
  const describe = (state: string) =>
    setCurrentDetails(
      `**Refund** of [${toTypeId('pay', input.paymentId)}] — ${state}\n\nOperation \`${toTypeId('op', input.operationId)}\``,
    );
  describe('asking policy and processor');
  step = await money.refundPayment(input);
  if (step.kind === 'waits' && step.challenge) step = await challenged(step.waitMs);
  if (step.kind === 'waits') step = await reviewed(step.waitMs);
  if (step.kind === 'unknown' || step.kind === 'pending') {
    describe(`outcome **${step.kind}**: the amount stays reserved until there is evidence`);
    step = await resolveAlone(
      {
        tenant: input.tenant,
        paymentId: input.paymentId,
        operationId: input.operationId,
        visibilityLagMs: input.timers.visibilityLagMs,
        reply: input.request,
      },
      input.timers,
      nudges,
      { endsAttention: () => patched(ATTENTION_ENDS) },
    );
  }
  describe(step.kind);
  return step;

  /** Waits for the principal; confirmed, it is judged as if it came now, and an operator may be wanted by then. */
  async function challenged(waitMs: number): Promise<RefundStep> {
    challenge = { status: 'open' };
    const until = Date.now() + waitMs;
    show('challenged', false);
    describe('waiting for **the principal**');
    while (isChallenged()) {
      const inTime = await condition(() => !isChallenged() || revoked, Math.max(1, until - Date.now()), {
        summary: 'the wait for the principal is limited',
      });
      if (!inTime) challenge = await alone(() => money.expireRefundChallenge(input));
      else if (isChallenged()) challenge = { status: 'cancelled' };
    }
    await condition(allHandlersFinished);
    const { status } = challenge;
    show(status, false);
    if (status === 'passed') return money.refundPayment(input);
    if (status === 'cancelled') return stopped();
    return {
      kind: 'refused',
      code: NOT_CONFIRMED[status] ?? 'challenge_expired',
      detail: `The challenge is ${status}.`,
    };
  }

  async function respond(response: ChallengeResponse): Promise<RefundChallengeStanding> {
    await condition(() => step !== undefined);
    mustBeChallenged();
    const after = await alone(() => money.answerRefundChallenge(input, response));
    if (isChallenged()) challenge = after;
    return after;
  }

  function isChallenged(): boolean {
    return challenge?.status === 'open';
  }

  function mustBeChallenged(): void {
    if (!isChallenged()) throw ApplicationFailure.nonRetryable('The challenge is over.', 'challenge_expired');
  }

  /** What is told by a signal was committed before: there is nothing to wait for. */
  async function stopped(): Promise<OperationStep> {
    const refusal = await money.refundStopped(input);
    return { kind: 'refused', ...(refusal ?? { code: 'frozen', detail: 'A freeze or a revocation ended the wait.' }) };
  }

  /** Waits for the votes; approved, it is judged and reserved as if it came now. */
  async function reviewed(waitMs: number): Promise<OperationStep> {
    standing = { status: 'open', waitMs, votes: { approvals: 0, quorum: 1 } };
    const until = Date.now() + waitMs;
    show('in_review', true);
    describe('waiting for **a person**');
    while (isOpen()) {
      const inTime = await condition(() => !isOpen() || revoked, Math.max(1, until - Date.now()), {
        summary: 'the wait for a person is limited',
      });
      if (!inTime) standing = await alone(() => money.expireRefundReview(input));
      else if (isOpen()) standing = { ...standing, status: 'withdrawn' };
    }
    // Ending beside the answer of an activity would fail the task, and the vote that it has accepted with it.
    await condition(allHandlersFinished);
    show(standing.status, false);
    if (standing.status === 'withdrawn') return stopped();
    if (standing.status !== 'approved') {
      return { kind: 'refused', code: 'review_closed', detail: `The review is ${standing.status}.` };
    }
    const after = await money.refundPayment(input);
    return after.kind === 'waits'
      ? { kind: 'refused', code: 'review_closed', detail: 'It is looked at again.' }
      : after;
  }

  /** Of votes that come together, one that decided nothing may be heard of after the one that did. */
  async function vote(verdict: ReviewVerdict): Promise<ReviewStanding> {
    await condition(() => step !== undefined);
    mustBeOpen();
    const after = await alone(() => money.answerRefundReview(input, verdict));
    if (isOpen()) standing = after;
    return after;
  }

  function isOpen(): boolean {
    return standing?.status === 'open';
  }

  function mustBeOpen(): void {
    if (!isOpen()) throw ApplicationFailure.nonRetryable('The refund does not wait for a person.', 'review_closed');
  }

  function show(stage: string, needsAttention: boolean): void {
    upsertSearchAttributes([
      { key: attributes.stage, value: stage },
      { key: attributes.needsAttention, value: needsAttention },
    ]);
  }
}
