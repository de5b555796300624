import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  LEAD_HOLD_MS,
  MIN_ATTEMPTS,
  nextLeader,
  successRate,
  type Contender,
} from '../../../src/domain/routing/success.ts';

const contender = (midId: string, approved: number, attempted: number): Contender => ({
  midId,
  health: { approved, attempted },
});
const HELD = { midId: 'a', sinceMs: 0 };

describe('who leads', () => {
  it('is the best at first, and the first that is named among equals', () => {
    expect(nextLeader([contender('a', 9, 10), contender('b', 10, 10)], undefined, 0)).toBe('b');
    expect(nextLeader([contender('b', 9, 10), contender('a', 9, 10)], undefined, 0)).toBe('b');
    expect(nextLeader([], undefined, 0)).toBeUndefined();
  });

  it('changes to one that is clearly better, proven, and not too soon', () => {
    const worse = contender('a', 80, 100);
    const better = contender('b', 95, 100);
    expect(nextLeader([worse, better], HELD, LEAD_HOLD_MS)).toBe('b');
    expect(nextLeader([worse, better], HELD, LEAD_HOLD_MS - 1)).toBe('a');
    expect(nextLeader([contender('a', 93, 100), better], HELD, LEAD_HOLD_MS)).toBe('a');
    const hardlyAsked = contender('b', MIN_ATTEMPTS - 1, MIN_ATTEMPTS - 1);
    expect(nextLeader([worse, hardlyAsked], HELD, LEAD_HOLD_MS)).toBe('a');
  });

  it('changes at once when the leader can no longer be asked', () => {
    expect(nextLeader([contender('b', 1, 100)], HELD, 0)).toBe('b');
  });

  it('does not go back and forth between two that are about as good, as fate may have it', () => {
    // Both approve 90 of 100. Each step is five minutes with a few hundred attempts; a day has 288.
    fc.assert(
      fc.property(fc.infiniteStream(fc.integer({ min: 882, max: 918 })), (approvals) => {
        const next = () => approvals.next().value as number;
        let lead = { midId: 'a', sinceMs: 0 };
        let changes = 0;
        let greedy = 'a';
        let greedyChanges = 0;
        for (let step = 1; step <= 288; step++) {
          const both = [contender('a', next(), 1_000), contender('b', next(), 1_000)];
          const to = nextLeader(both, lead, step * LEAD_HOLD_MS)!;
          if (to !== lead.midId) {
            changes += 1;
            lead = { midId: to, sinceMs: step * LEAD_HOLD_MS };
          }
          const best = successRate(both[0]!.health) >= successRate(both[1]!.health) ? 'a' : 'b';
          if (best !== greedy) greedyChanges += 1;
          greedy = best;
        }
        // The control is whoever follows the better number at once; numbers that are all alike give it no reason to.
        expect(changes).toBeLessThanOrEqual(Math.max(1, greedyChanges));
        expect(changes).toBeLessThan(288 / 4);
      }),
      { numRuns: 30 },
    );
  });

  it('does not move at all while the difference stays below the margin', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 900, max: 910 }), fc.integer({ min: 900, max: 910 }))),
        (hours) => {
          let lead = HELD;
          hours.forEach(([a, b], i) => {
            const to = nextLeader([contender('a', a, 1_000), contender('b', b, 1_000)], lead, i * 10 * LEAD_HOLD_MS)!;
            lead = { midId: to, sinceMs: lead.sinceMs };
          });
          expect(lead.midId).toBe('a');
        },
      ),
    );
  });
});

describe('the rate', () => {
  it('of an account that was never asked is a good one, and one decline is no verdict', () => {
    expect(successRate(undefined)).toBeCloseTo(0.9);
    expect(successRate({ attempted: 1, approved: 0 })).toBeGreaterThan(0.8);
    expect(successRate({ attempted: 1_000, approved: 0 })).toBeLessThan(0.01);
  });
});
