import type { FailureClass } from './port.ts';

/** A definite no: nothing moved. */
export type DefiniteClass = Exclude<FailureClass, 'unknown' | 'pending'>;

/**
 * A code that a table does not know is never retried, at this MID or another: it may say "stolen". So it takes the
 * strictest class. `invalid_data` was rejected: it invites another try with new input.
 */
export const UNMAPPED_CLASS: DefiniteClass = 'hard_decline';

/** The class of the first code that is there and mapped; names of `Object.prototype` are not. */
export function classIn(
  table: Readonly<Record<string, DefiniteClass>>,
  ...codes: (string | null | undefined)[]
): DefiniteClass {
  const code = codes.find((code) => typeof code === 'string' && code !== '');
  return typeof code === 'string' && Object.hasOwn(table, code) ? table[code]! : UNMAPPED_CLASS;
}
