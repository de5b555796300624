import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { budgetWindow, windowEndsAt } from '../../src/domain/budget.ts';

const DAY = 86_400_000;
const ANCHOR = 1_700_000_123_456;
const someWindow = fc.constantFrom('1d' as const, '7d' as const, '30d' as const);

describe('budget windows', () => {
  it('begin at the anchor and tumble at their length', () => {
    expect(budgetWindow('1d', ANCHOR, ANCHOR)).toBe(0);
    expect(budgetWindow('1d', ANCHOR, ANCHOR + DAY - 1)).toBe(0);
    expect(budgetWindow('1d', ANCHOR, ANCHOR + DAY)).toBe(1);
    expect(budgetWindow('7d', ANCHOR, ANCHOR + 20 * DAY)).toBe(2);
    expect(budgetWindow('30d', ANCHOR, ANCHOR + 29 * DAY)).toBe(0);
  });

  it('has one lifetime without an end', () => {
    expect(budgetWindow('lifetime', ANCHOR, ANCHOR + 10_000 * DAY)).toBe(0);
    expect(windowEndsAt('lifetime', ANCHOR, ANCHOR)).toBeUndefined();
  });

  it('gives a clock that runs behind no window of its own', () => {
    expect(budgetWindow('1d', ANCHOR, ANCHOR - 5 * DAY)).toBe(0);
  });

  it('ends exactly where the next index begins', () => {
    fc.assert(
      fc.property(someWindow, fc.integer({ min: 0, max: 4000 * DAY }), (window, elapsed) => {
        const now = ANCHOR + elapsed;
        const index = budgetWindow(window, ANCHOR, now);
        const end = windowEndsAt(window, ANCHOR, now)!;
        expect(end).toBeGreaterThan(now);
        expect(budgetWindow(window, ANCHOR, end)).toBe(index + 1);
        expect(budgetWindow(window, ANCHOR, end - 1)).toBe(index);
      }),
    );
  });
});
