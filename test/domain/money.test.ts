import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CURRENCIES } from '../../src/domain/currency.ts';
import { majorText, MoneyError, toMajor, toMinor } from '../../src/domain/money.ts';

const someMinor = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
/** Fifteen significant digits always survive a double. */
const someCertainMinor = fc.integer({ min: 0, max: 999_999_999_999_999 });

function codeOf(convert: () => unknown): string {
  try {
    return `accepted: ${String(convert())}`;
  } catch (error) {
    return error instanceof MoneyError ? error.code : String(error);
  }
}

describe('toMinor', () => {
  it.each([
    [1240.0, 'USD', 124_000],
    ['1240.00', 'USD', 124_000],
    [1.1, 'EUR', 110],
    [4.35, 'EUR', 435],
    [0.29, 'EUR', 29],
    [1.005, 'KWD', 1005],
    ['0.0001', 'CLF', 1],
    [500, 'JPY', 500],
    [0, 'EUR', 0],
    [-0, 'EUR', 0],
    ['0.00', 'EUR', 0],
    ['90071992547409.91', 'EUR', Number.MAX_SAFE_INTEGER],
    [Number.MAX_SAFE_INTEGER, 'JPY', Number.MAX_SAFE_INTEGER],
  ])('reads %s %s as %i', (amount, currency, minor) => {
    expect(toMinor(amount, currency)).toBe(minor);
  });

  it('shows why it does not multiply', () => {
    expect(4.35 * 100).not.toBe(435);
    expect(1.005 * 1000).not.toBe(1005);
  });

  it.each([
    [1.001, 'EUR', 'excess_decimals'],
    ['1.000', 'USD', 'excess_decimals'],
    ['100.00', 'JPY', 'excess_decimals'],
    [0.5, 'JPY', 'excess_decimals'],
    [-1, 'EUR', 'negative'],
    ['-0.01', 'EUR', 'negative'],
    ['-1e3', 'EUR', 'negative'],
    ['1e3', 'EUR', 'exponent'],
    ['1E-2', 'EUR', 'exponent'],
    [1e21, 'EUR', 'exponent'],
    [1e-7, 'EUR', 'exponent'],
    [Number.NaN, 'EUR', 'not_a_number'],
    [Number.POSITIVE_INFINITY, 'EUR', 'not_a_number'],
    ['', 'EUR', 'not_a_number'],
    [' 1', 'EUR', 'not_a_number'],
    ['1\n', 'EUR', 'not_a_number'],
    ['1,00', 'EUR', 'not_a_number'],
    ['01', 'EUR', 'not_a_number'],
    ['1.', 'EUR', 'not_a_number'],
    ['.5', 'EUR', 'not_a_number'],
    ['+1', 'EUR', 'not_a_number'],
    ['0x10', 'EUR', 'not_a_number'],
    ['١٢', 'EUR', 'not_a_number'],
    ['90071992547409.92', 'EUR', 'unsafe'],
    ['9'.repeat(100_000), 'EUR', 'unsafe'],
    [Number.MAX_SAFE_INTEGER + 1, 'JPY', 'unsafe'],
    [1, 'XXX', 'unknown_currency'],
    [1, 'usd', 'unknown_currency'],
  ])('refuses %s %s as %s', (amount, currency, code) => {
    expect(codeOf(() => toMinor(amount, currency))).toBe(code);
  });

  it('refuses what is neither number nor string, whatever the types say', () => {
    for (const amount of [null, undefined, true, [5], { valueOf: () => 5 }]) {
      expect(codeOf(() => toMinor(amount as unknown as number, 'EUR'))).toBe('not_a_number');
    }
  });

  it('refuses a number that two amounts would have become, and takes the string', () => {
    // both texts parse to the same double
    expect(Number('90071992547409.90')).toBe(Number('90071992547409.91'));
    expect(codeOf(() => toMinor(90071992547409.9, 'EUR'))).toBe('unsafe');
    expect(toMinor('90071992547409.90', 'EUR')).toBe(Number.MAX_SAFE_INTEGER - 1);
  });
});

describe('round trip', () => {
  it.each(CURRENCIES)('%s: text both ways for every safe amount, numbers for fifteen digits', (currency) => {
    fc.assert(
      fc.property(someMinor, someCertainMinor, (minor, certain) => {
        expect(toMinor(majorText(minor, currency), currency)).toBe(minor);
        expect(toMinor(toMajor(certain, currency), currency)).toBe(certain);
      }),
      { numRuns: 50 },
    );
  });

  it('never turns a number into another amount than the text it came from', () => {
    fc.assert(
      fc.property(someMinor, fc.constantFrom(...CURRENCIES), (minor, currency) => {
        const outcome = codeOf(() => toMinor(JSON.parse(majorText(minor, currency)) as number, currency));
        expect(['unsafe', `accepted: ${minor}`]).toContain(outcome);
      }),
    );
  });
});

describe('toMajor', () => {
  it.each([
    [124_050, 'EUR', 1240.5, '1240.50'],
    [5n, 'KWD', 0.005, '0.005'],
    [-124_050, 'USD', -1240.5, '-1240.50'],
    [-5, 'USD', -0.05, '-0.05'],
    [500, 'JPY', 500, '500'],
    [0, 'CLF', 0, '0.0000'],
  ])('prints %s minor units of %s', (minor, currency, major, text) => {
    expect(toMajor(minor, currency)).toBe(major);
    expect(majorText(minor, currency)).toBe(text);
  });

  it('refuses numbers that are not whole and safe', () => {
    expect(codeOf(() => toMajor(1.5, 'EUR'))).toBe('unsafe');
    expect(codeOf(() => toMajor(2 ** 53, 'EUR'))).toBe('unsafe');
    expect(codeOf(() => toMajor(1, 'ABC'))).toBe('unknown_currency');
  });
});
