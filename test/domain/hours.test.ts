import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAYS, hoursInside, intersectHours, openMinutes, withinHours } from '../../src/domain/scope/hours.ts';
import type { Clocks, Day, Hours, HoursWindow } from '../../src/domain/scope/hours.ts';
import { clocksAt } from '../../src/store/executions/clocks.ts';
import { someClocks, someHours } from './arbitraries.ts';

const at = (day: Day, time: string): Clocks => ({
  UTC: { day, minute: Number(time.slice(0, 2)) * 60 + Number(time.slice(3)) },
});
const utc = (from: string, to: string, days?: Day[]): HoursWindow => ({
  from,
  to,
  timeZone: 'UTC',
  ...(days && { days }),
});

describe('hours', () => {
  it('begin at their first minute and end before their last', () => {
    const hours: Hours = [[utc('09:00', '17:30', ['mon'])]];
    expect(withinHours(hours, at('mon', '09:00'))).toBe(true);
    expect(withinHours(hours, at('mon', '17:29'))).toBe(true);
    expect(withinHours(hours, at('mon', '17:30'))).toBe(false);
    expect(withinHours(hours, at('mon', '08:59'))).toBe(false);
    expect(withinHours(hours, at('tue', '09:00'))).toBe(false);
  });

  it('pass midnight with the day on which they begin, and Sunday into Monday', () => {
    const hours: Hours = [[utc('22:00', '06:00', ['fri', 'sun'])]];
    const open = DAYS.flatMap((day) =>
      ['05:59', '06:00', '22:00'].filter((time) => withinHours(hours, at(day, time))).map((time) => `${day} ${time}`),
    );
    expect(open).toEqual(['mon 05:59', 'fri 22:00', 'sat 05:59', 'sun 22:00']);
  });

  it('may end with the day', () => {
    expect(withinHours([[utc('18:00', '24:00')]], at('wed', '23:59'))).toBe(true);
    expect(withinHours([[utc('18:00', '24:00')]], at('wed', '00:00'))).toBe(false);
    expect(openMinutes([[utc('00:00', '24:00')]])).toBe(7 * 1440);
  });

  it('follow daylight saving: the same instant of the day is inside in summer and outside in winter', () => {
    const hours: Hours = [[{ from: '09:00', to: '10:00', timeZone: 'Europe/Berlin' }]];
    const open = (iso: string) => withinHours(hours, clocksAt(new Date(iso), ['Europe/Berlin']));
    expect(open('2026-07-01T07:30:00Z')).toBe(true);
    expect(open('2026-12-01T07:30:00Z')).toBe(false);
    expect(open('2026-12-01T08:30:00Z')).toBe(true);
  });

  it('cover nothing in a zone that is not known here', () => {
    const hours: Hours = [[{ from: '00:00', to: '24:00', timeZone: 'Mars/Olympus' }]];
    expect(withinHours(hours, clocksAt(new Date(), ['Mars/Olympus']))).toBe(false);
    expect(withinHours([[{ from: '00:00', to: '24:00', timeZone: 'toString' }]], {})).toBe(false);
  });

  it('lie inside two windows that follow one another, and inside a whole week of any zone', () => {
    const halves: Hours = [[utc('00:00', '12:00'), utc('12:00', '18:00')]];
    expect(hoursInside([[utc('09:00', '17:00')]], halves)).toBe(true);
    expect(hoursInside([[utc('09:00', '18:01')]], halves)).toBe(false);
    const week: Hours = [[{ from: '00:00', to: '24:00', timeZone: 'Asia/Tokyo' }]];
    expect(hoursInside([[utc('09:00', '17:00')]], week)).toBe(true);
    expect(hoursInside(undefined, week)).toBe(true);
    expect(hoursInside(undefined, halves)).toBe(false);
  });

  it('in common are one list when one of two lies inside the other', () => {
    const day: Hours = [[utc('08:00', '20:00')]];
    const noon: Hours = [[utc('11:00', '13:00')]];
    expect(intersectHours(day, noon)).toEqual(noon);
    expect(intersectHours(noon, day)).toEqual(noon);
    const berlin: Hours = [[{ from: '11:00', to: '13:00', timeZone: 'Europe/Berlin' }]];
    expect(intersectHours(day, berlin)).toEqual([...day, ...berlin]);
  });

  it('inside others are open only while those are, whatever the date', () => {
    let met = 0;
    fc.assert(
      fc.property(someHours, someHours, someClocks, (parent, child, clocks) => {
        for (const inner of [child, intersectHours(parent, child)!]) {
          if (!hoursInside(inner, parent) || !withinHours(inner, clocks)) continue;
          met += 1;
          expect(withinHours(parent, clocks)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
    expect(met).toBeGreaterThan(50);
  });
});
