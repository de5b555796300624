import { isoDay } from '../calendar.ts';
import type { Decision } from '../types.ts';
import type { Outcome } from './judge.ts';
import { BAD, GOOD, TRUTHS, type Truth } from './recorded.ts';
import {
  type Amounts,
  type ByDecision,
  type ByOutcome,
  type Changes,
  type Example,
  type RuleTally,
  type TallyState,
} from './tally.ts';

/**
 * Stopped: not approved at once. What could not be judged is neither stopped nor let through. `precision`: the part of
 * what is stopped, of what turned out good or bad, that was bad; `recall`: the part of the bad that is stopped. Both are
 * null where there is nothing to divide by.
 */
export interface Confusion {
  badStopped: number;
  badLetThrough: number;
  badUnjudged: number;
  goodStopped: number;
  goodLetThrough: number;
  goodUnjudged: number;
  precision: number | null;
  recall: number | null;
}

export interface Direction {
  from: Decision;
  to: Decision;
  decisions: number;
  amounts: Amounts;
}

export interface Comparison extends Omit<Changes, 'directions'> {
  directions: Direction[];
}

export interface RuleReport extends Omit<RuleTally, 'truths'> {
  rule: string;
  /** Of what it did not pass. */
  bad: number;
  good: number;
}

/** What a policy would have made of stored decisions. The same decisions give the same report, member by member. */
export interface BacktestReport extends Comparison {
  /** Of the period. */
  decisions: number;
  /** Of these, how many the policy was asked about. */
  sampled: number;
  /** What would have been decided live where it could not be judged, and for want of what. */
  unjudgedAsLive: ByDecision;
  unjudgedBecause: { rule: string; message: string; decisions: number }[];
  examples: Omit<Example, 'rank'>[];
  /** What became what, the unchanged included. */
  matrix: Record<Decision, ByOutcome>;
  /** What was decided and what would be, by what became known later. */
  truths: { truth: Truth; recorded: ByDecision; candidate: ByOutcome }[];
  confusion: { bad: Truth[]; good: Truth[]; recorded: Confusion; candidate: Confusion };
  rules: RuleReport[];
  /** UTC. */
  days: { day: string; recorded: ByDecision; candidate: ByOutcome }[];
  /** Beside the policy that was active when it was asked; `from` is what that one would decide. */
  active?: Comparison;
  /** Policies that were active when the decisions were made; null where there was none. */
  decidedBy: { policyId: string | null; decisions: number }[];
  riskModels: { version: string; decisions: number }[];
}

/** @param bad what should have been stopped; `captured` and `confirmed` are good unless they are named here */
export function reportOf(
  tally: TallyState,
  { bad = BAD, active = false }: { bad?: readonly Truth[]; active?: boolean },
): BacktestReport {
  const good = GOOD.filter((truth) => !bad.includes(truth));
  const sides = { bad: TRUTHS.filter((truth) => bad.includes(truth)), good };
  return {
    decisions: tally.decisions,
    sampled: tally.sampled,
    ...comparisonOf(tally.recorded),
    unjudgedAsLive: tally.asLive,
    unjudgedBecause: Object.values(tally.unjudgedBecause).sort(
      (a, b) => b.decisions - a.decisions || order(`${a.rule} ${a.message}`, `${b.rule} ${b.message}`),
    ),
    examples: Object.values(tally.examples)
      .flat()
      .sort((a, b) => a.atMs - b.atMs || order(a.id, b.id))
      .map(({ rank: _, ...example }) => example),
    matrix: tally.matrix,
    truths: TRUTHS.map((truth) => ({ truth, ...tally.truths[truth] })),
    confusion: {
      ...sides,
      recorded: confusionOf(tally, 'recorded', sides),
      candidate: confusionOf(tally, 'candidate', sides),
    },
    rules: Object.entries(tally.rules).map(([rule, { truths, ...counts }]) => ({
      rule,
      ...counts,
      amounts: sorted(counts.amounts),
      soleAmounts: sorted(counts.soleAmounts),
      bad: sides.bad.reduce((sum, truth) => sum + truths[truth], 0),
      good: sides.good.reduce((sum, truth) => sum + truths[truth], 0),
    })),
    days: Object.keys(tally.days)
      .map(Number)
      .sort((a, b) => a - b)
      .map((day) => ({ day: isoDay(day), ...tally.days[day]! })),
    ...(active ? { active: comparisonOf(tally.active) } : {}),
    decidedBy: ranking(tally.decidedBy).map(([id, decisions]) => ({ policyId: id === '' ? null : id, decisions })),
    riskModels: ranking(tally.riskModels).map(([version, decisions]) => ({ version, decisions })),
  };
}

function comparisonOf({ directions, ...counts }: Changes): Comparison {
  return {
    ...counts,
    directions: Object.entries(directions)
      .map(([key, { decisions, amounts }]) => {
        const [from, to] = key.split(' ') as [Decision, Decision];
        return { from, to, decisions, amounts: sorted(amounts) };
      })
      .sort((a, b) => b.decisions - a.decisions || order(`${a.from} ${a.to}`, `${b.from} ${b.to}`)),
  };
}

function confusionOf(
  { truths }: TallyState,
  side: 'recorded' | 'candidate',
  { bad, good }: { bad: Truth[]; good: Truth[] },
): Confusion {
  const total = (of: Truth[], outcomes: Outcome[]) =>
    of.reduce((sum, truth) => {
      const counts: Partial<ByOutcome> = truths[truth][side];
      return sum + outcomes.reduce((part, outcome) => part + (counts[outcome] ?? 0), 0);
    }, 0);
  const counts = (of: Truth[]) => ({
    stopped: total(of, ['challenge', 'review', 'deny']),
    letThrough: total(of, ['approved']),
    unjudged: total(of, ['unjudged']),
  });
  const [b, g] = [counts(bad), counts(good)];
  return {
    badStopped: b.stopped,
    badLetThrough: b.letThrough,
    badUnjudged: b.unjudged,
    goodStopped: g.stopped,
    goodLetThrough: g.letThrough,
    goodUnjudged: g.unjudged,
    precision: ratio(b.stopped, b.stopped + g.stopped),
    recall: ratio(b.stopped, b.stopped + b.letThrough + b.unjudged),
  };
}

/** Four decimals. */
function ratio(part: number, whole: number): number | null {
  return whole === 0 ? null : Math.round((part / whole) * 10_000) / 10_000;
}

function ranking(counts: Record<string, number>): [string, number][] {
  return Object.entries(counts).sort((a, b) => b[1] - a[1] || order(a[0], b[0]));
}

function sorted(amounts: Amounts): Amounts {
  return Object.fromEntries(Object.entries(amounts).sort(([a], [b]) => order(a, b)));
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
