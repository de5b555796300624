import { celEnv, parse } from '@bufbuild/cel';
import type { CelRule, HistoryFact } from '../domain/policy.ts';
import { Checker } from './check.ts';
import { clauseOf, type Clause } from './clauses.ts';
import { ExpressionError, typeName } from './types.ts';
import type { Variable } from './vocabulary.ts';

/** Characters of one expression. */
const MOST_CHARACTERS = 2_000;
/** Steps of one rule, at most: see `Checker`. */
const MOST_STEPS = 10_000;

/** A rule, ready to be asked. */
export interface CompiledRule {
  rule: CelRule;
  clause: Clause;
  /** The names it uses, by the identifiers that stand for them in the plan. */
  names: ReadonlyMap<string, Variable & { text: string }>;
  /** What it asks of the past. */
  facts: HistoryFact[];
  cost: number;
}

const env = celEnv();

/**
 * Parses, checks and plans one rule.
 * @throws ExpressionError saying what cannot be drafted, and where
 */
export function compileRule(rule: CelRule): CompiledRule {
  const { when } = rule;
  if (when.length > MOST_CHARACTERS) {
    throw new ExpressionError(`an expression may have ${MOST_CHARACTERS} characters at most`, MOST_CHARACTERS);
  }
  const { expr, sourceInfo } = parsed(when);
  const checker = new Checker(env, sourceInfo);
  const { type, cost, expr: planned } = checker.check(expr);
  if (type !== 'bool') throw new ExpressionError(`must be true or false, and is ${typeName(type)}`, 0);
  if (cost > MOST_STEPS) throw new ExpressionError(`may take ${cost} steps; ${MOST_STEPS} is the most`, 0);
  const facts = [...checker.names.values()].flatMap((name) => (name.fact ? [name.fact] : []));
  return { rule, clause: clauseOf(env, sourceInfo, expr, planned), names: checker.names, facts, cost };
}

function parsed(when: string): ReturnType<typeof parse> {
  try {
    return parse(when);
  } catch (error) {
    const { rawMessage, message, location } = error as Error & {
      rawMessage?: string;
      location?: { start: { offset: number } };
    };
    throw new ExpressionError(rawMessage ?? message, location?.start.offset ?? 0);
  }
}
