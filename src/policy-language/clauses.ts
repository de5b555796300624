import { isCelError, plan, unparse, type CelEnv } from '@bufbuild/cel';
import type { Expr, SourceInfo } from './types.ts';

type Values = Record<string, string | bigint | boolean | string[]>;

/** An expression along its conjunctions and disjunctions, in its author's words. */
export type Clause =
  | { kind: 'and' | 'or'; text: string; parts: Clause[] }
  | { kind: 'leaf'; text: string; evaluate: (values: Values) => unknown };

/** What a clause came to, and the part of it that decided: the first one that suffices, or all of it. */
export interface Outcome {
  value: boolean | Error;
  decisive: Clause;
}

/** @param expr as written; `planned` has the same shape, and is what is evaluated */
export function clauseOf(env: CelEnv, source: SourceInfo, expr: Expr, planned: Expr): Clause {
  const text = unparse({ $typeName: 'cel.expr.ParsedExpr', expr, sourceInfo: source });
  const kind = kindOf(expr);
  if (!kind) {
    const evaluate = plan(env, planned) as (values: Values) => unknown;
    return { kind: 'leaf', text, evaluate };
  }
  const parts = argsOf(expr).map((arg, i) => clauseOf(env, source, arg, argsOf(planned)[i]!));
  // `a && b && c` is read as one conjunction of three.
  return { kind, text, parts: parts.flatMap((part) => (part.kind === kind ? part.parts : [part])) };
}

/**
 * As CEL has it: one part that suffices decides, whatever errors there are beside it; otherwise an error is one.
 * Evaluating by parts costs no more than evaluating the whole, and says which part it was.
 */
export function evaluateClause(clause: Clause, values: Values): Outcome {
  if (clause.kind === 'leaf') {
    const value = clause.evaluate(values);
    if (typeof value === 'boolean') return { value, decisive: clause };
    const error = isCelError(value) ? value : new TypeError('it is neither true nor false');
    return { value: error, decisive: clause };
  }
  const suffices = clause.kind === 'or';
  let failed: Outcome | undefined;
  for (const part of clause.parts) {
    const outcome = evaluateClause(part, values);
    if (outcome.value === suffices) return outcome;
    if (outcome.value instanceof Error) failed ??= outcome;
  }
  return failed ?? { value: !suffices, decisive: clause };
}

function kindOf({ exprKind }: Expr): 'and' | 'or' | undefined {
  if (exprKind.case !== 'callExpr') return undefined;
  return ({ '_&&_': 'and', '_||_': 'or' } as const)[exprKind.value.function];
}

function argsOf({ exprKind }: Expr): Expr[] {
  return exprKind.case === 'callExpr' ? exprKind.value.args : [];
}
