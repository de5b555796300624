import { capturable, type Counters } from './counters.ts';

/** What of `authorized` was captured beyond the hold, before. */
type Held = Counters & {
  overcaptured: number;
  /** Of `authorized`, what is not of the hold that stands. */
  earlier_minor?: number;
};

/**
 * Minor units that may still be captured beyond what is held: `percent` (two decimals count) of what the processor was
 * asked to hold, less what went beyond it before. Nothing where nothing is held: an end is not taken back.
 */
export function overcaptureCeiling(c: Held, percent: number): number {
  if (capturable(c) === 0 || !(percent > 0)) return 0;
  const share =
    (BigInt(c.authorized - (c.earlier_minor ?? 0) - c.overcaptured) * BigInt(Math.round(percent * 100))) / 10_000n;
  return Math.max(0, Number(share) - c.overcaptured);
}

/**
 * A capture of all that is held and `beyondMinor` more: what was authorized grows by it with the reservation, so that
 * captures never exceed what was authorized, and shrinks again when the processor says no (`failOvercapture`).
 */
export function reserveOvercapture(c: Held, beyondMinor: number): Held {
  return {
    ...c,
    authorized: c.authorized + beyondMinor,
    overcaptured: c.overcaptured + beyondMinor,
    capture_pending: c.capture_pending + capturable(c) + beyondMinor,
  };
}

/** The processor certainly did not capture it: what was held is held again, and no more than that. */
export function failOvercapture(c: Held, amountMinor: number, beyondMinor: number): Held {
  return {
    ...c,
    authorized: c.authorized - beyondMinor,
    overcaptured: c.overcaptured - beyondMinor,
    capture_pending: c.capture_pending - amountMinor,
  };
}
