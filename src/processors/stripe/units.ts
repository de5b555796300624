import { fromProcessorUnits, toProcessorUnits } from '../minor-units.ts';

/**
 * Decimals where Stripe's differ from ISO 4217 (https://docs.stripe.com/currencies#special-cases and
 * #zero-decimal): ISK and UGX are written with two that must be zero, MGA with none.
 */
const DECIMALS: Readonly<Record<string, number>> = { ISK: 2, UGX: 2, MGA: 0 };

export const toStripe = (amountMinor: number, currency: string) => toProcessorUnits(amountMinor, currency, DECIMALS);
/** @param currency in either case */
export const fromStripe = (amount: number, currency: string) =>
  fromProcessorUnits(amount, currency.toUpperCase(), DECIMALS);
