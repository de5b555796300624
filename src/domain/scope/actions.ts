/** `payment.capture` is within `payment.capture`, `payment.*` and `*`; a pattern is within a wider pattern. */
export function actionWithin(action: string, pattern: string): boolean {
  if (pattern === '*' || pattern === action) return true;
  return pattern.endsWith('.*') && action.startsWith(pattern.slice(0, -1));
}
