import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  GAIN_PER_DAY,
  HALF_LIFE_MS,
  initialTrust,
  learn,
  MIDDLE,
  NEW_UNTIL_PAID,
  OUTCOMES,
  tierOf,
  trustAt,
  type Outcome,
  type OutcomeKind,
} from '../../src/domain/trust-score.ts';

const DAY = 86_400_000;
const kinds = Object.keys(OUTCOMES) as OutcomeKind[];
const bad = kinds.filter((kind) => OUTCOMES[kind].points < 0);
const day = (n: number, kind: OutcomeKind): Outcome => ({ kind, atMs: n * DAY });
const after = (outcomes: Outcome[], nowMs = 400 * DAY) => learn(initialTrust(0), outcomes, nowMs);

const someOutcomes = fc
  .array(fc.record({ kind: fc.constantFrom(...kinds), atMs: fc.integer({ min: 0, max: 300 * DAY }) }), {
    maxLength: 40,
  })
  .map((outcomes) => outcomes.toSorted((a, b) => a.atMs - b.atMs));

describe('the trust score', () => {
  it('begins in the middle, and lies between 0 and 100 whatever happens', () => {
    expect(initialTrust(0)).toMatchObject({ score: MIDDLE, tier: 'new' });
    expect(trustAt(undefined, 5)).toBe(MIDDLE);
    fc.assert(
      fc.property(someOutcomes, (outcomes) => {
        const { score } = after(outcomes, 300 * DAY);
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(100);
      }),
    );
  });

  it('drifts back to the middle by half in a half-life, from above and from below', () => {
    expect(trustAt({ score: 90, atMs: 0 }, HALF_LIFE_MS)).toBe(70);
    expect(trustAt({ score: 10, atMs: 0 }, HALF_LIFE_MS)).toBe(30);
    expect(trustAt({ score: 10, atMs: HALF_LIFE_MS }, 0)).toBe(10);
  });

  it('is never raised by something bad that happens in addition', () => {
    fc.assert(
      fc.property(someOutcomes, fc.constantFrom(...bad), fc.nat(), (outcomes, kind, position) => {
        const at = outcomes.length === 0 ? 0 : position % (outcomes.length + 1);
        const atMs = outcomes[at - 1]?.atMs ?? 0;
        const worse = outcomes.toSpliced(at, 0, { kind, atMs });
        expect(after(worse).score).toBeLessThanOrEqual(after(outcomes).score + 1e-9);
      }),
      { numRuns: 500 },
    );
  });

  it('is the same whether outcomes come together or one by one', () => {
    fc.assert(
      fc.property(someOutcomes, (outcomes) => {
        const step = (state: ReturnType<typeof initialTrust>, outcome: Outcome) =>
          learn(state, [outcome], outcome.atMs);
        const single = outcomes.reduce(step, initialTrust(0));
        const last = outcomes.at(-1)?.atMs ?? 0;
        expect(learn(single, [], last).score).toBeCloseTo(after(outcomes, last).score, 6);
      }),
    );
  });

  it('cannot be bought in a day with many small payments', () => {
    const many = Array.from({ length: 1_000 }, () => day(0, 'paid'));
    expect(after(many, 0).score).toBeCloseTo(MIDDLE + GAIN_PER_DAY, 6);
    const spread = Array.from({ length: 30 }, (_, i) => day(i, 'paid'));
    expect(after(spread, 30 * DAY).score).toBeGreaterThan(MIDDLE + 2 * GAIN_PER_DAY);
  });

  it('gives back what a dispute took when it is withdrawn, and no more', () => {
    const taken = after([day(0, 'disputed')], 0).score;
    const back = after([day(0, 'disputed'), day(0, 'dispute_withdrawn')], 0).score;
    expect(back).toBeGreaterThan(taken);
    expect(back).toBeLessThanOrEqual(MIDDLE);
  });
});

describe('the tier', () => {
  it.each([
    [34.9, 9, 'probation'],
    [50, NEW_UNTIL_PAID - 1, 'new'],
    [90, 0, 'new'],
    [50, NEW_UNTIL_PAID, 'standard'],
    [70, NEW_UNTIL_PAID, 'trusted'],
  ])('of %f after %i payments is %s', (score, paid, tier) => {
    expect(tierOf(score, paid)).toBe(tier);
  });

  it('does not change at every wiggle about a border', () => {
    const state = { ...initialTrust(0), score: 70.5, tier: 'trusted' as const, paid: 20 };
    const wiggled = learn(state, [{ kind: 'payment_failed', atMs: 0 }], 0);
    expect([wiggled.score, wiggled.tier]).toEqual([69.5, 'trusted']);
    const fallen = learn(state, [{ kind: 'challenge_failed', atMs: 0 }], 0);
    expect(fallen.tier).toBe('standard');
    // The control: without a tier before, the score alone would say another.
    expect(tierOf(wiggled.score, wiggled.paid)).toBe('standard');
  });

  it('is lost with time alone', () => {
    const state = { ...initialTrust(0), score: 80, tier: 'trusted' as const, paid: 20 };
    expect(learn(state, [], HALF_LIFE_MS).tier).toBe('standard');
  });
});
