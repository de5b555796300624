import { readSpan } from '../../domain/calendar.ts';
import type { JsonObject } from '../sd-jwt/encoding.ts';
import type { Checklist } from './verdict.ts';

/** Seconds by which two clocks may differ, as in the AP2 reference implementation. */
export const CLOCK_SKEW = 300;

/**
 * Epoch seconds of `now`.
 * @throws RangeError when it is neither a number of seconds nor an RFC 3339 moment
 */
export function epochSeconds(now: number | string | undefined): number {
  if (now === undefined) return Date.now() / 1000;
  const seconds = typeof now === 'number' ? now : readSpan(now)?.from;
  if (seconds === undefined || !Number.isFinite(seconds)) {
    throw new RangeError('now must be epoch seconds or an RFC 3339 date-time');
  }
  return seconds;
}

/** `iat`, `nbf` and `exp` of a claims set (RFC 7519 §4.1), each where it is there. */
export function checkTimes(claims: JsonObject, now: number, checks: Checklist, hop?: number): void {
  for (const name of ['iat', 'nbf', 'exp'] as const) {
    const value = claims[name];
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      checks.note(false, 'malformed', `${name} is not a number of seconds`, hop);
    } else if (name === 'exp') {
      const ok = now < value + CLOCK_SKEW;
      checks.note(ok, 'expired', ok ? 'it has not expired' : 'it has expired', hop);
    } else {
      const ok = now >= value - CLOCK_SKEW;
      checks.note(ok, 'not_yet_valid', ok ? `its ${name} is not in the future` : `its ${name} is in the future`, hop);
    }
  }
}
