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
import type { OperationStep, RefundInput, RefundStep, ReviewVerdict } from '../domain/messages.ts';
import type { ReviewStanding } from '../domain/review/standing.ts';
import { money } from './activities.ts';
import { evidenceSignal, voteUpdate } from './messages.ts';
import { ATTENTION_ENDS, resolveOperation, type Nudges } from './resolution.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { attributes } from './visibility.ts';

/**
 * One governed refund: policy check, a person where the policy wants one, reservation, processor, record. It works on a
 * payment whose lifecycle has ended, since the limit is held by the payment's row and not by a workflow.
 */
export async function refund(input: RefundInput): Promise<OperationStep> {
  const nudges: Nudges = new Set();
  let step: RefundStep | undefined;
  let standing: ReviewStanding | undefined;
  const alone = oneAtATime();
  setHandler(evidenceSignal, ({ operationId }) => void nudges.add(operationId), {
    description: 'A processor told something about this operation',
  });
  setHandler(voteUpdate, vote, {
    description: 'A person approves or denies',
    validator: (_: ReviewVerdict) => {
      if (step !== undefined) mustBeOpen();
    },
  });
  const describe = (state: string) =>
    setCurrentDetails(
      `**Refund** of [${toTypeId('pay', input.paymentId)}] — ${state}\n\nOperation \`${toTypeId('op', input.operationId)}\``,
    );
  describe('asking policy and processor');
  step = await money.refundPayment(input);
  if (step.kind === 'waits') step = await reviewed(step.waitMs);
  if (step.kind === 'unknown' || step.kind === 'pending') {
    describe(`outcome **${step.kind}**: the amount stays reserved until there is evidence`);
    let escalated = false;
    step = await resolveOperation(
      {
        tenant: input.tenant,
        paymentId: input.paymentId,
        operationId: input.operationId,
        visibilityLagMs: input.timers.visibilityLagMs,
        reply: input.request,
      },
      input.timers,
      nudges,
      () => {
        escalated = true;
        upsertSearchAttributes([{ key: attributes.needsAttention, value: true }]);
      },
    );
    if (escalated && patched(ATTENTION_ENDS)) {
      upsertSearchAttributes([{ key: attributes.needsAttention, value: false }]);
    }
  }
  describe(step.kind);
  return step;

  /** Waits for the votes; approved, it is judged and reserved as if it came now. */
  async function reviewed(waitMs: number): Promise<OperationStep> {
    standing = { status: 'open', waitMs, votes: { approvals: 0, quorum: 1 } };
    const until = Date.now() + waitMs;
    show('in_review', true);
    describe('waiting for **a person**');
    while (isOpen()) {
      const inTime = await condition(() => !isOpen(), Math.max(1, until - Date.now()), {
        summary: 'the wait for a person is limited',
      });
      if (!inTime) standing = await alone(() => money.expireRefundReview(input));
    }
    // Ending beside the answer of an activity would fail the task, and the vote that it has accepted with it.
    await condition(allHandlersFinished);
    show(standing.status, false);
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
