/** Seconds that a Retry-After header asks for (RFC 9110 §10.2.3: seconds or a date); `undefined` when unreadable. */
export function secondsOf(retryAfter: string | undefined, nowMs: number): number | undefined {
  if (retryAfter === undefined) return undefined;
  if (/^\d{1,9}$/.test(retryAfter.trim())) return Number(retryAfter);
  const at = Date.parse(retryAfter);
  return Number.isNaN(at) ? undefined : Math.max(0, (at - nowMs) / 1_000);
}
