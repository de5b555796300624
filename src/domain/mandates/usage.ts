import type { Reason } from '../types.ts';
import { isDue } from './recurrence.ts';
import type { Charge } from './types.ts';

/** What was done before under one mandate, as the registry keeps it. */
export interface MandateUse {
  /** Minor units. */
  spentMinor: number;
  occurrences: number;
  /** Epoch seconds of the last approval. */
  lastAt: number | null;
  /** What used a closed mandate up. */
  assessmentId: string | null;
  executionId: string | null;
}

/** What an approval uses up of one open mandate, under the name that its use is kept by. */
export type MandateCharge = Charge & { mandate_key: string };

/**
 * Which limits of the open mandates of a chain an approval would exceed. Looked at when the facts are gathered, and
 * held again by the transaction that commits: there another approval may have come first.
 * @param now epoch seconds
 */
export function usageReasons(
  charges: readonly MandateCharge[],
  uses: Readonly<Record<string, MandateUse>>,
  now: number,
): Reason[] {
  return charges.flatMap((charge) => {
    const use = uses[charge.mandate_key];
    return use === undefined ? [] : overLimits(charge, use, now);
  });
}

function overLimits({ amountMinor, budgetMinor, maxOccurrences, frequency }: Charge, use: MandateUse, now: number) {
  const reasons: Reason[] = [];
  if (budgetMinor !== undefined && use.spentMinor + amountMinor > budgetMinor) {
    const message = `${use.spentMinor + amountMinor} together with what was spent before is more than ${budgetMinor}`;
    reasons.push(reason('constraint_violated:payment.budget', message));
  }
  if (maxOccurrences !== undefined && use.occurrences + 1 > maxOccurrences) {
    reasons.push(
      frequency === undefined
        ? reason('already_used', 'The open mandate is for one payment, and was used')
        : reason('constraint_violated:payment.agent_recurrence', `It was used ${use.occurrences} times already`),
    );
  } else if (frequency !== undefined && use.lastAt !== null && !isDue(frequency, use.lastAt, now)) {
    const message = `The last payment is too near for ${frequency}`;
    reasons.push(reason('constraint_violated:payment.agent_recurrence', message));
  }
  return reasons;
}

function reason(code: string, message: string): Reason {
  return { code, category: 'mandate', message };
}
