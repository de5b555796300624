import { fromProcessorUnits, toProcessorUnits } from '../minor-units.ts';

/** Decimals where Adyen's differ from ISO 4217 (https://docs.adyen.com/development-resources/currency-codes). */
const DECIMALS: Readonly<Record<string, number>> = { CLP: 2, CVE: 0, IDR: 0, ISK: 2 };

export const toAdyen = (amountMinor: number, currency: string) => toProcessorUnits(amountMinor, currency, DECIMALS);
export const fromAdyen = (value: number, currency: string) => fromProcessorUnits(value, currency, DECIMALS);
