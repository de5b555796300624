import type { Log } from '../src/cli/output.ts';
import type { Figures, Ratio } from './figures.ts';
import { STEPS } from './load.ts';
import { PROCESSES, type Window } from './window.ts';

/** One line per window as it ends, with what disturbed it. */
export function windowLine(window: Window, noisy: boolean): string {
  const { target, inFlight, round, lifecycles, seconds, stolen, others, errors } = window;
  const rate = `${(lifecycles / seconds).toFixed(1)}/s`;
  const disturbed = `stolen ${stolen.toFixed(1)} %, others ${others.toFixed(1)} %${noisy ? ', left out' : ''}`;
  const failed = errors.length > 0 ? `; ${errors.length} errors, the first: ${errors[0]}` : '';
  return `round ${round}  ${target.padEnd(8)} ${String(inFlight).padStart(3)} in flight  ${rate.padStart(8)}  (${disturbed})${failed}`;
}

/** Tables in Markdown, so that they can be pasted where they are wanted. */
export function printReport(log: Log, figures: Figures[], ratios: Ratio[]): void {
  log('\nLatency in ms, p50/p95/p99. Windows: those that count, and those left out as too disturbed.\n');
  table(
    log,
    ['target', 'in flight', 'lifecycles/s', ...STEPS, 'windows', 'errors'],
    figures.map(({ target, inFlight, lifecyclesPerSecond, latency, windows, noisy, onlyNoisy, errors }) => [
      target,
      inFlight,
      lifecyclesPerSecond.toFixed(1),
      ...STEPS.map((step) => [latency[step].p50, latency[step].p95, latency[step].p99].map(short).join('/')),
      `${windows}, ${noisy}${onlyNoisy ? ' (all too disturbed)' : ''}`,
      errors,
    ]),
  );
  log('\nCPU seconds per 1,000 lifecycles; per lifecycle: database transactions, those that wrote, KB of log.\n');
  table(
    log,
    ['target', 'in flight', ...PROCESSES, 'sum', 'transactions', 'writes', 'WAL KB'],
    figures.map(({ target, inFlight, cpu, database }) => [
      target,
      inFlight,
      ...[...PROCESSES.map((name) => cpu[name]), PROCESSES.reduce((sum, name) => sum + cpu[name], 0)].map(tenths),
      ...(database ? [database.transactions, database.writes, database.walKb].map(tenths) : ['–', '–', '–']),
    ]),
  );
  if (ratios.length === 0) return;
  log('\nRatios within the same round.\n');
  table(
    log,
    ['of', 'targets', 'in flight', 'median', 'rounds'],
    ratios.map(({ of, targets, inFlight, median, rounds }) => [
      of,
      targets.join(' / '),
      inFlight,
      median.toFixed(2),
      rounds.map((ratio) => ratio.toFixed(2)).join(', '),
    ]),
  );
}

const tenths = (value: number) => value.toFixed(1);

function table(log: Log, head: string[], rows: (string | number)[][]): void {
  log(`| ${head.join(' | ')} |`);
  log(`| ${head.map(() => '---').join(' | ')} |`);
  for (const row of rows) log(`| ${row.join(' | ')} |`);
}

function short(ms: number): string {
  return ms < 100 ? ms.toFixed(1) : ms.toFixed(0);
}
