import { exponentOf } from '../domain/currency.ts';

/**
 * An amount of ISO 4217 minor units in the minor units of a processor that counts some currencies otherwise.
 * `undefined` when the processor cannot express it exactly, or nobody can.
 * @param others the processor's decimals of each currency where they differ from ISO 4217
 */
export function toProcessorUnits(
  amountMinor: number,
  currency: string,
  others: Readonly<Record<string, number>>,
): number | undefined {
  return shift(amountMinor, (others[currency] ?? exponentOf(currency) ?? 0) - (exponentOf(currency) ?? 0));
}

/** The way back: the processor's minor units of `currency` (upper case) in ours; `undefined` when that is no integer. */
export function fromProcessorUnits(
  amount: number,
  currency: string,
  others: Readonly<Record<string, number>>,
): number | undefined {
  return shift(amount, (exponentOf(currency) ?? 0) - (others[currency] ?? exponentOf(currency) ?? 0));
}

function shift(amount: number, decimals: number): number | undefined {
  const shifted = decimals >= 0 ? amount * 10 ** decimals : amount / 10 ** -decimals;
  return Number.isSafeInteger(shifted) ? shifted : undefined;
}
