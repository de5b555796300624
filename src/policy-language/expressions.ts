import type { CelRule, Effect, Explanation, PolicyFacts } from '../domain/policy.ts';
import { evaluateClause, type Clause } from './clauses.ts';
import { compileRule, type CompiledRule } from './compile.ts';

type Values = Record<string, string | bigint | boolean | string[]>;

type Ready = (CompiledRule | CelRule)[];

/** Compiled documents by policy id. A version never changes, so that what was compiled once holds. */
const compiled = new Map<string, Ready>();
/** And by the document itself, for rules that are asked again and again without being a policy (a backtest). */
const inline = new WeakMap<CelRule[], Ready>();
const KEPT = 200;

/**
 * One explanation for each rule, in their order. A rule whose `when` is true fails, with its effect. One that cannot be
 * evaluated is an error, and counts as failing: with its own effect, and with a review where that would be a challenge.
 */
export function explainExpressions(rules: CelRule[], facts: PolicyFacts, policyId?: string): Explanation[] {
  const ready = rulesOf(rules, policyId);
  const values: Values = {};
  for (const rule of ready) {
    if (!('names' in rule)) continue;
    for (const [key, name] of rule.names) {
      if (key in values) continue;
      const value = name.read(facts);
      if (value !== undefined) values[key] = value;
    }
  }
  return ready.map((rule) => ('names' in rule ? explained(rule, values) : broken(rule)));
}

function explained({ rule, clause, names }: CompiledRule, values: Values): Explanation {
  const { value, decisive } = evaluateClause(clause, values);
  if (value === false) {
    return { rule: rule.name, outcome: 'pass', message: 'The rule holds', clause: decisive.text };
  }
  const observed = observedIn(decisive, names, values);
  const told = { rule: rule.name, clause: decisive.text, observed };
  if (value === true) return { ...told, outcome: 'fail', effect: rule.effect, message: rule.message };
  const missing = [...names].find(([key, { text }]) => !(key in values) && decisive.text.includes(text));
  const why = missing ? `${missing[1].text} is not known` : value.message;
  return { ...told, outcome: 'error', effect: effectOfError(rule.effect), message: couldNot(why) };
}

/** The values of the names in a clause, as they print. */
function observedIn({ text }: Clause, names: CompiledRule['names'], values: Values): Record<string, unknown> {
  const seen: Record<string, unknown> = {};
  for (const [key, name] of names) {
    if (!text.includes(name.text)) continue;
    const value = values[key];
    seen[name.text] = typeof value === 'bigint' ? Number(value) : (value ?? null);
  }
  return seen;
}

/** Compiled when it is first asked; a document that cannot be compiled could not have been drafted, and fails. */
function rulesOf(rules: CelRule[], policyId: string | undefined): Ready {
  const kept = policyId === undefined ? inline.get(rules) : compiled.get(policyId);
  if (kept) return kept;
  const ready = rules.map((rule) => {
    try {
      return compileRule(rule);
    } catch {
      return rule;
    }
  });
  if (policyId === undefined) {
    inline.set(rules, ready);
  } else {
    if (compiled.size >= KEPT) compiled.delete(compiled.keys().next().value!);
    compiled.set(policyId, ready);
  }
  return ready;
}

function broken(rule: CelRule): Explanation {
  return {
    rule: rule.name,
    outcome: 'error',
    effect: effectOfError(rule.effect),
    message: couldNot('it is not an expression of this version'),
  };
}

function effectOfError(effect: Effect): Effect {
  return effect === 'deny' ? 'deny' : 'review';
}

function couldNot(why: string): string {
  return `The rule could not be evaluated: ${why}`;
}
