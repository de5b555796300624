import type { Log } from '../src/cli/output.ts';
import { total } from './disorder.ts';
import type { Report } from './run.ts';

const FAULTS_SHOWN = 5;
/** Deeds this long before and after a payment's history are shown with it. */
const AROUND_MS = 5_000;

export function printReport(report: Report, log: Log): void {
  const { seed, lifecycles, requests, insisted, kills, own_ends, journey_errors, properties, history, folder } = report;
  const killed = Object.entries(kills).map(([name, count]) => `${name} ${count}`);
  log('');
  log(`seed ${seed}: ${lifecycles} lifecycles, ${requests} requests (${insisted} asked more than once)`);
  log(`${total(kills)} kills: ${killed.join(', ')}`);
  for (const end of own_ends) log(`! ended by itself: ${end}`);
  for (const error of journey_errors.slice(0, FAULTS_SHOWN)) log(`! journey: ${error}`);
  log('');
  for (const { kind, name, seen, ok, faults } of properties) {
    log(`${ok ? '✓' : '✗'} ${kind} ${name} (${seen})`);
    for (const { message, payment } of faults.slice(0, FAULTS_SHOWN)) {
      log(`    ${payment ? `${payment}: ` : ''}${message.slice(0, 1_000)}`);
    }
    if (faults.length > FAULTS_SHOWN) log(`    and ${faults.length - FAULTS_SHOWN} more`);
  }
  if (history) {
    const { payment, lines, deeds } = history;
    const from = Date.parse(lines[0]?.at ?? '') - AROUND_MS;
    const to = Date.parse(lines.at(-1)?.at ?? '') + AROUND_MS;
    const around = deeds
      .filter(({ at }) => Date.parse(at) >= from && Date.parse(at) <= to)
      .map(({ at, what }) => ({ at, source: 'disorder', what }));
    log('');
    log(`The history of ${payment}:`);
    for (const { at, source, what } of [...lines, ...around].toSorted((a, b) => (a.at < b.at ? -1 : 1))) {
      log(`  ${at} ${source.padEnd(9)} ${what.slice(0, 600)}`);
    }
  }
  log('');
  log(
    report.ok
      ? 'Every property holds.'
      : `Violated. Again: npm run chaos -- --seed ${seed} --minutes ${report.minutes}`,
  );
  if (folder) log(`Data and logs: ${folder}`);
}
