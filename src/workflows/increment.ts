import { setCurrentDetails, setHandler } from '@temporalio/workflow';
import { toTypeId } from '../domain/ids.ts';
import type { IncrementInput, OperationStep } from '../domain/messages.ts';
import { money } from './activities.ts';
import { evidenceSignal } from './messages.ts';
import { resolveAlone, type Nudges } from './resolution.ts';

/**
 * A hold that is raised: decide the addition, reserve, processor, record. Beside the lifecycle and not in it: nothing of
 * the lifecycle's stage depends on the amount, and the payment's row holds off what must not happen meanwhile.
 */
export async function increment(input: IncrementInput): Promise<OperationStep> {
  const nudges: Nudges = new Set();
  setHandler(evidenceSignal, ({ operationId }) => void nudges.add(operationId), {
    description: 'A processor told something about this operation',
  });
  const describe = (state: string) =>
    setCurrentDetails(
      `**Increment** of [${toTypeId('pay', input.paymentId)}] — ${state}\n\nOperation \`${toTypeId('op', input.operationId)}\``,
    );
  describe('deciding, and asking the processor');
  let step = await money.incrementPayment(input);
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
    );
  }
  describe(step.kind);
  return step;
}
