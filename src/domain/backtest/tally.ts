import type { Explanation } from '../policy.ts';
import type { Decision, Intent } from '../types.ts';
import { STRICTNESS, type Judged, type Outcome } from './judge.ts';
import { rankOf } from './rank.ts';
import { TRUTHS, type RecordedDecision, type Truth } from './recorded.ts';

/** Examples of one direction of change. */
const MOST_EXAMPLES = 20;
/** Reasons that are told apart why something could not be judged, and policies that decided. */
const MOST_NAMED = 100;
const OTHERS = 'others';
const DAY_MS = 86_400_000;

export type ByDecision = Record<Decision, number>;
export type ByOutcome = Record<Outcome, number>;
/** Minor units by currency. */
export type Amounts = Record<string, number>;

export interface Example {
  id: string;
  atMs: number;
  from: Decision;
  to: Outcome;
  truth: Truth;
  amountMinor: number;
  currency: string;
  because: Explanation[];
  /** What it drew: the lowest are kept. */
  rank: number;
}

/** Decisions that came out otherwise, by `<from> <to>`. */
export interface Changes {
  changed: number;
  stricter: number;
  looser: number;
  unjudged: number;
  directions: Record<string, { decisions: number; amounts: Amounts }>;
}

export interface RuleTally {
  passed: number;
  failed: number;
  errors: number;
  /** Decisions that came out otherwise where it did not pass. */
  changed: number;
  /** Decisions that are as strict as they are because of it alone. */
  sole: number;
  /** What it did not pass, and what it alone stopped or asked about. */
  amounts: Amounts;
  soleAmounts: Amounts;
  /** What it did not pass, by what became known. */
  truths: Record<Truth, number>;
}

/** Everything counted so far: plain data, bounded by directions, rules, days and the numbers above. */
export interface TallyState {
  /** Of the period; those judged are `sampled`. */
  decisions: number;
  sampled: number;
  recorded: Changes;
  /** Beside the active policy. */
  active: Changes;
  asLive: ByDecision;
  unjudgedBecause: Record<string, { rule: string; message: string; decisions: number }>;
  examples: Record<string, Example[]>;
  /** What became what. */
  matrix: Record<Decision, ByOutcome>;
  truths: Record<Truth, { recorded: ByDecision; candidate: ByOutcome }>;
  rules: Record<string, RuleTally>;
  /** By days since 1970, UTC. */
  days: Record<string, { recorded: ByDecision; candidate: ByOutcome }>;
  decidedBy: Record<string, number>;
  riskModels: Record<string, number>;
}

export function emptyTally(): TallyState {
  return {
    decisions: 0,
    sampled: 0,
    recorded: noChanges(),
    active: noChanges(),
    asLive: byDecision(),
    unjudgedBecause: {},
    examples: {},
    matrix: { approved: byOutcome(), challenge: byOutcome(), review: byOutcome(), deny: byOutcome() },
    truths: Object.fromEntries(
      TRUTHS.map((truth) => [truth, { recorded: byDecision(), candidate: byOutcome() }]),
    ) as TallyState['truths'],
    rules: {},
    days: {},
    decidedBy: {},
    riskModels: {},
  };
}

/** Counts one decision of the sample. @param active what the active policy makes of it, where that is asked */
export function count(
  tally: TallyState,
  recorded: RecordedDecision,
  candidate: Judged,
  active: Judged | undefined,
  seed: string,
): void {
  const { decision: from, truth, intent, atMs } = recorded;
  const { outcome: to, explanations } = candidate;
  tally.sampled++;
  tally.matrix[from][to]++;
  tally.truths[truth].recorded[from]++;
  tally.truths[truth].candidate[to]++;
  const day = (tally.days[Math.floor(atMs / DAY_MS)] ??= { recorded: byDecision(), candidate: byOutcome() });
  day.recorded[from]++;
  day.candidate[to]++;
  add(tally.decidedBy, named(tally.decidedBy, recorded.policyId ?? ''), 1);
  add(tally.riskModels, named(tally.riskModels, recorded.risk.modelVersion), 1);
  for (const explanation of explanations) countRule(tally, explanation, candidate, recorded);
  compare(tally.recorded, from, to, intent);
  if (active) compare(tally.active, active.outcome, to, intent);
  if (to === 'unjudged') {
    tally.asLive[candidate.asLive]++;
    for (const { rule, message } of explanations.filter(({ outcome }) => outcome === 'error')) {
      const key = named(tally.unjudgedBecause, `${rule} ${message}`);
      (tally.unjudgedBecause[key] ??=
        key === OTHERS ? { rule: OTHERS, message: '', decisions: 0 } : { rule, message, decisions: 0 }).decisions++;
    }
  }
  if (to !== from) keepExample(tally, recorded, candidate, seed);
}

function compare(changes: Changes, from: Outcome, to: Outcome, intent: Intent): void {
  if (from === 'unjudged' || to === 'unjudged') {
    changes.unjudged++;
    return;
  }
  if (from === to) return;
  changes.changed++;
  if (STRICTNESS.indexOf(to) > STRICTNESS.indexOf(from)) changes.stricter++;
  else changes.looser++;
  const direction = (changes.directions[`${from} ${to}`] ??= { decisions: 0, amounts: {} });
  direction.decisions++;
  add(direction.amounts, intent.currency, intent.amountMinor);
}

function countRule(
  tally: TallyState,
  { rule, outcome }: Explanation,
  { outcome: to, sole }: Judged,
  { decision: from, truth, intent }: RecordedDecision,
): void {
  const found = (tally.rules[rule] ??= {
    passed: 0,
    failed: 0,
    errors: 0,
    changed: 0,
    sole: 0,
    amounts: {},
    soleAmounts: {},
    truths: Object.fromEntries(TRUTHS.map((one) => [one, 0])) as Record<Truth, number>,
  });
  if (outcome === 'pass') {
    found.passed++;
    return;
  }
  if (outcome === 'fail') found.failed++;
  else found.errors++;
  if (from !== to && to !== 'unjudged') found.changed++;
  found.truths[truth]++;
  add(found.amounts, intent.currency, intent.amountMinor);
  if (sole !== rule || to === 'unjudged') return;
  found.sole++;
  add(found.soleAmounts, intent.currency, intent.amountMinor);
}

/** Those that drew the lowest: spread over the whole period, and the same however the stream was cut. */
function keepExample(
  tally: TallyState,
  recorded: RecordedDecision,
  { outcome: to, explanations }: Judged,
  seed: string,
) {
  const { id, atMs, decision: from, truth, intent } = recorded;
  const kept = (tally.examples[`${from} ${to}`] ??= []);
  const rank = rankOf(seed, id);
  if (kept.length >= MOST_EXAMPLES && rank >= kept.at(-1)!.rank) return;
  const because = explanations.filter(({ outcome }) => outcome !== 'pass').slice(0, MOST_EXAMPLES);
  kept.push({ id, atMs, from, to, truth, amountMinor: intent.amountMinor, currency: intent.currency, because, rank });
  kept.sort((a, b) => a.rank - b.rank || (a.id < b.id ? -1 : 1));
  if (kept.length > MOST_EXAMPLES) kept.pop();
}

function add(sums: Record<string, number>, key: string, by: number): void {
  sums[key] = (sums[key] ?? 0) + by;
}

/** The key, while there is room for another name. */
function named(names: Record<string, unknown>, key: string): string {
  return Object.hasOwn(names, key) || Object.keys(names).length < MOST_NAMED ? key : OTHERS;
}

function noChanges(): Changes {
  return { changed: 0, stricter: 0, looser: 0, unjudged: 0, directions: {} };
}

export function byDecision(): ByDecision {
  return { approved: 0, challenge: 0, review: 0, deny: 0 };
}

export function byOutcome(): ByOutcome {
  return { approved: 0, challenge: 0, review: 0, deny: 0, unjudged: 0 };
}
