import type { Intent, Reason } from './types.ts';

/** A party of an intent that has caps on what it may have open at once, as gathered for the intent's currency. */
export interface ExposureCap {
  party: 'principal' | 'agent';
  /** `null`: its caps are all in other currencies. */
  capMinor: number | null;
  /** What waits for a person or a payment, is under way or held; without the intent at hand. */
  openMinor: number;
}

/**
 * Whether the intent may be opened beside what is open already. Amounts are never converted: a party with caps is
 * limited to the currencies of its caps, as a scope with an amount is to its own.
 */
export function checkExposure(caps: ExposureCap[], intent: Intent): Reason[] {
  return caps
    .filter(({ capMinor, openMinor }) => !(capMinor !== null && openMinor + intent.amountMinor <= capMinor))
    .map(({ party, capMinor, openMinor }) => ({
      code: 'exposure_exceeded',
      category: 'identity',
      message:
        capMinor === null
          ? `The ${party} has caps on its exposure, and none in ${intent.currency}`
          : `The ${party} has ${openMinor} minor units of ${intent.currency} open of at most ${capMinor}`,
    }));
}

/** The same caps for an intent that is open already and is judged again: it does not count against itself. */
export function besidesItself(caps: ExposureCap[], { amountMinor }: Intent): ExposureCap[] {
  return caps.map((cap) => ({ ...cap, openMinor: Math.max(0, cap.openMinor - amountMinor) }));
}
