import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { refineByHistory, type EarlierAction, type RefinementFacts } from '../../src/domain/refinement.ts';
import { hourRarity, markovSurprise, median, robustZ } from '../../src/domain/refinement/statistics.ts';

const DAY_MS = 86_400_000;
/** Ten in the morning, UTC. */
const MORNING = 10 * 3_600_000;

/** A month of an agent that alternates between two merchants, at ten in the morning. */
const routine: EarlierAction[] = Array.from({ length: 30 }, (_, i) => ({
  atMs: i * DAY_MS + MORNING,
  action: 'payment.authorize',
  merchantRef: i % 2 === 0 ? 'mrc_hotel' : 'mrc_train',
  amountMinor: 100_00 + (i % 7) * 5_00,
  currency: 'EUR',
}));
const usual: RefinementFacts = {
  atMs: 30 * DAY_MS + MORNING,
  action: 'payment.authorize',
  merchantRef: 'mrc_hotel',
  amountMinor: 115_00,
  currency: 'EUR',
  earlier: routine,
  merchantAmounts: routine.map(({ amountMinor }) => amountMinor),
};
const pointsOf = (facts: RefinementFacts) =>
  Object.fromEntries(refineByHistory(facts).findings.map(({ type, points }) => [type, points]));

describe('refineByHistory', () => {
  it('finds nothing in what the agent always does', () => {
    expect(refineByHistory(usual).score).toBe(0);
    expect(refineByHistory(usual).findings.every(({ samples }) => samples >= 8)).toBe(true);
  });

  it.each([
    ['an amount far from the usual', { amountMinor: 9_000_00 }, ['amount_for_agent', 'amount_for_merchant']],
    ['a merchant never seen', { merchantRef: 'mrc_new', merchantAmounts: [] }, ['sequence']],
    ['an hour in which it never acts', { atMs: 30 * DAY_MS + MORNING - 8 * 3_600_000 }, ['time_of_day']],
  ])('notices %s, and says by which statistic', (_, more, types) => {
    const points = pointsOf({ ...usual, ...more });
    expect(
      Object.entries(points)
        .filter(([, value]) => value > 0)
        .map(([type]) => type),
    ).toEqual(types);
  });

  it('says nothing from too little history', () => {
    const { score, findings } = refineByHistory({
      ...usual,
      amountMinor: 9_000_00,
      earlier: routine.slice(0, 7),
      merchantAmounts: [],
    });
    expect(score).toBe(0);
    expect(findings.every(({ detail }) => detail.startsWith('Too little history'))).toBe(true);
  });

  it('never finds a larger amount less unusual, and is the capped sum of its points', () => {
    fc.assert(
      fc.property(fc.nat(10_000_00), fc.nat(10_000_00), (a, b) => {
        const [less, more] = [Math.min(a, b), Math.max(a, b)];
        const scored = (amountMinor: number) => refineByHistory({ ...usual, amountMinor });
        expect(scored(more).score).toBeGreaterThanOrEqual(scored(less).score);
        const { score, findings } = scored(more);
        expect(score).toBe(
          Math.min(
            100,
            findings.reduce((sum, { points }) => sum + points, 0),
          ),
        );
      }),
    );
  });

  it('stays between 0 and 100 whatever the history is', () => {
    const action = fc.record({
      atMs: fc.nat(400 * DAY_MS),
      action: fc.constantFrom('payment.authorize', 'payment.refund'),
      merchantRef: fc.constantFrom('a', 'b', 'c'),
      amountMinor: fc.nat(),
      currency: fc.constantFrom('EUR', 'USD'),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), action, fc.array(fc.nat()), (earlier, now, merchantAmounts) => {
        const { score, findings } = refineByHistory({ ...now, earlier, merchantAmounts });
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(100);
        expect(
          findings.every(({ points, strength }) => Number.isInteger(points) && strength >= 0 && strength <= 1),
        ).toBe(true);
      }),
    );
  });
});

describe('the statistics', () => {
  it('robustZ measures in robust deviations, and is not moved by outliers', () => {
    const sample = [1, 2, 3, 4, 5, 6, 7];
    expect(median(sample)).toBe(4);
    expect(robustZ(4, sample)).toBe(0);
    expect(robustZ(4 + 2 * 1.4826, sample)).toBeCloseTo(1, 10);
    // One outlier of a million: mean and deviation would find 100 quite usual.
    expect(robustZ(100, [...sample, 1_000_000])).toBeGreaterThan(10);
  });

  it('robustZ of equal values finds any other infinitely far', () => {
    expect(robustZ(5, [5, 5, 5])).toBe(0);
    expect(robustZ(6, [5, 5, 5])).toBe(Infinity);
    expect(robustZ(6, [5, 5, 5, 5, 9])).toBeLessThan(Infinity);
  });

  it('markovSurprise is in bits, and least for the usual step', () => {
    const sequence = ['a', 'b', 'a', 'b', 'a', 'b', 'a'];
    // From a: three times to b, and smoothing by two states and one: 4/6, 1/6, 1/6.
    expect(markovSurprise(sequence, 'b').bits).toBeCloseTo(-Math.log2(4 / 6), 10);
    expect(markovSurprise(sequence, 'a').bits).toBeCloseTo(-Math.log2(1 / 6), 10);
    expect(markovSurprise(sequence, 'never').bits).toBeCloseTo(-Math.log2(1 / 6), 10);
    expect(markovSurprise(sequence, 'b').expected).toBeCloseTo((4 / 6) * Math.log2(6 / 4) + (2 / 6) * Math.log2(6), 10);
  });

  it('hourRarity goes around midnight', () => {
    const nights = [23.5, 23.75, 0.25, 0.5];
    expect(hourRarity(0, nights)).toBeLessThan(0.3);
    expect(hourRarity(12, nights)).toBe(1);
  });
});
