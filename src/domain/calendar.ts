const DAY = 86_400;
/** The last moment of a day; later than any clock that gives microseconds. */
const WHOLE_DAY = DAY - 1e-6;

const ISO_8601 = /^(\d{4})-(\d{2})-(\d{2})(?:[Tt](\d{2}):(\d{2})(?::(\d{2})(\.\d{1,9})?)?(Z|z|[+-]\d{2}:\d{2}))?$/;

/** First and last moment that a text stands for, in epoch seconds: equal for a moment, a whole UTC day for a date. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/**
 * An ISO 8601 date (`2026-04-30`) or RFC 3339 moment; `undefined` for anything else. A time without an offset is
 * refused: it would be another moment for each reader.
 */
export function readSpan(text: unknown): Span | undefined {
  const match = typeof text === 'string' ? ISO_8601.exec(text) : null;
  if (match === null) return undefined;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return undefined;
  const midnight = dayNumber(year, month, day) * DAY;
  const zone = match[8];
  if (zone === undefined) return { from: midnight, to: midnight + WHOLE_DAY };
  const [hour, minute, second] = [Number(match[4]), Number(match[5]), Number(match[6] ?? 0)];
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const offset = offsetOf(zone);
  if (offset === undefined) return undefined;
  const moment = midnight + hour * 3600 + minute * 60 + second + Number(match[7] ?? 0) - offset;
  return { from: moment, to: moment };
}

/** UTC days since 1970-01-01. */
export function dayOf(epochSeconds: number): number {
  return Math.floor(epochSeconds / DAY);
}

/** `2026-04-30`, for years of four digits. */
export function isoDay(day: number): string {
  const { year, month, dayOfMonth } = civilOf(day);
  const pad = (part: number, width: number) => String(part).padStart(width, '0');
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(dayOfMonth, 2)}`;
}

/** The same day some months later; the last day of that month where it has fewer (31 January → 28 February). */
export function addMonths(day: number, months: number): number {
  const { year, month, dayOfMonth } = civilOf(day);
  const index = year * 12 + (month - 1) + months;
  const [toYear, toMonth] = [Math.floor(index / 12), (index % 12) + 1];
  return dayNumber(toYear, toMonth, Math.min(dayOfMonth, daysIn(toYear, toMonth)));
}

function offsetOf(zone: string): number | undefined {
  if (zone.length === 1) return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(4))];
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 3600 + minutes * 60);
}

function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

// Proleptic Gregorian calendar by eras of 400 years, counted from 1 March, so that the leap day is the last of its year.
function dayNumber(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function civilOf(day: number): { year: number; month: number; dayOfMonth: number } {
  const shifted = day + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    dayOfMonth: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  };
}
