import type { BacktestReport, ByOutcome } from '../../../domain/backtest.ts';
import { number, OUTCOMES } from './outcomes.ts';
import { box, element, label, titled } from './svg.ts';

export interface Place {
  x: number;
  y: number;
  width: number;
  height: number;
}

const DAY_MS = 86_400_000;
const MOST_BARS = 45;
/** Days of one bar: what people count in. */
const WIDTHS = [1, 7, 28, 91, 364, 3_640];
const LABELS = 8;

interface Bar {
  from: string;
  recorded: ByOutcome;
  candidate: ByOutcome;
}

/** Two stacked bars for each day, or for some days together: what was decided on the left, what would be on the right. */
export function bars(days: BacktestReport['days'], { x, y, width, height }: Place): string {
  const { list, daysEach } = barsOf(days);
  const highest = Math.max(1, ...list.flatMap(({ recorded, candidate }) => [sum(recorded), sum(candidate)]));
  const step = niceStep(highest / 4);
  const top = step * Math.ceil(highest / step);
  const left = x + 60;
  const room = width - 60;
  const floor = y + height;
  const chart = height - 40;
  const yOf = (value: number) => floor - (value / top) * chart;
  const each = daysEach === 1 ? 'day' : `${daysEach} days`;
  const heading = `Decisions by ${each} (UTC): left as decided, right as the rules would decide`;
  const lines = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step).map(
    (value) =>
      element('line', { x1: left, x2: left + room, y1: yOf(value), y2: yOf(value), stroke: '#d9d9d9' }) +
      label(number(value), left - 8, yOf(value) + 5, { 'text-anchor': 'end' }),
  );
  const slot = room / Math.max(1, list.length);
  const thick = Math.min(36, slot * 0.36);
  const every = Math.ceil(list.length / LABELS);
  const drawn = list.map((bar, i) => {
    const middle = left + slot * (i + 0.5);
    const text =
      i % every === 0 ? label(bar.from, middle, floor + 20, { 'text-anchor': 'middle', 'font-size': 13 }) : '';
    return (
      stack(`${bar.from}, as decided`, bar.recorded, middle - thick - 1, thick, yOf) +
      stack(`${bar.from}, with these rules`, bar.candidate, middle + 1, thick, yOf) +
      text
    );
  });
  const nothing =
    list.length === 0
      ? label('No decisions in this time', left + room / 2, y + height / 2, { 'text-anchor': 'middle' })
      : '';
  return label(heading, x, y + 12, { 'font-weight': 600 }) + lines.join('') + drawn.join('') + nothing;
}

function stack(what: string, counts: ByOutcome, x: number, width: number, yOf: (value: number) => number): string {
  let below = 0;
  const parts = OUTCOMES.filter(({ outcome }) => counts[outcome] > 0);
  const boxes = parts.map(({ outcome, colour }) => {
    const [low, high] = [yOf(below), yOf((below += counts[outcome]))];
    return box(x, high, width, low - high, colour);
  });
  return titled(
    `${what}: ${parts.map(({ outcome, name }) => `${number(counts[outcome])} ${name}`).join(', ')}`,
    ...boxes,
  );
}

/** Every day between the first and the last has its place, also one without decisions. */
function barsOf(days: BacktestReport['days']): { list: Bar[]; daysEach: number } {
  if (days.length === 0) return { list: [], daysEach: 1 };
  const dayOf = (day: string) => Date.parse(day) / DAY_MS;
  const first = dayOf(days[0]!.day);
  const span = dayOf(days.at(-1)!.day) - first + 1;
  const daysEach = WIDTHS.find((width) => span / width <= MOST_BARS) ?? WIDTHS.at(-1)!;
  const list = Array.from({ length: Math.ceil(span / daysEach) }, (_, i): Bar => {
    const from = new Date((first + i * daysEach) * DAY_MS).toISOString().slice(0, 10);
    return { from, recorded: nothing(), candidate: nothing() };
  });
  for (const { day, recorded, candidate } of days) {
    const bar = list[Math.floor((dayOf(day) - first) / daysEach)]!;
    for (const { outcome } of OUTCOMES) {
      bar.candidate[outcome] += candidate[outcome];
      if (outcome !== 'unjudged') bar.recorded[outcome] += recorded[outcome];
    }
  }
  return { list, daysEach };
}

function nothing(): ByOutcome {
  return { approved: 0, challenge: 0, review: 0, deny: 0, unjudged: 0 };
}

function sum(counts: ByOutcome): number {
  return OUTCOMES.reduce((total, { outcome }) => total + counts[outcome], 0);
}

/** 1, 2 or 5 times a power of ten, and whole. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return Math.max(
    1,
    [1, 2, 5, 10].map((times) => times * power).find((step) => step >= least)!,
  );
}
