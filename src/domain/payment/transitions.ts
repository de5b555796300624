import { assertCounters, capturable, CounterError, NO_COUNTERS, refundable } from './counters.ts';
import type { CounterErrorCode, Counters } from './counters.ts';

/*
 * Pure transitions of the counters; the conditional UPDATEs of the store mirror them one by one. Each takes a positive
 * amount of minor units, returns new counters, and throws a CounterError, leaving nothing changed, when a limit would
 * break. Reserve before send: money may only move at a processor for what a `reserve…` has set aside.
 */

/** Counters of a payment whose authorization was approved for `amountMinor`, possibly less than was asked. */
export function openCounters(amountMinor: number): Counters {
  const next = { ...NO_COUNTERS, authorized: amountMinor };
  assertCounters(next);
  return next;
}

export function reserveCapture(c: Counters, amountMinor: number): Counters {
  return move(c, amountMinor, capturable(c), 'amount_exceeds_capturable', (n) => ({
    capture_pending: c.capture_pending + n,
  }));
}

/** The processor captured it. When it captured less than was reserved, `failCapture` the difference. */
export function postCapture(c: Counters, amountMinor: number): Counters {
  return move(c, amountMinor, c.capture_pending, 'invalid_payment_state', (n) => ({
    capture_pending: c.capture_pending - n,
    captured: c.captured + n,
  }));
}

/** The processor certainly did not capture it; never for an unknown outcome. */
export function failCapture(c: Counters, amountMinor: number): Counters {
  return move(c, amountMinor, c.capture_pending, 'invalid_payment_state', (n) => ({
    capture_pending: c.capture_pending - n,
  }));
}

/**
 * Void, expiry, or what a final capture leaves: everything capturable is given back; nothing to give back is no error,
 * so that a repeated release is harmless. Refused while a capture is pending, since it may yet turn out either way.
 */
export function releaseRemainder(c: Counters): Counters {
  if (c.capture_pending > 0) {
    throw new CounterError('invalid_payment_state', 'A capture is pending; its outcome must be known first', c);
  }
  const next = { ...c, released: c.released + capturable(c) };
  assertCounters(next);
  return next;
}

/**
 * What is left of a hold was authorized anew, and the hold before is given back, or the other way round: both are counted,
 * and what may be captured stays what it was. Refused while a capture is pending, and of nothing.
 */
export function renewHold(c: Counters, amountMinor: number): Counters {
  if (c.capture_pending > 0) {
    throw new CounterError('invalid_payment_state', 'A capture is pending; its outcome must be known first', c);
  }
  return move(c, amountMinor, capturable(c), 'amount_exceeds_capturable', (n) => ({
    authorized: c.authorized + n,
    released: c.released + n,
  }));
}

export function reserveRefund(c: Counters, amountMinor: number): Counters {
  return move(c, amountMinor, refundable(c), 'amount_exceeds_refundable', (n) => ({
    refund_pending: c.refund_pending + n,
  }));
}

export function postRefund(c: Counters, amountMinor: number): Counters {
  return move(c, amountMinor, c.refund_pending, 'invalid_payment_state', (n) => ({
    refund_pending: c.refund_pending - n,
    refunded: c.refunded + n,
  }));
}

export function failRefund(c: Counters, amountMinor: number): Counters {
  return move(c, amountMinor, c.refund_pending, 'invalid_payment_state', (n) => ({
    refund_pending: c.refund_pending - n,
  }));
}

/** A refund that had succeeded came back (the bank returned it): it may be made again. */
export function reverseRefund(c: Counters, amountMinor: number): Counters {
  return move(c, amountMinor, c.refunded, 'invalid_payment_state', (n) => ({ refunded: c.refunded - n }));
}

/** A dispute withholds the money, which can then not be refunded as well. */
export function holdDispute(c: Counters, amountMinor: number): Counters {
  return move(c, amountMinor, refundable(c), 'amount_exceeds_refundable', (n) => ({
    dispute_held: c.dispute_held + n,
  }));
}

export function winDispute(c: Counters, amountMinor: number): Counters {
  return move(c, amountMinor, c.dispute_held, 'invalid_payment_state', (n) => ({ dispute_held: c.dispute_held - n }));
}

export function loseDispute(c: Counters, amountMinor: number): Counters {
  return move(c, amountMinor, c.dispute_held, 'invalid_payment_state', (n) => ({
    dispute_held: c.dispute_held - n,
    dispute_lost: c.dispute_lost + n,
  }));
}

/** A settlement line matched captured money (gross). More than was captured is an exception for reconciliation. */
export function settle(c: Counters, amountMinor: number): Counters {
  return move(c, amountMinor, c.captured - c.settled, 'invalid_payment_state', (n) => ({ settled: c.settled + n }));
}

function move(
  c: Counters,
  amountMinor: number,
  limit: number,
  beyond: CounterErrorCode,
  change: (amountMinor: number) => Partial<Counters>,
): Counters {
  if (!Number.isSafeInteger(amountMinor) || amountMinor <= 0) {
    throw new CounterError('invalid_amount', 'An amount must be a positive whole number of minor units', c);
  }
  if (amountMinor > limit) {
    throw new CounterError(beyond, `${amountMinor} minor units asked, ${limit} available`, c);
  }
  const next = { ...c, ...change(amountMinor) };
  assertCounters(next);
  return next;
}
