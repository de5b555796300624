const BAD_TEXT = /[\0\p{Surrogate}]/u;
const MAX_DEPTH = 64;

/**
 * The first member that JSON can write but nothing behind the API can hold: a string (or member name) with NUL, which
 * PostgreSQL refuses, or with a lone surrogate, which has no UTF-8 and no canonical form (RFC 8785 §3.2.2.2); a number
 * beyond the doubles; nesting deeper than 64.
 */
export function findBadText(value: unknown, path = '', depth = 0): { path: string; message: string } | undefined {
  if (typeof value === 'string') {
    return BAD_TEXT.test(value) ? { path, message: 'must not contain NUL or lone surrogate characters' } : undefined;
  }
  if (typeof value === 'number')
    return Number.isFinite(value) ? undefined : { path, message: 'is not a finite number' };
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth >= MAX_DEPTH) return { path, message: `is nested deeper than ${MAX_DEPTH} levels` };
  for (const [key, member] of Object.entries(value)) {
    const at = path === '' ? key : `${path}.${key}`;
    if (BAD_TEXT.test(key)) {
      return { path: path || 'body', message: 'has a member name with NUL or lone surrogate characters' };
    }
    const found = findBadText(member, at, depth + 1);
    if (found) return found;
  }
  return undefined;
}
