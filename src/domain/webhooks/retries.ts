/** Seconds before each further attempt (Standard Webhooks' schedule); after the last, the delivery is dead. */
export const RETRY_SECONDS = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
/** The longest wait that an endpoint may ask for, seconds. */
const LONGEST_RETRY_AFTER = 86_400;
const JITTER = 0.1;

/** Of an endpoint that fails for so long, what waits for so long is given up, tried or not: seconds. */
export const GIVE_UP_SECONDS = RETRY_SECONDS.reduce((sum, seconds) => sum + seconds * (1 + JITTER), 3_600);

/**
 * Seconds until the next attempt after `attempts` of them, up to a tenth longer than the table says, and not before the
 * time that the endpoint asked for; `null` when there is none.
 * @param random 0 to 1 @param askedFor seconds of its Retry-After
 */
export function retryIn(attempts: number, random: number, askedFor?: number): number | null {
  const base = RETRY_SECONDS[attempts - 1];
  if (base === undefined) return null;
  return Math.max(base * (1 + random * JITTER), Math.min(askedFor ?? 0, LONGEST_RETRY_AFTER));
}
