import { POLICY_CHECKS } from './policy/checks.ts';
import type { PolicyCheck } from './policy/checks.ts';
import type { Explanation, PolicyFacts, PolicyRules, PolicyTools } from './policy/types.ts';

export { HISTORY_KINDS, HISTORY_SUBJECTS, MERCHANT_PAID, NEVER, WITHOUT_AMOUNTS } from './policy/history.ts';
export type { HistoryAnswers, HistoryFact, HistoryKind, HistorySubject } from './policy/history.ts';
export { minuteOf } from './policy/hours.ts';
export type { CelRule, Effect, Explanation, PolicyFacts, PolicyRules, PolicyTools } from './policy/types.ts';
export { WEEKDAYS } from './policy/types.ts';
export { COUNTRY_GROUPS, countryIn, isCountryCode } from './policy/country-groups.ts';
export { windowMs } from './policy/window.ts';

const CHECKS: ReadonlySet<string> = new Set([...POLICY_CHECKS.map((check) => check.code), 'cel']);

/** Names that a rule of the author's own may not have. */
export function isBuiltInRule(name: string): boolean {
  return CHECKS.has(name);
}

/**
 * One explanation for every rule of the document, in the fixed order of the checks, whatever the order of its members;
 * then one for each expression.
 *
 * Nothing here throws and no trouble allows: a rule that cannot be evaluated (malformed limit, unknown group, a fact
 * that was not gathered) and a member that this version does not know are `error` with the effect `deny`.
 */
export function evaluateRules(
  rules: PolicyRules,
  facts: PolicyFacts,
  tools: Partial<PolicyTools> = {},
  policyId?: string,
): Explanation[] {
  const present = new Set(Object.keys(rules).filter((name) => rules[name as keyof PolicyRules] !== undefined));
  const known = POLICY_CHECKS.filter((check) => present.has(check.code)).map((check) =>
    explain(check, rules, facts, tools),
  );
  const expressions = present.has('cel') ? explainExpressions(rules, facts, tools, policyId) : [];
  const unknown = [...present].filter((name) => !CHECKS.has(name)).map((rule) => evaluationError(rule, 'no such rule'));
  return [...known, ...expressions, ...unknown];
}

function explain(check: PolicyCheck, rules: PolicyRules, facts: PolicyFacts, tools: Partial<PolicyTools>): Explanation {
  try {
    const { ok, because, effect = check.effect, ...seen } = check.predicate(rules, facts, tools);
    if (ok) return { rule: check.code, outcome: 'pass', message: 'The rule holds', ...seen };
    return { rule: check.code, outcome: 'fail', effect, message: because ?? check.sentence, ...seen };
  } catch (error) {
    return evaluationError(check.code, error instanceof Error ? error.message : 'unknown reason');
  }
}

/** The expressions of a document all together: whatever is wrong with one of them, its explanation is there. */
function explainExpressions(
  { cel }: PolicyRules,
  facts: PolicyFacts,
  { expressions }: Partial<PolicyTools>,
  policyId: string | undefined,
): Explanation[] {
  try {
    if (!Array.isArray(cel)) throw new TypeError('the rule is not a list');
    if (!expressions) throw new TypeError('expressions are not understood here');
    const explanations = expressions(cel, facts, policyId);
    if (explanations.length !== cel.length) throw new TypeError('an expression was left out');
    return explanations;
  } catch (error) {
    return [evaluationError('cel', error instanceof Error ? error.message : 'unknown reason')];
  }
}

function evaluationError(rule: string, why: string): Explanation {
  return { rule, outcome: 'error', effect: 'deny', message: `The rule could not be evaluated: ${why}` };
}
