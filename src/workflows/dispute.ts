import {
  condition,
  continueAsNew,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { DisputeActivities, DisputeRef, DisputeStanding } from '../activities/disputes/types.ts';
import { toTypeId } from '../domain/ids.ts';
import type { DisputeStatus } from '../domain/payment/dispute.ts';
import { disputeSignal } from './messages.ts';
import { attributes } from './visibility.ts';

const { followDispute } = proxyActivities<DisputeActivities>({
  summary: 'send what waits, look at the deadline',
  startToCloseTimeout: 60_000,
  retry: { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 60_000 },
});

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 300_000;
/** Nothing is expected: a refund that failed meanwhile is noticed then. */
const IDLE_MS = 86_400_000;

/**
 * Follows a dispute until it is over: the deadline for evidence is a timer, and what a client has asked for is sent until
 * the processor takes it. The row says how it stands; news of a processor are in it before this is told.
 */
export async function dispute(ref: DisputeRef): Promise<{ status: DisputeStatus }> {
  let news = false;
  let shown: string | undefined;
  let pause = FIRST_PAUSE_MS;
  setHandler(disputeSignal, () => void (news = true), { description: 'The dispute was changed' });
  for (;;) {
    news = false;
    const standing = await followDispute(ref);
    show(standing);
    if (standing.over && !news) return { status: standing.status };
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof dispute>(ref);
    const waitMs = standing.waiting ? pause : Math.min(standing.dueInMs ?? IDLE_MS, IDLE_MS);
    const heard = await condition(() => news, Math.max(1, waitMs), {
      summary: standing.waiting ? 'the processor has not answered' : 'deadline for evidence, or a day',
    });
    pause = heard || !standing.waiting ? FIRST_PAUSE_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
  }

  function show(standing: DisputeStanding): void {
    const { status, amountMinor, heldMinor, currency, needsAttention } = standing;
    setCurrentDetails(
      [
        `### dispute: ${status}`,
        '',
        '| | |',
        '| --- | --- |',
        `| Dispute | \`${toTypeId('dsp', ref.disputeId)}\` |`,
        `| Claimed, held | ${amountMinor}, ${heldMinor} ${currency} (minor units) |`,
      ].join('\n'),
    );
    const now = `${status} ${needsAttention}`;
    if (now === shown) return;
    shown = now;
    upsertSearchAttributes([
      { key: attributes.stage, value: status },
      { key: attributes.needsAttention, value: needsAttention },
    ]);
  }
}
