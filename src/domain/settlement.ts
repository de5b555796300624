/** One line of a settlement: gross amount of one capture or refund, and the fee kept from it. */
export interface SettlementLine {
  lineId: string;
  type: 'capture' | 'refund';
  reference: string;
  operationId: string;
  amountMinor: number;
  feeMinor: number;
  currency: string;
}

/** A batch of lines that one processor pays out together. */
export interface Settlement {
  processor: string;
  settlementId: string;
  /** RFC 3339. */
  settledAt: string;
  lines: SettlementLine[];
}

/** What a settlement line is, against what we know of the operation it names. */
export const RECONCILED = ['matched', 'over', 'under', 'currency_mismatch', 'data_mismatch', 'duplicate'] as const;
export type Reconciled = (typeof RECONCILED)[number];

/** What stands until somebody has said what became of it; `missing` is a capture that no line came for in time. */
export const EXCEPTION_KINDS = ['missing', 'over', 'under', 'currency_mismatch', 'data_mismatch', 'duplicate'] as const;
export type ExceptionKind = (typeof EXCEPTION_KINDS)[number];

/**
 * How a payment stands with settlement. What lines have matched is said of the captures that they were for: with a later
 * capture that no line has come for it is `expected` again.
 * @param stored what the lines that came were found to be
 */
export function reconciliationStatus(
  stored: string,
  { captured, settled }: { captured: number; settled: number },
): string {
  return stored === 'matched' && settled < captured ? 'expected' : stored;
}

/**
 * What became of an exception.
 * - `corrected`: a further line, or the processor, has set it right
 * - `accepted`: it stays as it is, and the difference in the receivable
 * - `written_off`: the difference leaves the receivable; only where money was paid out, over or under
 * - `ignored`: it means nothing, such as a line that came twice
 * `settled` is no answer of a person: the line that was missing has come.
 */
export const RESOLUTIONS = ['corrected', 'accepted', 'written_off', 'ignored'] as const;
export type Resolution = (typeof RESOLUTIONS)[number] | 'settled';

/** What may be written off: what was paid out more or less than expected. */
export function differenceOf(kind: ExceptionKind, expectedMinor: number | null, actualMinor: number | null): number {
  if ((kind !== 'over' && kind !== 'under') || expectedMinor === null || actualMinor === null) return 0;
  return expectedMinor - actualMinor;
}
