import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planRoute } from '../../src/domain/routing.ts';
import type { MidCandidate } from '../../src/domain/routing.ts';

const want = { currency: 'USD', amountMinor: 1000, method: 'token' };
function mid(midId: string, change: Partial<MidCandidate> = {}): MidCandidate {
  return {
    midId,
    processor: 'alpha',
    mid: `account-${midId}`,
    kind: 'simulator',
    priority: 10,
    enabled: true,
    ...change,
  };
}

describe('planRoute', () => {
  it('tries the lowest priority first, and breaks ties by id', () => {
    const plan = planRoute([mid('c'), mid('b'), mid('a', { priority: 20 })], want);
    expect(plan.candidates.map(({ midId, position }) => [midId, position])).toEqual([
      ['b', 1],
      ['c', 2],
      ['a', 3],
    ]);
    expect(plan.dropped).toEqual([]);
  });

  it.each<[string, Partial<MidCandidate>]>([
    ['disabled', { enabled: false }],
    ['currency_not_supported', { currencies: ['EUR'] }],
    ['currency_not_supported', { currencies: [] }],
    ['method_not_supported', { methods: ['bank_transfer'] }],
    ['amount_above_limit', { maxAmountMinor: 999 }],
    ['outage', { healthy: false }],
    // the first reason of the pipeline is the one given
    ['disabled', { enabled: false, currencies: ['EUR'], healthy: false }],
  ])('drops as %s what has %o', (reason, change) => {
    const plan = planRoute([mid('a', change), mid('b')], want);
    expect(plan.dropped).toMatchObject([{ midId: 'a', mid: 'account-a', reason }]);
    expect(plan.candidates.map((candidate) => candidate.midId)).toEqual(['b']);
  });

  it('keeps what is exactly at its limits', () => {
    const exact = mid('a', { currencies: ['USD'], methods: ['token'], maxAmountMinor: 1000, healthy: true });
    expect(planRoute([exact], want).candidates).toMatchObject([{ midId: 'a', reason: 'priority' }]);
  });

  it('stays with the processor that the token belongs to', () => {
    const plan = planRoute([mid('a'), mid('b', { processor: 'beta', priority: 99 })], { ...want, processor: 'beta' });
    expect(plan.candidates).toMatchObject([{ midId: 'b', reason: 'pinned' }]);
    expect(plan.dropped).toMatchObject([{ midId: 'a', reason: 'other_processor_pinned' }]);
  });

  it('accounts for every MID once, whatever the order they came in', () => {
    const someMids = fc.uniqueArray(
      fc.record({
        midId: fc.string({ minLength: 1, maxLength: 3 }),
        priority: fc.integer({ min: 0, max: 3 }),
        enabled: fc.boolean(),
        currencies: fc.constantFrom<string[] | undefined>(undefined, ['USD'], ['EUR']),
        healthy: fc.constantFrom(undefined, true, false),
      }),
      { selector: (candidate) => candidate.midId, maxLength: 6 },
    );
    fc.assert(
      fc.property(someMids, (changes) => {
        const mids = changes.map((change) => mid(change.midId, change));
        const plan = planRoute(mids, want);
        const accounted = [...plan.candidates, ...plan.dropped].map((candidate) => candidate.midId);
        expect(accounted.toSorted()).toEqual(mids.map((m) => m.midId).toSorted());
        expect(planRoute(mids.toReversed(), want)).toEqual(plan);
      }),
    );
  });
});
