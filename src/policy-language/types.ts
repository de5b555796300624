import type { parse } from '@bufbuild/cel';

/** The library's syntax tree. */
export type Expr = ReturnType<typeof parse>['expr'];
export type SourceInfo = ReturnType<typeof parse>['sourceInfo'];

/** Types of the language. `any` is the element of the empty list. Amounts and counts are whole: there is no fraction. */
export type Type = 'bool' | 'int' | 'string' | 'any' | { list: Type };

export function typeName(type: Type): string {
  return typeof type === 'string' ? type : `list of ${typeName(type.list)}`;
}

export function sameType(a: Type, b: Type): boolean {
  if (a === 'any' || b === 'any') return true;
  if (typeof a === 'string' || typeof b === 'string') return a === b;
  return sameType(a.list, b.list);
}

/** Why a rule cannot be drafted. `offset` counts UTF-16 units from the beginning of the expression. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}
