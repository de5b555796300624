/**
 * ISO 4217 list one, active codes with their minor unit, as published by the maintenance agency on this date.
 * Checked in and not read from `Intl`, which follows CLDR's cash habits and gives sixteen currencies other decimals
 * (HUF, IDR, IQD…) that also change with the ICU of the host: an amount must mean the same on every machine.
 * Codes without a minor unit ("N.A.": metals, XDR, XTS, XXX…) are absent on purpose; nothing can be paid in them.
 */
export const CURRENCY_TABLE_DATE = '2026-01-01';

const CODES_BY_EXPONENT: readonly [exponent: number, codes: string][] = [
  [0, 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'],
  [
    2,
    'AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY ' +
      'COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ' +
      'ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN ' +
      'MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE ' +
      'SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ' +
      'ZAR ZMW ZWG',
  ],
  [3, 'BHD IQD JOD KWD LYD OMR TND'],
  [4, 'CLF UYW'],
];

const EXPONENTS: ReadonlyMap<string, number> = new Map(
  CODES_BY_EXPONENT.flatMap(([exponent, codes]) => codes.split(' ').map((code) => [code, exponent] as const)),
);

/** Every known code, in alphabetical order. */
export const CURRENCIES: readonly string[] = [...EXPONENTS.keys()].sort();

/** Decimals of the major unit (`EUR` 2, `JPY` 0, `KWD` 3), or `undefined` for a code that is not on the list. */
export function exponentOf(code: string): number | undefined {
  return EXPONENTS.get(code);
}

/** Exact, upper-case codes only: `eur` is not a currency. */
export function isCurrency(code: string): boolean {
  return EXPONENTS.has(code);
}

/** ISO 4217 for "no currency": what an action has that moves no money. The edge takes it from nobody. */
export const NO_CURRENCY = 'XXX';

/** A limit in money says nothing about an action that moves none. */
export function movesNoMoney({ amountMinor, currency }: { amountMinor: number; currency: string }): boolean {
  return currency === NO_CURRENCY && amountMinor === 0;
}
