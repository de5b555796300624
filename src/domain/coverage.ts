/**
 * How a money effect stands beside its signed verdict.
 * - `matched`: approved, done by the processor, and settled
 * - `effect_without_verdict`: money moved that no approval is known for
 * - `verdict_without_effect`: approved, and nothing came of it
 * - `one_sided`: approved, and only the processor or only the settlement knows of it
 */
export const COVERAGE_CLASSES = ['matched', 'effect_without_verdict', 'verdict_without_effect', 'one_sided'] as const;
export type CoverageClass = (typeof COVERAGE_CLASSES)[number];

export interface CoverageCount {
  class: CoverageClass;
  currency: string;
  items: number;
  amount_minor: number;
}

/** Items of each class, all of them named. */
export function totalsOf(counts: readonly CoverageCount[]): Record<CoverageClass, number> {
  const totals = { matched: 0, effect_without_verdict: 0, verdict_without_effect: 0, one_sided: 0 };
  for (const { class: name, items } of counts) totals[name] += items;
  return totals;
}

/** What a processor lists of money that moved; a return is of a refund that had succeeded. */
export const EFFECT_TYPES = ['capture', 'refund', 'refund_return'] as const;

export interface ListedEffect {
  /** The processor's id of it, unique within the account. */
  effectId: string;
  type: (typeof EFFECT_TYPES)[number];
  amountMinor: number;
  currency: string;
  /** What it was asked for with, where the processor keeps that: our payment and operation, or anybody's. */
  reference?: string;
  operationId?: string;
  processorReference: string;
  /** RFC 3339. */
  at: string;
}
