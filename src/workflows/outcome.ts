import { setCurrentDetails, setHandler } from '@temporalio/workflow';
import { toTypeId } from '../domain/ids.ts';
import type { OutcomeInput } from '../domain/messages.ts';
import { evidenceSignal } from './messages.ts';
import { resolveAlone, type Nudges } from './resolution.ts';

/**
 * Stays with an operation whose own workflow is over although its outcome is open: it was terminated by somebody, or it
 * ended without having heard of the operation. Sends nothing: it asks, and records what there is, as the lifecycle would.
 */
export async function outcome({ tenant, paymentId, operationId, timers }: OutcomeInput): Promise<void> {
  const nudges: Nudges = new Set();
  setHandler(evidenceSignal, (told) => void nudges.add(told.operationId), {
    description: 'A processor or a person told something about this operation',
  });
  let open: string | undefined = operationId;
  while (open !== undefined) {
    const current: string = open;
    const describe = (state: string) =>
      setCurrentDetails(
        `**Outcome** of \`${toTypeId('op', current)}\` of [${toTypeId('pay', paymentId)}] — ${state}\n\nIts own workflow is over.`,
      );
    describe('asking the processor');
    const operation = { tenant, paymentId, operationId: current, visibilityLagMs: timers.visibilityLagMs };
    const onEscalation = () => describe('nobody knows; a **person** is asked');
    const step = await resolveAlone(operation, timers, nudges, { onEscalation });
    describe(step.kind);
    // The outcome may have reserved another operation.
    open = step.kind === 'succeeded' && step.giveBack !== current ? step.giveBack : undefined;
  }
}
