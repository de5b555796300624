import type { Asking } from '../domain/backtest.ts';
import { isBuiltInRule, MERCHANT_PAID, type HistoryFact, type PolicyRules } from '../domain/policy.ts';
import { compileRule } from './compile.ts';
import { ExpressionError } from './types.ts';

/** Steps of all rules of a policy together. */
const MOST_STEPS = 30_000;
/** Different questions to the past: each is a read of its own within every decision. */
const MOST_FACTS = 20;

/** What cannot be drafted: the member of the rules, and a sentence. */
export interface DraftProblem {
  path: (string | number)[];
  message: string;
}

/** Every reason why rules cannot become a policy; empty when they can. */
export function draftProblems(rules: PolicyRules): DraftProblem[] {
  const problems: DraftProblem[] = [];
  const names = new Set<string>();
  const facts = new Set<string>();
  let steps = 0;
  for (const [i, rule] of (rules.cel ?? []).entries()) {
    const named = names.has(rule.name) ? 'is the name of another rule' : 'is the name of a built-in rule';
    if (names.has(rule.name) || isBuiltInRule(rule.name)) problems.push({ path: ['cel', i, 'name'], message: named });
    names.add(rule.name);
    try {
      const compiled = compileRule(rule);
      steps += compiled.cost;
      for (const fact of compiled.facts) facts.add(fact.key);
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      const where = placeOf(rule.when, error.offset);
      problems.push({ path: ['cel', i, 'when'], message: `of ${rule.name}, ${where}: ${error.message}` });
    }
  }
  if (steps > MOST_STEPS)
    problems.push({ path: ['cel'], message: `may take ${steps} steps; ${MOST_STEPS} is the most` });
  if (facts.size > MOST_FACTS) {
    problems.push({ path: ['cel'], message: `asks ${facts.size} things of the past; ${MOST_FACTS} is the most` });
  }
  return problems;
}

/** What a policy asks of the past; stored with it, so that a decision gathers just that. */
export function historyFactsOf(rules: PolicyRules): HistoryFact[] {
  const facts = new Map<string, HistoryFact>();
  if (rules.unknown_payee !== undefined && rules.unknown_payee !== 'allow') facts.set(MERCHANT_PAID.key, MERCHANT_PAID);
  for (const rule of rules.cel ?? []) for (const fact of compileRule(rule).facts) facts.set(fact.key, fact);
  return [...facts.values()];
}

/** A policy with everything it asks of the past. */
export function askingOf(rules: PolicyRules): Asking {
  const names = (rules.cel ?? []).flatMap((rule) => [...compileRule(rule).names.values()]);
  return { rules, facts: historyFactsOf(rules), seen: names.some(({ text }) => text === 'merchant.seen') };
}

function placeOf(source: string, offset: number): string {
  const before = source.slice(0, offset).split('\n');
  return `line ${before.length}, column ${before.at(-1)!.length + 1}`;
}
