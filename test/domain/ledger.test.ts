import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { balances, CHART_OF_ACCOUNTS, isBalanced, postings } from '../../src/domain/ledger.ts';
import type { LedgerEvent } from '../../src/domain/ledger.ts';

const TYPES = [
  'authorized',
  'overcaptured',
  'captured',
  'released',
  'refunded',
  'refund_reversed',
  'dispute_opened',
  'dispute_won',
  'dispute_lost',
] as const;
const money = { mid: 'mid_1', amountMinor: 1000, currency: 'EUR' };

const someMoney = fc.record({
  mid: fc.constantFrom('mid_1', 'mid_2'),
  amountMinor: fc.integer({ min: 0, max: 2 ** 50 }),
  currency: fc.constantFrom('EUR', 'USD'),
});
const someEvent: fc.Arbitrary<LedgerEvent> = fc.oneof(
  fc.tuple(someMoney, fc.constantFrom(...TYPES)).map(([m, type]) => ({ ...m, type })),
  fc
    .tuple(someMoney, fc.integer({ min: -500, max: 500 }), fc.constantFrom('capture' as const, 'refund' as const))
    .map(([m, feeMinor, of]) => ({ ...m, type: 'settled' as const, feeMinor, of })),
);

const amounts = (events: LedgerEvent[]): Record<string, number> =>
  Object.fromEntries(balances(events.flatMap(postings)).map((b) => [b.account, Number(b.amountMinor)]));

describe('postings', () => {
  it('holds, then turns the hold into a receivable, then into money in the bank less the fee', () => {
    const authorized: LedgerEvent = { ...money, type: 'authorized' };
    const captured: LedgerEvent = { ...money, type: 'captured' };
    expect(amounts([authorized])).toEqual({ 'authorized:mid_1': 1000, authorized_offset: -1000 });
    const after = { 'authorized:mid_1': 0, authorized_offset: 0, sales: -1000 };
    expect(amounts([authorized, captured])).toEqual({ ...after, 'receivable:mid_1': 1000 });
    expect(amounts([authorized, captured, { ...money, type: 'settled', feeMinor: 29 }])).toEqual({
      ...after,
      'receivable:mid_1': 0,
      bank: 971,
      'fees:mid_1': 29,
    });
  });

  it('undoes a hold that was released without touching real accounts', () => {
    expect(
      amounts([
        { ...money, type: 'authorized' },
        { ...money, type: 'released' },
      ]),
    ).toEqual({
      'authorized:mid_1': 0,
      authorized_offset: 0,
    });
  });

  it('takes refunds from what the processor owes, and settles them the other way round', () => {
    const refunded: LedgerEvent = { ...money, type: 'refunded' };
    expect(amounts([refunded])).toEqual({ refunds: 1000, 'receivable:mid_1': -1000 });
    expect(amounts([refunded, { ...money, type: 'settled', of: 'refund', feeMinor: 0 }])).toEqual({
      refunds: 1000,
      'receivable:mid_1': 0,
      bank: -1000,
    });
    expect(amounts([refunded, { ...money, type: 'refund_reversed' }])).toEqual({ refunds: 0, 'receivable:mid_1': 0 });
  });

  it('withholds disputed money until it is won or lost', () => {
    const opened: LedgerEvent = { ...money, type: 'dispute_opened' };
    expect(amounts([opened])).toEqual({ 'disputed:mid_1': 1000, 'receivable:mid_1': -1000 });
    expect(amounts([opened, { ...money, type: 'dispute_won' }])).toEqual({
      'disputed:mid_1': 0,
      'receivable:mid_1': 0,
    });
    expect(amounts([opened, { ...money, type: 'dispute_lost' }])).toEqual({
      'disputed:mid_1': 0,
      'receivable:mid_1': -1000,
      dispute_losses: 1000,
    });
  });

  it('writes no line of zero', () => {
    expect(postings({ ...money, amountMinor: 0, type: 'released' })).toEqual([]);
    expect(postings({ ...money, type: 'settled', feeMinor: 0 }).map((line) => line.account)).toEqual([
      'bank',
      'receivable:mid_1',
    ]);
  });

  it('refuses amounts and fees that are not whole', () => {
    for (const amountMinor of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => postings({ ...money, amountMinor, type: 'captured' })).toThrow(RangeError);
    }
    expect(() => postings({ ...money, type: 'settled', feeMinor: 0.5 })).toThrow(RangeError);
  });

  it('sums to zero for every event, with each account once and on the chart', () => {
    const chart = Object.keys(CHART_OF_ACCOUNTS);
    fc.assert(
      fc.property(someEvent, (event) => {
        const lines = postings(event);
        expect(isBalanced(lines)).toBe(true);
        expect(new Set(lines.map((line) => line.account)).size).toBe(lines.length);
        for (const line of lines) {
          expect(chart).toContain(line.account.replace(event.mid, '{mid}'));
          expect(Number.isSafeInteger(line.amountMinor) && line.amountMinor !== 0).toBe(true);
        }
      }),
    );
  });
});

describe('balances', () => {
  it('balance, whatever was posted in whatever order, and count past the safe integers', () => {
    fc.assert(
      fc.property(fc.array(someEvent, { maxLength: 20 }), (events) => {
        const lines = events.flatMap(postings);
        expect(isBalanced(lines)).toBe(true);
        expect(balances(lines.toReversed())).toEqual(balances(lines));
      }),
    );
    const huge = { account: 'bank', amountMinor: Number.MAX_SAFE_INTEGER, currency: 'EUR' };
    expect(balances([huge, huge])[0]!.amountMinor).toBe(18_014_398_509_481_982n);
  });

  it('does not mix currencies: what cancels out in number only is not balanced', () => {
    const lines = [
      { account: 'bank', amountMinor: 5, currency: 'EUR' },
      { account: 'sales', amountMinor: -5, currency: 'USD' },
    ];
    expect(isBalanced(lines)).toBe(false);
    expect(balances(lines)).toHaveLength(2);
  });
});
