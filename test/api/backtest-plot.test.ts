import { describe, expect, it } from 'vitest';
import { bars } from '../../src/api/policies/backtests/plot-days.ts';
import { plot } from '../../src/api/policies/backtests/plot.ts';
import { createBacktest } from '../../src/domain/backtest.ts';

const PLACE = { x: 0, y: 0, width: 800, height: 200 };
const some = { challenge: 0, review: 0, deny: 0 };

/** So many days, with ten decisions each. */
const daysOf = (n: number) =>
  Array.from({ length: n }, (_, i) => ({
    day: new Date(Date.UTC(2023, 0, 1 + i)).toISOString().slice(0, 10),
    recorded: { ...some, approved: 10 },
    candidate: { ...some, approved: 6, deny: 3, unjudged: 1 },
  }));

/** What the titles of the bars say, in all. */
function told(svg: string, what: RegExp): number {
  return [...svg.matchAll(what)].reduce((sum, [, digits]) => sum + Number(digits!.replaceAll(',', '')), 0);
}

describe('the drawing of a backtest', () => {
  it.each([
    [1, 1, 'day'],
    [45, 45, 'day'],
    [46, 7, '7 days'],
    [1_000, 36, '28 days'],
  ])('has of %i days %i pairs of bars, one for each %s, and loses no decision', (days, pairs, each) => {
    const svg = bars(daysOf(days), PLACE);
    expect(svg).toContain(`Decisions by ${each} (UTC)`);
    expect(svg.match(/, as decided/g)).toHaveLength(pairs);
    expect(told(svg, /as decided: ([\d,]+) approved/g)).toBe(days * 10);
    expect(told(svg, /with these rules: ([\d,]+) approved/g)).toBe(days * 6);
    expect(told(svg, /([\d,]+) not judged/g)).toBe(days);
  });

  it('says in words what it shows, and keeps a day without decisions in its place', () => {
    const backtest = createBacktest({ candidate: { rules: {}, facts: [], seen: false } }, {});
    const svg = plot(backtest.report(), { of: 'x', from: new Date(0), to: new Date(86_400_000) });
    expect(svg).toMatch(/^<svg [^>]*role="img" aria-labelledby="title desc"/);
    expect(svg).toContain('<title id="title">Backtest of x</title>');
    expect(svg).toContain('0 decisions. 0 would change: 0 stricter, 0 looser. 0 could not be judged.</desc>');
    const [first, , third] = daysOf(3);
    expect(bars([first!, third!], PLACE).match(/, as decided/g)).toHaveLength(3);
  });
});
