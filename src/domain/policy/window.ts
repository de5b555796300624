const UNIT_MS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Longer windows would have to count more history than is kept at hand. */
const MAX_WINDOW_MS = 366 * 86_400_000;

/**
 * `15m`, `1h`, `1d` → milliseconds.
 * @throws RangeError for anything else, zero, and windows over 366 days
 */
export function windowMs(text: string): number {
  const match = /^([1-9]\d{0,8})([smhd])$/.exec(text);
  const ms = match ? Number(match[1]) * UNIT_MS[match[2]!]! : Number.NaN;
  if (!(ms <= MAX_WINDOW_MS)) throw new RangeError(`${text} is not a window such as 15m, 1h or 1d`);
  return ms;
}
