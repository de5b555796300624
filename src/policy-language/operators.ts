import { sameType, type Type } from './types.ts';

type Signature = (args: Type[]) => Type | undefined;

const isList = (type: Type | undefined): type is { list: Type } => typeof type === 'object';

function taking(...takes: Type[]): (result: Type) => Signature {
  return (result) => (args) =>
    args.length === takes.length && takes.every((type, i) => sameType(type, args[i]!)) ? result : undefined;
}

const ordered: Signature = ([a, b]) => (a === b && (a === 'int' || a === 'string') ? 'bool' : undefined);
const equal: Signature = ([a, b]) => (a && b && sameType(a, b) ? 'bool' : undefined);
const logical = taking('bool', 'bool')('bool');
const arithmetic = taking('int', 'int')('int');

/** What the operators and functions of the language are defined for; the result, or undefined. */
export const OPERATORS: Readonly<Record<string, Signature | undefined>> = {
  '_&&_': logical,
  '_||_': logical,
  '!_': taking('bool')('bool'),
  '@not_strictly_false': taking('bool')('bool'),
  '_==_': equal,
  '_!=_': equal,
  '_<_': ordered,
  '_<=_': ordered,
  '_>_': ordered,
  '_>=_': ordered,
  '_+_': ([a, b]) => {
    if (isList(a) && isList(b)) return sameType(a, b) ? (a.list === 'any' ? b : a) : undefined;
    return a === b && (a === 'int' || a === 'string') ? a : undefined;
  },
  '_-_': arithmetic,
  '_*_': arithmetic,
  '_/_': arithmetic,
  '_%_': arithmetic,
  '-_': taking('int')('int'),
  '_?_:_': ([condition, a, b]) => (condition === 'bool' && a && b && sameType(a, b) ? a : undefined),
  '@in': ([one, all]) => (one && isList(all) && sameType(one, all.list) ? 'bool' : undefined),
  '_[_]': ([all, at]) => (isList(all) && at === 'int' ? all.list : undefined),
  size: ([of, ...more]) => (more.length === 0 && (of === 'string' || isList(of)) ? 'int' : undefined),
};

export const STRING_METHODS: ReadonlySet<string> = new Set(['startsWith', 'endsWith', 'contains', 'matches']);
