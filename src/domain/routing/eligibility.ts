import type { DropReason, MidCandidate, RouteWanted } from './types.ts';

export interface Check {
  code: DropReason;
  sentence: (candidate: MidCandidate, want: RouteWanted) => string;
  eligible: (candidate: MidCandidate, want: RouteWanted) => boolean;
}

const within = (list: string[] | undefined, value: string | undefined) =>
  list === undefined || (value !== undefined && list.includes(value));

/** In the order of the pipeline; the first that does not hold is the reason given. */
export const CHECKS: readonly Check[] = [
  { code: 'disabled', sentence: () => 'is switched off', eligible: (candidate) => candidate.enabled },
  { code: 'frozen', sentence: () => 'is frozen', eligible: (candidate) => candidate.frozen !== true },
  {
    code: 'other_processor_pinned',
    sentence: (_, want) => `the payment token belongs to ${want.processor}`,
    eligible: (candidate, want) => want.processor === undefined || candidate.processor === want.processor,
  },
  {
    code: 'currency_not_supported',
    sentence: (_, want) => `does not take ${want.currency}`,
    eligible: (candidate, want) => within(candidate.currencies, want.currency),
  },
  {
    code: 'method_not_supported',
    sentence: (_, want) => `does not take the method ${want.method}`,
    eligible: (candidate, want) => within(candidate.methods, want.method),
  },
  {
    code: 'merchant_not_served',
    sentence: (_, want) => `is not for the merchant ${want.merchantRef ?? '(none named)'}`,
    eligible: (candidate, want) => within(candidate.merchants, want.merchantRef),
  },
  {
    code: 'country_not_served',
    sentence: (_, want) => `is not for the country ${want.country ?? '(none named)'}`,
    eligible: (candidate, want) => within(candidate.countries, want.country),
  },
  {
    code: 'amount_above_limit',
    sentence: (candidate, want) => `takes at most ${ceilingOf(candidate, want)} minor units`,
    eligible: (candidate, want) => want.amountMinor <= ceilingOf(candidate, want),
  },
  {
    code: 'amount_below_limit',
    sentence: (candidate, want) => `takes at least ${candidate.caps?.[want.currency]?.min} minor units`,
    eligible: (candidate, want) => want.amountMinor >= (candidate.caps?.[want.currency]?.min ?? 0),
  },
];

function ceilingOf({ maxAmountMinor = Infinity, caps }: MidCandidate, { currency }: RouteWanted): number {
  return Math.min(maxAmountMinor, caps?.[currency]?.max ?? Infinity);
}
