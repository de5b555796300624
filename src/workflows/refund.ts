import { setCurrentDetails, setHandler, upsertSearchAttributes } from '@temporalio/workflow';
import { toTypeId } from '../domain/ids.ts';
import type { OperationStep, RefundInput } from '../domain/messages.ts';
import { money } from './activities.ts';
import { evidenceSignal } from './messages.ts';
import { resolveOperation, type Nudges } from './resolution.ts';
import { attributes } from './visibility.ts';

/**
 * One governed refund: policy check, reservation, processor, record. It works on a payment whose lifecycle has ended,
 * since the limit is held by the payment's row and not by a workflow.
 */
export async function refund(input: RefundInput): Promise<OperationStep> {
  const nudges: Nudges = new Set();
  setHandler(evidenceSignal, ({ operationId }) => void nudges.add(operationId), {
    description: 'A processor told something about this operation',
  });
  const describe = (state: string) =>
    setCurrentDetails(
      `**Refund** of [${toTypeId('pay', input.paymentId)}] — ${state}\n\nOperation \`${toTypeId('op', input.operationId)}\``,
    );
  describe('asking policy and processor');
  let step = await money.refundPayment(input);
  if (step.kind === 'unknown' || step.kind === 'pending') {
    describe(`outcome **${step.kind}**: the amount stays reserved until there is evidence`);
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
      () => upsertSearchAttributes([{ key: attributes.needsAttention, value: true }]),
    );
  }
  describe(step.kind);
  return step;
}
