/** Windows of local time: when an agent may act. The local time itself is a fact that the caller brings (`Clocks`). */

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

/**
 * From `from` (inclusive) to `to` (exclusive), `HH:MM` of local time; `24:00` ends a day. `to` before `from` passes
 * midnight and belongs to the day on which it begins. Without `days`: every day.
 */
export interface HoursWindow {
  days?: Day[];
  from: string;
  to: string;
  /** IANA name in the form that its database prefers, so that equal zones have equal names. */
  timeZone: string;
}

/**
 * Lists of windows: an instant must lie in some window of *every* list. A delegation names one list; more come of
 * intersecting, since windows of two zones have no common window that one zone could name (daylight saving).
 */
export type Hours = HoursWindow[][];

/** The local time of one instant, by zone. A zone that is missing is outside of every window. */
export type Clocks = Record<string, { day: Day; minute: number } | undefined>;

const DAY_MINUTES = 1440;
const WEEK_MINUTES = 7 * DAY_MINUTES;

/** `HH:MM` → minutes since midnight. */
export function minuteOf(time: string): number {
  return Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
}

export function withinHours(hours: Hours | undefined, clocks: Clocks): boolean {
  return hours === undefined || hours.every((list) => list.some((window) => openAt(window, clocks)));
}

function openAt(window: HoursWindow, clocks: Clocks): boolean {
  const clock = Object.hasOwn(clocks, window.timeZone) ? clocks[window.timeZone] : undefined;
  if (!clock) return false;
  const at = DAYS.indexOf(clock.day) * DAY_MINUTES + clock.minute;
  return spansOf([window]).some(([begin, end]) => begin <= at && at < end);
}

/** The zones that must be known to judge these hours. */
export function zonesOf(hours: Hours | undefined): string[] {
  return (hours ?? []).flat().map((window) => window.timeZone);
}

/**
 * Whether every instant in `child` lies in `parent`, as far as that can be told without a date: windows are compared
 * with windows of the same zone only. What cannot be told counts as outside.
 */
export function hoursInside(child: Hours | undefined, parent: Hours): boolean {
  return parent.every((outer) => isWholeWeek(outer) || (child ?? []).some((inner) => covers(outer, inner)));
}

/** Every instant of both; a list that lies inside another says all that the other says. */
export function intersectHours(parent: Hours | undefined, child: Hours | undefined): Hours | undefined {
  if (parent === undefined || child === undefined) return parent ?? child;
  return [...parent, ...child].reduce<Hours>((kept, list) => {
    if (kept.some((one) => covers(list, one))) return kept;
    return [...kept.filter((one) => !covers(one, list)), list];
  }, []);
}

/** Minutes of a week that the tightest list leaves open. */
export function openMinutes(hours: Hours | undefined): number {
  const lists = (hours ?? []).map((list) => {
    const spans = merged(list);
    return spans.reduce((sum, [begin, end]) => sum + end - begin, 0);
  });
  return Math.min(Number.POSITIVE_INFINITY, ...lists);
}

/** Whether `outer` holds all of `inner`; a whole week in any zone holds everything. */
function covers(outer: HoursWindow[], inner: HoursWindow[]): boolean {
  const spans = spansByZone(outer);
  return (
    isWholeWeek(outer) ||
    inner.every((window) =>
      spansOf([window]).every(([begin, end]) =>
        (spans.get(window.timeZone) ?? []).some(([from, to]) => from <= begin && end <= to),
      ),
    )
  );
}

function isWholeWeek(list: HoursWindow[]): boolean {
  return [...spansByZone(list).values()].some(([first]) => first?.[0] === 0 && first[1] === WEEK_MINUTES);
}

function spansByZone(list: HoursWindow[]): Map<string, Span[]> {
  const zones = [...new Set(list.map((window) => window.timeZone))];
  return new Map(zones.map((zone) => [zone, merged(list.filter((window) => window.timeZone === zone))]));
}

type Span = [begin: number, end: number];

/** Minutes of the week, Monday 00:00 first; what passes Sunday midnight goes on on Monday. */
function spansOf(windows: HoursWindow[]): Span[] {
  return windows.flatMap(({ days = [...DAYS], from, to }) =>
    days.flatMap((day): Span[] => {
      const midnight = DAYS.indexOf(day) * DAY_MINUTES;
      const begin = midnight + minuteOf(from);
      const end = midnight + minuteOf(to) + (minuteOf(to) <= minuteOf(from) ? DAY_MINUTES : 0);
      return end <= WEEK_MINUTES
        ? [[begin, end]]
        : [
            [begin, WEEK_MINUTES],
            [0, end - WEEK_MINUTES],
          ];
    }),
  );
}

/** Spans without overlaps and gaps of nothing, in order. */
function merged(windows: HoursWindow[]): Span[] {
  return spansOf(windows)
    .toSorted(([a], [b]) => a - b)
    .reduce<Span[]>((all, [begin, end]) => {
      const last = all.at(-1);
      if (last && begin <= last[1]) last[1] = Math.max(last[1], end);
      else all.push([begin, end]);
      return all;
    }, []);
}
