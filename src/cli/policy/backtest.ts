import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiAccess } from '../api-access.ts';
import { CommandError, logTo, needing } from '../output.ts';
import { progressTo } from './progress.ts';

export interface BacktestOptions {
  rules?: object;
  from?: string;
  to?: string;
  sample?: number;
  seed?: string;
  plot?: string;
  wait: boolean;
  json?: boolean;
}

type Counts = Record<string, number>;

interface Comparison {
  changed: number;
  stricter: number;
  looser: number;
  unjudged: number;
  directions: { from: string; to: string; decisions: number; amounts: { currency: string; amount: number }[] }[];
}

/** The part of the answer that is printed for people. */
interface Backtest {
  backtest_id: string;
  status: string;
  failure: string | null;
  from: string;
  to: string;
  progress: { done: number; total: number | null; percent: number };
  result:
    | (Comparison & {
        decisions: number;
        sampled: number;
        against_active: Comparison | null;
        unjudged_because: { rule: string; message: string; decisions: number }[];
        confusion: Record<'recorded' | 'candidate', { precision: number | null; recall: number | null } & Counts>;
        rules: { rule: string; failed: number; errors: number; sole: number; bad: number; good: number }[];
      })
    | null;
}

const EVERY_MS = 500;

/** @param policy pol_…; absent when the options hold rules */
export async function backtest(policy: string | undefined, options: BacktestOptions): Promise<void> {
  const { rules, from, to, sample, seed, json = false } = options;
  const api = apiAccess();
  const asked = { from, to, sample, seed, rules };
  const path = policy ? `/v1/policies/${policy}/backtest` : '/v1/policies/backtest';
  let { body: it } = await api.post<Backtest>(path, asked, [202]);
  const log = logTo(json);
  const at = `/v1/policies/backtests/${it.backtest_id}`;
  if (options.wait) {
    const progress = progressTo(process.stderr);
    for (; it.status === 'queued' || it.status === 'running'; await sleep(EVERY_MS)) {
      it = await api.get<Backtest>(at);
      progress.show(it.progress);
    }
    progress.end();
  }
  if (json) process.stdout.write(`${JSON.stringify(it)}\n`);
  else if (!options.wait) log(`${it.backtest_id} has begun: GET ${at} tells how far it is.`);
  else for (const line of linesOf(it)) log(line);
  // Last: the result is told whatever becomes of the drawing.
  if (options.plot !== undefined && it.status === 'completed') {
    const drawing = await api.text(`${at}/plot`);
    await needing(`${options.plot} cannot be written`, `The drawing is at GET ${at}/plot.`, () =>
      writeFile(options.plot!, drawing),
    );
  }
  if (it.status === 'failed' || it.status === 'cancelled') {
    throw new CommandError(`The backtest ${it.status === 'failed' ? `failed: ${it.failure}` : 'was cancelled.'}`);
  }
}

function linesOf({ backtest_id, from, to, result }: Backtest): string[] {
  if (!result) return [];
  const { decisions, sampled, against_active: active, unjudged_because: because, confusion, rules } = result;
  return [
    `${backtest_id}: ${decisions} decisions from ${from} to ${to}${sampled === decisions ? '' : `, ${sampled} judged`}`,
    ...changesOf('as they were decided', result),
    ...(active ? changesOf('the active policy', active) : []),
    ...(because.length > 0 ? ['could not be judged, and would be stopped live:'] : []),
    ...because.map(({ rule, message, decisions: n }) => `  ${n} × ${rule}: ${message}`),
    `precision ${percent(confusion.recorded.precision)} → ${percent(confusion.candidate.precision)}, ` +
      `recall ${percent(confusion.recorded.recall)} → ${percent(confusion.candidate.recall)}`,
    'rule: did not hold (alone to blame; turned out bad, good)',
    ...rules.map(
      ({ rule, failed, errors, sole, bad, good }) => `  ${rule}: ${failed + errors} (${sole}; ${bad}, ${good})`,
    ),
  ];
}

function changesOf(beside: string, { changed, stricter, looser, directions }: Comparison): string[] {
  return [
    `beside ${beside}: ${changed} change, ${stricter} stricter, ${looser} looser`,
    ...directions.map(({ from, to, decisions, amounts }) => {
      const sums = amounts.map(({ currency, amount }) => `${amount} ${currency}`).join(', ');
      return `  ${from} → ${to}: ${decisions} (${sums})`;
    }),
  ];
}

function percent(part: number | null): string {
  return part === null ? '–' : `${(part * 100).toFixed(1)} %`;
}
