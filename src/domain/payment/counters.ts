/**
 * The truth about one payment, in minor units. Status is derived from these (`status.ts`), never stored as the truth:
 * amounts in a status name multiply (Hyperswitch has 28 attempt statuses) and cannot hold two captures at once.
 */
export interface Counters {
  authorized: number;
  captured: number;
  /** Reserved for captures that were sent, or are about to be. */
  capture_pending: number;
  /** Given back by void, expiry or a final capture for less. */
  released: number;
  refunded: number;
  refund_pending: number;
  /** Withheld by open disputes. */
  dispute_held: number;
  dispute_lost: number;
  /** Gross amount of captures that settlement lines have matched. */
  settled: number;
}

export const NO_COUNTERS: Readonly<Counters> = {
  authorized: 0,
  captured: 0,
  capture_pending: 0,
  released: 0,
  refunded: 0,
  refund_pending: 0,
  dispute_held: 0,
  dispute_lost: 0,
  settled: 0,
};

export type CounterErrorCode =
  | 'amount_exceeds_capturable'
  | 'amount_exceeds_refundable'
  | 'invalid_payment_state'
  | 'invalid_amount'
  | 'broken_invariant';

/** A transition that the counters do not allow; the first three are problem codes of the API too. */
export class CounterError extends Error {
  readonly code: CounterErrorCode;
  readonly counters: Counters;

  constructor(code: CounterErrorCode, message: string, counters: Counters) {
    super(message);
    this.name = 'CounterError';
    this.code = code;
    this.counters = counters;
  }
}

/** What may still be captured or released: `authorized − captured − capture_pending − released`. */
export function capturable(c: Counters): number {
  return c.authorized - c.captured - c.capture_pending - c.released;
}

/** What may still be refunded: `captured − refunded − refund_pending − dispute_held − dispute_lost`. */
export function refundable(c: Counters): number {
  return c.captured - c.refunded - c.refund_pending - c.dispute_held - c.dispute_lost;
}

/**
 * @throws CounterError `broken_invariant` unless every counter is a safe integer ≥ 0, captures, reservations and
 * releases fit into the authorization, refunds and disputes into the captures, and settlement into the captures
 */
export function assertCounters(c: Counters): void {
  const broken = (sentence: string): never => {
    throw new CounterError('broken_invariant', sentence, c);
  };
  for (const name of Object.keys(NO_COUNTERS) as (keyof Counters)[]) {
    if (!Number.isSafeInteger(c[name]) || c[name] < 0) broken(`${name} is not a whole amount: ${c[name]}`);
  }
  if (capturable(c) < 0) broken('captured + capture_pending + released exceed authorized');
  if (refundable(c) < 0) broken('refunded + refund_pending + disputes exceed captured');
  if (c.settled > c.captured) broken('settled exceeds captured');
}
