import { WEEKDAYS, type Hours, type LocalTime } from './types.ts';

const DAY = 1_440;

/**
 * Whether a wall clock is within one of the windows.
 * @throws TypeError for windows that are none
 */
export function withinHours({ windows }: Hours, { weekday, minute }: LocalTime): boolean {
  if (!Array.isArray(windows)) throw new TypeError('the windows are not a list');
  return windows.some(({ days, from, to }) => {
    const [start, end] = [minuteOf(from), minuteOf(to)];
    const begins = (day: number) => days === undefined || days.includes(WEEKDAYS[(day + 6) % 7]!);
    if (start < end) return begins(weekday) && minute >= start && minute < end;
    return (begins(weekday) && minute >= start) || (begins(weekday - 1) && minute < end);
  });
}

/**
 * `HH:MM` → minutes since midnight; `24:00` is the end of the day.
 * @throws TypeError for anything else
 */
export function minuteOf(text: string): number {
  const match = /^(\d{2}):([0-5]\d)$/.exec(text);
  const minute = match ? Number(match[1]) * 60 + Number(match[2]) : Number.NaN;
  if (!(minute <= DAY)) throw new TypeError(`${text} is not a time of day such as 08:30`);
  return minute;
}
