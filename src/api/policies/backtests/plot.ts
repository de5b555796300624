import type { BacktestReport } from '../../../domain/backtest.ts';
import { bars } from './plot-days.ts';
import { matrix } from './plot-matrix.ts';
import { number, OUTCOMES } from './outcomes.ts';
import { box, element, escaped, label } from './svg.ts';

const WIDTH = 960;
const HEIGHT = 820;

/** The result of a backtest as one drawing (SVG 1.1) that needs nothing from elsewhere. */
export function plot(report: BacktestReport, { of, from, to }: { of: string; from: Date; to: Date }): string {
  const { changed, sampled, decisions, stricter, looser, unjudged } = report;
  const period = `${from.toISOString().slice(0, 10)} to ${to.toISOString().slice(0, 10)}`;
  const judged = sampled === decisions ? '' : `, judged in a sample of ${number(sampled)}`;
  const title = `Backtest of ${of}`;
  const what = `${period}: ${number(decisions)} decisions${judged}.`;
  const found =
    `${number(changed)} would change: ${number(stricter)} stricter, ${number(looser)} looser. ` +
    `${number(unjudged)} could not be judged.`;
  return element(
    'svg',
    {
      xmlns: 'http://www.w3.org/2000/svg',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      width: WIDTH,
      height: HEIGHT,
      role: 'img',
      'aria-labelledby': 'title desc',
      'font-family': 'system-ui, sans-serif',
    },
    element('title', { id: 'title' }, escaped(title)),
    element('desc', { id: 'desc' }, escaped(`${what} ${found}`)),
    box(0, 0, WIDTH, HEIGHT, '#ffffff'),
    label(cut(title, 70), 40, 44, { 'font-size': 22, 'font-weight': 600 }),
    label(what, 40, 70, { fill: '#444444' }),
    label(found, 40, 90, { fill: '#444444' }),
    legend(),
    bars(report.days, { x: 40, y: 150, width: WIDTH - 80, height: 270 }),
    matrix(report.matrix, { x: 40, y: 480, width: WIDTH - 80, height: 300 }),
  );
}

function legend(): string {
  return OUTCOMES.map(({ name, colour }, i) => {
    const x = 40 + i * 125;
    return box(x, 108, 14, 14, colour) + label(name, x + 20, 120);
  }).join('');
}

function cut(text: string, most: number): string {
  const characters = Array.from(text);
  return characters.length <= most ? text : `${characters.slice(0, most - 1).join('')}…`;
}
