import { POLICY_CHECKS } from './policy/checks.ts';
import type { PolicyCheck } from './policy/checks.ts';
import type { Explanation, PolicyFacts, PolicyRules } from './policy/types.ts';

export type { Explanation, PolicyFacts, PolicyRules } from './policy/types.ts';
export { COUNTRY_GROUPS, countryIn, isCountryCode } from './policy/country-groups.ts';
export { windowMs } from './policy/window.ts';

const CHECKS: ReadonlyMap<string, PolicyCheck> = new Map(POLICY_CHECKS.map((check) => [check.code, check]));

/**
 * One explanation for every rule of the document, in the fixed order of the checks, whatever the order of its members.
 *
 * Nothing here throws and no trouble allows: a rule that cannot be evaluated (malformed limit, unknown group, a count
 * that was not gathered) and a member that this version does not know are `error` with the effect `deny`.
 */
export function evaluateRules(rules: PolicyRules, facts: PolicyFacts): Explanation[] {
  const present = new Set(Object.keys(rules).filter((name) => rules[name as keyof PolicyRules] !== undefined));
  const known = POLICY_CHECKS.filter((check) => present.has(check.code)).map((check) => explain(check, rules, facts));
  const unknown = [...present].filter((name) => !CHECKS.has(name)).map((rule) => evaluationError(rule, 'no such rule'));
  return [...known, ...unknown];
}

function explain(check: PolicyCheck, rules: PolicyRules, facts: PolicyFacts): Explanation {
  try {
    const { ok, because, ...seen } = check.predicate(rules, facts);
    if (ok) return { rule: check.code, outcome: 'pass', message: 'The rule holds', ...seen };
    return { rule: check.code, outcome: 'fail', effect: check.effect, message: because ?? check.sentence, ...seen };
  } catch (error) {
    return evaluationError(check.code, error instanceof Error ? error.message : 'unknown reason');
  }
}

function evaluationError(rule: string, why: string): Explanation {
  return { rule, outcome: 'error', effect: 'deny', message: `The rule could not be evaluated: ${why}` };
}
