import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addMonths, dayOf, isoDay, readSpan } from '../../src/domain/calendar.ts';
import { isDue, isFrequency, type Frequency } from '../../src/domain/mandates/recurrence.ts';

const at = (text: string) => Date.parse(text) / 1000;
const someMoment = fc.date({ min: new Date('0001-01-01'), max: new Date('9998-12-31'), noInvalidDate: true });

describe('a day', () => {
  it('is written as the host writes it', () => {
    fc.assert(
      fc.property(someMoment, (moment) => {
        expect(isoDay(dayOf(moment.getTime() / 1000))).toBe(moment.toISOString().slice(0, 10));
      }),
    );
  });
});

describe('a time in a mandate', () => {
  it('is the moment that the host reads too', () => {
    fc.assert(
      fc.property(someMoment, (moment) => {
        expect(readSpan(moment.toISOString())?.from).toBeCloseTo(moment.getTime() / 1000, 3);
      }),
    );
    expect(readSpan('2026-03-01T00:30:00+01:00')).toEqual({
      from: at('2026-02-28T23:30:00Z'),
      to: at('2026-02-28T23:30:00Z'),
    });
    expect(readSpan('2026-03-01T00:30-02:30')?.from).toBe(at('2026-03-01T03:00:00Z'));
  });

  it('is a whole UTC day where only a date is given', () => {
    const { from, to } = readSpan('2024-02-29')!;
    expect(from).toBe(at('2024-02-29T00:00:00Z'));
    expect(dayOf(to)).toBe(dayOf(from));
    expect(to).toBeGreaterThan(at('2024-02-29T23:59:59Z'));
  });

  it.each([
    '2026-02-29',
    '2100-02-29',
    '2026-13-01',
    '2026-00-01',
    '2026-01-00',
    '2026-04-31',
    '2026-01-01T24:00:00Z',
    '2026-01-01T00:60Z',
  ])('%s does not exist', (text) => expect(readSpan(text)).toBeUndefined());

  it.each(['2026-01-01T00:00:00', '20260101', 'tomorrow', '2026-01-01T00:00:00+25:00', ' 2026-01-01', '', 5, null])(
    '%s is not one',
    (text) => expect(readSpan(text)).toBeUndefined(),
  );
});

describe('months', () => {
  it('are added as a calendar does it', () => {
    fc.assert(
      fc.property(someMoment, fc.integer({ min: 0, max: 40 }), (moment, months) => {
        const [year, month, day] = [moment.getUTCFullYear(), moment.getUTCMonth(), moment.getUTCDate()];
        const ends = new Date(0);
        ends.setUTCFullYear(year, month + months + 1, 0);
        const expected = new Date(0);
        expected.setUTCFullYear(year, month + months, Math.min(day, ends.getUTCDate()));
        expect(addMonths(dayOf(moment.getTime() / 1000), months)).toBe(dayOf(expected.getTime() / 1000));
      }),
    );
  });
});

describe('a recurrence', () => {
  const cases: [frequency: Frequency, last: string, tooEarly: string | undefined, due: string][] = [
    ['ON_DEMAND', '2026-01-31T12:00:00Z', undefined, '2026-01-31T12:00:00Z'],
    ['DAILY', '2026-01-31T23:59:59Z', '2026-01-31T23:59:59Z', '2026-02-01T00:00:00Z'],
    ['WEEKLY', '2026-01-31T12:00:00Z', '2026-02-06T23:59:59Z', '2026-02-07T00:00:00Z'],
    ['BIWEEKLY', '2026-01-31T12:00:00Z', '2026-02-13T23:59:59Z', '2026-02-14T00:00:00Z'],
    ['MONTHLY', '2026-01-31T12:00:00Z', '2026-02-27T23:59:59Z', '2026-02-28T00:00:00Z'],
    ['QUARTERLY', '2025-11-30T12:00:00Z', '2026-02-27T23:59:59Z', '2026-02-28T00:00:00Z'],
    ['ANNUALLY', '2024-02-29T12:00:00Z', '2025-02-27T23:59:59Z', '2025-02-28T00:00:00Z'],
  ];

  it.each(cases)('%s after %s is not due at %s, and due at %s', (frequency, last, tooEarly, due) => {
    expect(tooEarly !== undefined && isDue(frequency, at(last), at(tooEarly))).toBe(false);
    expect(isDue(frequency, at(last), at(due))).toBe(true);
  });

  it('is one of those that the schema lists', () => {
    expect(['HOURLY', 'daily', '', undefined, 'toString'].some(isFrequency)).toBe(false);
  });
});
