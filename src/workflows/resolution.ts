import { condition, upsertSearchAttributes } from '@temporalio/workflow';
import type { OperationRef } from '../activities/types.ts';
import type { LifecycleTimers, OperationStep } from '../domain/messages.ts';
import { evidence } from './activities.ts';
import { attributes } from './visibility.ts';

/** Patch: what needed a person is shown to need none once its outcome is known. */
export const ATTENTION_ENDS = 'attention-ends';

const LONGEST_PAUSE_MS = 60_000;
const PAUSE_AFTER_ESCALATION_MS = 6 * 3_600_000;

/** Operations that a processor told us about: the next question is asked at once. */
export type Nudges = Set<string>;

export type ResolvedStep = Exclude<OperationStep, { kind: 'unknown' } | { kind: 'pending' }>;

/**
 * Stays with an operation whose outcome is unknown or pending until there is evidence. It never gives up and never
 * guesses: past the deadline a person is asked, and the question to the processor goes on, rarely.
 */
export async function resolveOperation(
  operation: OperationRef,
  timers: LifecycleTimers,
  nudges: Nudges,
  onEscalation: () => void,
): Promise<ResolvedStep> {
  const deadline = Date.now() + timers.unknownDeadlineMs;
  let pause = timers.visibilityLagMs;
  let escalated = false;
  for (;;) {
    await condition(() => nudges.has(operation.operationId), pause, {
      summary: `ask the processor again about ${operation.operationId}`,
    });
    nudges.delete(operation.operationId);
    const step = await evidence.resolveOperation(operation);
    if (step.kind !== 'unknown' && step.kind !== 'pending') return step;
    if (!escalated && Date.now() >= deadline) {
      await evidence.escalateOperation(operation);
      onEscalation();
      escalated = true;
    }
    pause = escalated ? PAUSE_AFTER_ESCALATION_MS : Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

/** The same in a workflow of which this is all: while a person is asked it shows that it needs attention. */
export async function resolveAlone(
  operation: OperationRef,
  timers: LifecycleTimers,
  nudges: Nudges,
  { onEscalation, endsAttention = () => true }: { onEscalation?: () => void; endsAttention?: () => boolean } = {},
): Promise<ResolvedStep> {
  let escalated = false;
  const step = await resolveOperation(operation, timers, nudges, () => {
    escalated = true;
    onEscalation?.();
    upsertSearchAttributes([{ key: attributes.needsAttention, value: true }]);
  });
  if (escalated && endsAttention()) upsertSearchAttributes([{ key: attributes.needsAttention, value: false }]);
  return step;
}
