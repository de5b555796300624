import type { BacktestReport } from '../../../domain/backtest.ts';
import type { Place } from './plot-days.ts';
import { number, OUTCOMES } from './outcomes.ts';
import { box, label, titled } from './svg.ts';

const ROW_LABELS = 130;
/** Of two hues that are told apart without red and green; the text on them stays dark. */
const STRICTER = '213, 94, 0';
const LOOSER = '0, 114, 178';
const SAME = '120, 120, 120';

/** What became what: rows as decided, columns as the rules would decide, the number in words of digits in each field. */
export function matrix(counts: BacktestReport['matrix'], { x, y, width, height }: Place): string {
  const rows = OUTCOMES.filter(({ outcome }) => outcome !== 'unjudged');
  const field = { width: (width - ROW_LABELS) / OUTCOMES.length, height: (height - 70) / rows.length };
  const heading = 'What became what: rows as decided, columns as the rules would decide';
  const columns = OUTCOMES.map(({ name }, i) =>
    label(name, x + ROW_LABELS + field.width * (i + 0.5), y + 44, { 'text-anchor': 'middle' }),
  );
  const all = rows.flatMap((row) =>
    OUTCOMES.map((column) => counts[row.outcome as keyof typeof counts][column.outcome]),
  );
  const total = Math.max(1, ...all);
  const fields = rows.flatMap((row, i) => {
    const top = y + 56 + field.height * i;
    return [
      label(row.name, x + ROW_LABELS - 12, top + field.height / 2 + 5, { 'text-anchor': 'end' }),
      ...OUTCOMES.map((column, j) => {
        const left = x + ROW_LABELS + field.width * j;
        const decisions = counts[row.outcome as keyof typeof counts][column.outcome];
        const direction = column.outcome === 'unjudged' || i === j ? SAME : j > i ? STRICTER : LOOSER;
        // The root, so that a few changes among many decisions are seen.
        const part = decisions === 0 ? 0 : 0.12 + 0.5 * Math.sqrt(decisions / total);
        const look = { 'fill-opacity': Math.round(part * 100) / 100, stroke: '#b3b3b3' };
        return titled(
          `${row.name} became ${column.name}: ${number(decisions)}`,
          box(left + 2, top + 2, field.width - 4, field.height - 4, `rgb(${direction})`, look),
          label(number(decisions), left + field.width / 2, top + field.height / 2 + 6, {
            'text-anchor': 'middle',
            'font-size': 17,
            ...(decisions === 0 ? { fill: '#767676' } : { 'font-weight': 600 }),
          }),
        );
      }),
    ];
  });
  const legend = label(
    'orange: stricter, blue: looser, grey: unchanged or not judged',
    x + ROW_LABELS,
    y + height + 8,
    {
      fill: '#444444',
    },
  );
  return label(heading, x, y + 12, { 'font-weight': 600 }) + columns.join('') + fields.join('') + legend;
}
