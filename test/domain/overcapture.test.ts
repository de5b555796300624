import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertCounters, capturable, NO_COUNTERS, postCapture, reserveCapture } from '../../src/domain/payment.ts';
import { failOvercapture, overcaptureCeiling, reserveOvercapture } from '../../src/domain/payment/overcapture.ts';

const held = (authorized: number, more: object = {}) => ({ ...NO_COUNTERS, overcaptured: 0, authorized, ...more });

describe('the ceiling of an overcapture', () => {
  it.each([
    [120_00, 15, 18_00],
    [120_00, 0, 0],
    [1_00, 12.5, 12],
    [9_007_199_254_740_991, 100, 9_007_199_254_740_991],
    [99, 1, 0],
  ])('of %i at %d percent is %i', (authorized, percent, ceiling) => {
    expect(overcaptureCeiling(held(authorized), percent)).toBe(ceiling);
  });

  it('is nothing once nothing is held, and less by what went beyond the hold before', () => {
    expect(overcaptureCeiling(held(100, { captured: 100 }), 15)).toBe(0);
    expect(overcaptureCeiling(held(110, { overcaptured: 10 }), 15)).toBe(5);
  });

  it('is never beyond the percentage of what was held, and the counters keep their limits either way', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.integer({ min: 0, max: 99 }),
        fc.integer({ min: 1, max: 100 }),
        (authorized, part, percent) => {
          const before = Math.floor((authorized * part) / 100);
          const open = held(authorized);
          const one =
            before > 0 ? { ...open, ...postCapture(reserveCapture(open, before), before), overcaptured: 0 } : open;
          const ceiling = overcaptureCeiling(one, percent);
          expect(ceiling * 100).toBeLessThanOrEqual(authorized * percent);
          if (ceiling === 0) return;
          const amount = capturable(one) + ceiling;
          const reserved = reserveOvercapture(one, ceiling);
          assertCounters(reserved);
          expect(capturable(reserved)).toBe(0);
          expect(failOvercapture(reserved, amount, ceiling)).toEqual(one);
          const done = postCapture(reserved, amount);
          expect(done.captured).toBe(authorized + ceiling);
          expect(overcaptureCeiling({ ...done, overcaptured: ceiling }, percent)).toBe(0);
        },
      ),
    );
  });
});
