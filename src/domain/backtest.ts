import { BAD, GOOD, TRUTHS, type RecordedDecision, type Truth } from './backtest/recorded.ts';
import { createReplay } from './backtest/replay.ts';
import { decide } from './decide.ts';
import { evaluateRules, type Explanation, type HistoryFact, type PolicyRules, type PolicyTools } from './policy.ts';
import type { Decision } from './types.ts';

export type { RecordedDecision, Truth } from './backtest/recorded.ts';

/** Examples of one direction of change. */
const MOST_EXAMPLES = 20;

type ByDecision = Record<Decision, number>;

/** Stopped: not approved at once. Bad: disputed or rejected; good: confirmed, or captured and not heard of again. */
export interface Confusion {
  badStopped: number;
  badLetThrough: number;
  goodStopped: number;
  goodLetThrough: number;
}

export interface BacktestReport {
  decisions: number;
  changed: number;
  stricter: number;
  looser: number;
  /** Amounts are minor units by currency. */
  directions: { from: Decision; to: Decision; decisions: number; amounts: Record<string, number> }[];
  examples: { id: string; from: Decision; to: Decision; truth: Truth; because: Explanation[] }[];
  /** What was decided and what would be, by what became known later. */
  truths: Record<Truth, { recorded: ByDecision; candidate: ByDecision }>;
  confusion: { recorded: Confusion; candidate: Confusion };
  /** `changed`: decisions that came out otherwise where the rule did not pass. */
  rules: { rule: string; passed: number; failed: number; errors: number; changed: number; bad: number; good: number }[];
}

export interface Backtest {
  /** Decisions come in the order of their times. */
  add(recorded: RecordedDecision): void;
  report(): BacktestReport;
}

const STRICTNESS: readonly Decision[] = ['approved', 'challenge', 'review', 'deny'];

/**
 * What these rules would have made of decisions that were made: who, what and how risky stay as they were, the policy
 * is asked anew over the past as it was then. Streaming: nothing is kept of a decision but counts, the first examples,
 * and what the rules' windows still need.
 */
export function createBacktest(rules: PolicyRules, facts: HistoryFact[], tools: Partial<PolicyTools>): Backtest {
  const replay = createReplay(rules, facts);
  const tally = createTally();
  return {
    add(recorded) {
      const explanations = explain(rules, recorded, replay.next(recorded), tools);
      tally.count(recorded, decideAgain(recorded, explanations), explanations);
    },
    report: tally.report,
  };
}

function explain(
  rules: PolicyRules,
  { intent, context, agent, principal, atMs }: RecordedDecision,
  past: ReturnType<ReturnType<typeof createReplay>['next']>,
  tools: Partial<PolicyTools>,
): Explanation[] {
  const country = context.country ?? intent.country;
  return evaluateRules(rules, { intent, said: context, country, nowMs: atMs, agent, principal, ...past }, tools);
}

/** The verdict with other explanations. That a challenge was possible is read off the decision that was made. */
function decideAgain({ decision, reasons, risk }: RecordedDecision, explanations: Explanation[]): Decision {
  const asked = reasons.some(({ code }) => code === 'review_required');
  return decide({
    who: reasons.filter(({ category, code }) => category === 'identity' && code !== 'challenge_required'),
    scopeFailures: [],
    stepUp: reasons.some(({ category, code }) => category === 'identity' && code === 'challenge_required'),
    mandate: reasons.filter(({ category }) => category === 'mandate'),
    explanations,
    risk,
    challengePossible: decision !== 'review' || asked,
  }).decision;
}

function createTally() {
  const report: Omit<BacktestReport, 'directions' | 'rules'> = {
    decisions: 0,
    changed: 0,
    stricter: 0,
    looser: 0,
    examples: [],
    truths: Object.fromEntries(
      TRUTHS.map((truth) => [truth, { recorded: byDecision(), candidate: byDecision() }]),
    ) as BacktestReport['truths'],
    confusion: { recorded: noConfusion(), candidate: noConfusion() },
  };
  const directions = new Map<string, BacktestReport['directions'][number]>();
  const rules = new Map<string, BacktestReport['rules'][number]>();

  function count({ id, decision: from, truth, intent }: RecordedDecision, to: Decision, explanations: Explanation[]) {
    report.decisions++;
    report.truths[truth].recorded[from]++;
    report.truths[truth].candidate[to]++;
    confuse(report.confusion.recorded, truth, from);
    confuse(report.confusion.candidate, truth, to);
    for (const explanation of explanations) countRule(explanation, truth, from !== to);
    if (from === to) return;
    report.changed++;
    if (STRICTNESS.indexOf(to) > STRICTNESS.indexOf(from)) report.stricter++;
    else report.looser++;
    let direction = directions.get(`${from} ${to}`);
    if (!direction) directions.set(`${from} ${to}`, (direction = { from, to, decisions: 0, amounts: {} }));
    direction.decisions++;
    direction.amounts[intent.currency] = (direction.amounts[intent.currency] ?? 0) + intent.amountMinor;
    if (direction.decisions > MOST_EXAMPLES) return;
    const because = explanations.filter(({ outcome }) => outcome !== 'pass').slice(0, MOST_EXAMPLES);
    report.examples.push({ id, from, to, truth, because });
  }

  function countRule({ rule, outcome }: Explanation, truth: Truth, changed: boolean): void {
    let found = rules.get(rule);
    if (!found) {
      rules.set(rule, (found = { rule, passed: 0, failed: 0, errors: 0, changed: 0, bad: 0, good: 0 }));
    }
    if (outcome === 'pass') {
      found.passed++;
      return;
    }
    if (outcome === 'fail') found.failed++;
    else found.errors++;
    if (changed) found.changed++;
    if (BAD.has(truth)) found.bad++;
    if (GOOD.has(truth)) found.good++;
  }

  return {
    count,
    report: (): BacktestReport => ({
      ...report,
      directions: [...directions.values()].sort((a, b) => b.decisions - a.decisions),
      rules: [...rules.values()],
    }),
  };
}

function byDecision(): ByDecision {
  return { approved: 0, challenge: 0, review: 0, deny: 0 };
}

function noConfusion(): Confusion {
  return { badStopped: 0, badLetThrough: 0, goodStopped: 0, goodLetThrough: 0 };
}

function confuse(confusion: Confusion, truth: Truth, decision: Decision): void {
  const stopped = decision !== 'approved';
  if (BAD.has(truth)) confusion[stopped ? 'badStopped' : 'badLetThrough']++;
  if (GOOD.has(truth)) confusion[stopped ? 'goodStopped' : 'goodLetThrough']++;
}
