import type { BudgetWindow } from './types.ts';

const DAY_MS = 86_400_000;

/** Length of each window in milliseconds; days are 24 hours, so that no time zone decides how much may be spent. */
const LENGTH_MS: Record<BudgetWindow, number> = {
  '1d': DAY_MS,
  '7d': 7 * DAY_MS,
  '30d': 30 * DAY_MS,
  lifetime: Number.POSITIVE_INFINITY,
};

/**
 * Index (0, 1, 2…) of the tumbling window that `nowMs` falls into; windows follow one another from `anchorMs`, the
 * creation of the delegation. A clock that runs behind the anchor counts in the first window: it must not find an
 * empty one.
 *
 * Why tumbling and not sliding: the total of one window is one row `(delegation, index)`, so checking and spending is
 * one conditional UPDATE, exact under concurrency and cheap at any volume. A sliding window would sum over many rows,
 * which either needs a lock on all of them or lets two racing requests both fit. The price is known and bounded: across
 * a boundary, up to twice the limit can be spent within one window's length.
 */
export function budgetWindow(window: BudgetWindow, anchorMs: number, nowMs: number): number {
  return Math.max(0, Math.floor((nowMs - anchorMs) / LENGTH_MS[window]));
}

/** Unix milliseconds at which the current window ends and the total starts anew; `undefined` for `lifetime`. */
export function windowEndsAt(window: BudgetWindow, anchorMs: number, nowMs: number): number | undefined {
  if (window === 'lifetime') return undefined;
  return anchorMs + (budgetWindow(window, anchorMs, nowMs) + 1) * LENGTH_MS[window];
}

/** `true` when window `a` is at least as long as `b`: the same amount over a longer window is the tighter budget. */
export function atLeastAsLong(a: BudgetWindow, b: BudgetWindow): boolean {
  return LENGTH_MS[a] >= LENGTH_MS[b];
}
