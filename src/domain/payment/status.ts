import { capturable } from './counters.ts';
import type { Counters } from './counters.ts';

/** How far the authorization is; `open` once it was approved, whatever happened to the money since. */
export type PaymentPhase = 'authorizing' | 'auth_unknown' | 'pending' | 'failed' | 'open' | 'needs_review';

export type PaymentStatus =
  Exclude<PaymentPhase, 'open'> | 'authorized' | 'partially_captured' | 'captured' | 'voided' | 'expired' | 'refunded';

/** What ended the hold; counters alone cannot tell, since both only release. */
export type ClosedBy = 'void' | 'expiry';

/**
 * Status of a payment, from its counters.
 *
 * - While something may still be captured (or is being): `authorized`, or `partially_captured` after a first capture.
 * - Nothing left and nothing captured: `voided`, or `expired` when the hold ran out. An authorization of zero (an
 *   account check) has nothing left from the start and stays `authorized` until it is closed.
 * - Nothing left and something captured: `captured`; `refunded` only when all of it went back by refunds. A payment
 *   refunded in part stays `captured`: how much is in the counters, and a status in between would hide that the rest is
 *   still refundable. Disputes do not change it either.
 */
export function paymentStatus(c: Counters, phase: PaymentPhase, closedBy?: ClosedBy): PaymentStatus {
  if (phase !== 'open') return phase;
  if (capturable(c) > 0 || c.capture_pending > 0) return c.captured > 0 ? 'partially_captured' : 'authorized';
  if (c.captured > 0) return c.refunded === c.captured ? 'refunded' : 'captured';
  if (closedBy === 'expiry') return 'expired';
  return c.authorized === 0 && closedBy === undefined ? 'authorized' : 'voided';
}
