import { canonicalJson } from '../trust/canonical.ts';

/** Whether two JSON values are the same, whatever the order of members. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === undefined || b === undefined) return a === b;
  try {
    return canonicalJson(a) === canonicalJson(b);
  } catch {
    // A value without a canonical form equals nothing.
    return false;
  }
}
