import { describe, expect, it } from 'vitest';
import { CURRENCIES, CURRENCY_TABLE_DATE, exponentOf, isCurrency } from '../../src/domain/currency.ts';

describe('currency table', () => {
  it('is list one of ISO 4217 as of its date: 165 codes that have a minor unit', () => {
    expect(CURRENCY_TABLE_DATE).toBe('2026-01-01');
    expect(CURRENCIES).toHaveLength(165);
    expect(new Set(CURRENCIES).size).toBe(165);
    expect(CURRENCIES.filter((code) => !/^[A-Z]{3}$/.test(code))).toEqual([]);
  });

  it.each([
    ['EUR', 2],
    ['JPY', 0],
    ['KWD', 3],
    ['CLF', 4],
    ['UYW', 4],
    // others' tables go wrong here
    ['HUF', 2],
    ['IDR', 2],
    ['IQD', 3],
    ['PKR', 2],
    ['MGA', 2],
    ['MRU', 2],
    ['ISK', 0],
    ['UGX', 0],
    ['XCG', 2],
    ['XAD', 2],
  ])('gives %s %i decimals', (code, exponent) => {
    expect(exponentOf(code)).toBe(exponent);
  });

  it.each(['XAU', 'XDR', 'XXX', 'XTS', 'BGN', 'HRK', 'ANG', 'eur', 'EURO', '', 'constructor'])(
    'does not know %s',
    (code) => {
      expect(isCurrency(code)).toBe(false);
      expect(exponentOf(code)).toBeUndefined();
    },
  );
});
