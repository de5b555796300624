import { addMonths, dayOf } from '../calendar.ts';

const FREQUENCIES = {
  ON_DEMAND: (day: number) => day,
  DAILY: (day: number) => day + 1,
  WEEKLY: (day: number) => day + 7,
  BIWEEKLY: (day: number) => day + 14,
  MONTHLY: (day: number) => addMonths(day, 1),
  QUARTERLY: (day: number) => addMonths(day, 3),
  ANNUALLY: (day: number) => addMonths(day, 12),
} as const satisfies Record<string, (day: number) => number>;

export type Frequency = keyof typeof FREQUENCIES;

export function isFrequency(value: unknown): value is Frequency {
  return typeof value === 'string' && Object.hasOwn(FREQUENCIES, value);
}

/**
 * `true` when a presentation is "sufficiently separated in time from the previous presentation to meet the frequency"
 * (AP2 v0.2, agent recurrence). Counted in UTC days and months of the calendar, not in seconds: a payment that runs
 * each month on the same day is never early by the seconds that yesterday's run took longer.
 * @param lastAt @param now epoch seconds
 */
export function isDue(frequency: Frequency, lastAt: number, now: number): boolean {
  return dayOf(now) >= FREQUENCIES[frequency](dayOf(lastAt));
}
