import { plan, type CelEnv } from '@bufbuild/cel';
import { QUESTIONS } from './history-functions.ts';
import { OPERATORS, STRING_METHODS } from './operators.ts';
import { ExpressionError, sameType, typeName, type Expr, type SourceInfo, type Type } from './types.ts';
import { VARIABLES, type Variable } from './vocabulary.ts';

/**
 * What is known of a part of an expression. `expr` is the part with every name, presence test and question replaced by
 * one flat identifier, so that evaluating looks up a value once and can reach nothing that was not admitted here.
 */
export interface Checked {
  type: Type;
  expr: Expr;
  /** Steps of an evaluation, at most. */
  cost: number;
  /** Entries of a list, at most. */
  size: number;
}

/** Lists that an expression writes out. */
const MOST_ENTRIES = 100;
/** A macro within a macro is the deepest: each level multiplies. */
const MOST_MACROS = 2;
/** Parts within parts: deeper ones could exhaust the stack where they are evaluated. */
const MOST_DEPTH = 100;
/** Steps that a regular expression counts as: it is compiled at each use, and takes time in the length of its text. */
const REGEX_COST = 200;

/** Walks a parsed expression: types, unknown names, sizes and costs. */
export class Checker {
  /** Names in use, by the identifier that stands for them. */
  readonly names = new Map<string, Variable & { text: string }>();
  private readonly locals: { name: string; type: Type; size: number }[] = [];
  private macros = 0;
  private depth = 0;
  private readonly env: CelEnv;
  private readonly source: SourceInfo;

  constructor(env: CelEnv, source: SourceInfo) {
    this.env = env;
    this.source = source;
  }

  /** @throws ExpressionError for what is not of the language */
  check(expr: Expr): Checked {
    if (++this.depth > MOST_DEPTH) this.refuse(expr, `parts may be nested ${MOST_DEPTH} deep at most`);
    const checked = this.part(expr);
    this.depth--;
    return checked;
  }

  private part(expr: Expr): Checked {
    const { exprKind } = expr;
    switch (exprKind.case) {
      case 'constExpr':
        return this.constant(expr, exprKind.value.constantKind.case);
      case 'identExpr':
        return this.identifier(expr, exprKind.value.name);
      case 'selectExpr':
        return this.select(expr);
      case 'listExpr':
        return this.list(expr, exprKind.value.elements);
      case 'callExpr':
        return this.call(expr);
      case 'comprehensionExpr':
        return this.macro(expr);
      case 'structExpr':
      case undefined:
        return this.refuse(expr, 'maps and messages are not part of the language');
    }
  }

  private constant(expr: Expr, kind: string | undefined): Checked {
    const type = ({ boolValue: 'bool', int64Value: 'int', stringValue: 'string' } as const)[kind ?? ''];
    if (!type) return this.refuse(expr, 'only whole numbers, texts, true and false can be written');
    return { type, expr, cost: 1, size: 1 };
  }

  private identifier(expr: Expr, name: string): Checked {
    const local = this.locals.findLast((one) => one.name === name);
    if (local) return { type: local.type, expr, cost: 1, size: local.size };
    return this.refuse(expr, `unknown name ${name}; known are ${Object.keys(VARIABLES).join(', ')}`);
  }

  private select(expr: Expr): Checked {
    const { operand, field, testOnly } = expr.exprKind.value as { operand?: Expr; field: string; testOnly: boolean };
    if (operand && operand.exprKind.case !== 'identExpr') this.check(operand);
    const name = `${operand?.exprKind.case === 'identExpr' ? operand.exprKind.value.name : ''}.${field}`;
    const variable = Object.hasOwn(VARIABLES, name) ? VARIABLES[name]! : undefined;
    if (!variable) return this.refuse(expr, `unknown name ${name}; known are ${Object.keys(VARIABLES).join(', ')}`);
    if (!testOnly) return this.named(expr, name, { ...variable, text: name });
    if (!variable.optional) return this.refuse(expr, `${name} is always there: has() is for what may be missing`);
    const read: Variable['read'] = (facts) => variable.read(facts) !== undefined;
    return this.named(expr, `has ${name}`, { type: 'bool', meaning: '', read, text: `has(${name})` });
  }

  private list(expr: Expr, elements: Expr[]): Checked {
    if (elements.length > MOST_ENTRIES) this.refuse(expr, `a list may have at most ${MOST_ENTRIES} entries`);
    const checked = elements.map((element) => this.check(element));
    const type = checked[0]?.type ?? 'any';
    const odd = checked.findIndex((element) => !sameType(type, element.type));
    if (odd >= 0) this.refuse(elements[odd]!, 'the entries of a list must be of one type');
    return {
      type: { list: type },
      expr: this.with(expr, { elements: checked.map((element) => element.expr) }),
      cost: 1 + sum(checked),
      size: elements.length,
    };
  }

  private call(expr: Expr): Checked {
    const { function: name, target, args } = expr.exprKind.value as { function: string; target?: Expr; args: Expr[] };
    const question = !target && Object.hasOwn(QUESTIONS, name) ? QUESTIONS[name] : undefined;
    if (question) return this.question(expr, name, args);
    const of = target && this.check(target);
    const checked = args.map((arg) => this.check(arg));
    const types = checked.map((arg) => arg.type);
    const type = of ? methodType(name, of.type, types) : operatorType(name, types);
    if (!type) {
      const among = [...(of ? [of.type] : []), ...types].map(typeName).join(', ');
      return this.refuse(expr, `${printed(name)} does not exist for (${among})`);
    }
    const result = this.with(expr, { target: of?.expr, args: checked.map((arg) => arg.expr) });
    if (name === 'matches') this.regex(args[0]!, result);
    const operands = of ? [of, ...checked] : checked;
    const lists = operands.filter((one) => typeof one.type !== 'string').reduce((most, one) => most + one.size, 0);
    const cost = 1 + sum(operands) + lists + (name === 'matches' ? REGEX_COST : 0);
    return { type, expr: result, cost, size: Math.max(1, lists) };
  }

  /** A pattern that is written out is tried now; any other could fail when it matters. */
  private regex(pattern: Expr, call: Expr): void {
    if (pattern.exprKind.case !== 'constExpr') this.refuse(pattern, 'the pattern must be written out');
    const target = { ...pattern, exprKind: constantText('') } as Expr;
    const probe = plan(this.env, this.with(call, { target }))();
    if (probe instanceof Error) this.refuse(pattern, probe.message);
  }

  private question(expr: Expr, name: string, args: Expr[]): Checked {
    const { usage, arity, ask } = QUESTIONS[name]!;
    const literals = args.flatMap(({ exprKind }) =>
      exprKind.case === 'constExpr' && exprKind.value.constantKind.case === 'stringValue'
        ? [exprKind.value.constantKind.value]
        : [],
    );
    if (args.length !== arity || literals.length !== arity) {
      this.refuse(expr, `${name} takes ${arity} texts, written out: ${usage}`);
    }
    const text = `${name}(${literals.map((literal) => JSON.stringify(literal)).join(', ')})`;
    try {
      return this.named(expr, text, { ...ask(literals), text });
    } catch (error) {
      return this.refuse(expr, (error as Error).message);
    }
  }

  /** `exists`, `all`, `exists_one`, `map`, `filter`: the only comprehensions that can be written. */
  private macro(expr: Expr): Checked {
    const { iterRange, iterVar, iterVar2, accuVar, accuInit, loopStep, loopCondition, result } = expr.exprKind
      .value as {
      [part in 'iterRange' | 'accuInit' | 'loopStep' | 'loopCondition' | 'result']: Expr;
    } & { iterVar: string; iterVar2: string; accuVar: string };
    if (++this.macros > MOST_MACROS) this.refuse(expr, `macros may be nested ${MOST_MACROS} deep at most`);
    const range = this.check(iterRange);
    if (typeof range.type === 'string' || iterVar2) this.refuse(expr, 'a macro runs over a list');
    const init = this.check(accuInit);
    const element = range.type.list;
    const accumulator = { name: accuVar, type: init.type, size: range.size };
    this.locals.push(accumulator, { name: iterVar, type: element, size: MOST_ENTRIES });
    const step = this.check(loopStep);
    // The first entry says what a list that began empty is made of.
    accumulator.type = step.type;
    const condition = this.check(loopCondition);
    const end = this.check(result);
    this.locals.length -= 2;
    this.macros--;
    const parts = { iterRange: range, accuInit: init, loopStep: step, loopCondition: condition, result: end };
    const exprs = Object.fromEntries(Object.entries(parts).map(([name, part]) => [name, part.expr]));
    const cost = 1 + range.cost + range.size * (step.cost + condition.cost) + init.cost + end.cost;
    return { type: end.type, expr: this.with(expr, exprs), cost, size: range.size };
  }

  private named(expr: Expr, key: string, variable: Variable & { text: string }): Checked {
    this.names.set(key, variable);
    const identifier = { case: 'identExpr', value: { $typeName: 'cel.expr.Expr.Ident', name: key } };
    return {
      type: variable.type,
      expr: { ...expr, exprKind: identifier } as Expr,
      cost: 1,
      size: variable.most ?? 1,
    };
  }

  private with(expr: Expr, parts: object): Expr {
    return { ...expr, exprKind: { ...expr.exprKind, value: { ...expr.exprKind.value!, ...parts } } } as Expr;
  }

  private refuse(expr: Expr, message: string): never {
    throw new ExpressionError(message, this.source?.positions[expr.id.toString()] ?? 0);
  }
}

function operatorType(name: string, args: Type[]): Type | undefined {
  return OPERATORS[name]?.(args);
}

function methodType(name: string, target: Type, args: Type[]): Type | undefined {
  if (target === 'string' && args.length === 1 && args[0] === 'string' && STRING_METHODS.has(name)) return 'bool';
  return name === 'size' ? operatorType(name, [target, ...args]) : undefined;
}

function constantText(text: string) {
  return {
    case: 'constExpr',
    value: { $typeName: 'cel.expr.Constant', constantKind: { case: 'stringValue', value: text } },
  };
}

/** `_&&_` → `&&`. */
function printed(name: string): string {
  return name.replaceAll(/^@|(?<=.)_|_(?=.)/g, (part, offset: number) =>
    /^[a-z]/.test(name) && offset > 0 ? part : '',
  );
}

function sum(parts: Checked[]): number {
  return parts.reduce((total, part) => total + part.cost, 0);
}
