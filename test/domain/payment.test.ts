import { describe, expect, it } from 'vitest';
import {
  assertCounters,
  capturable,
  CounterError,
  failCapture,
  failRefund,
  holdDispute,
  loseDispute,
  NO_COUNTERS,
  openCounters,
  paymentStatus,
  postCapture,
  postRefund,
  refundable,
  releaseRemainder,
  reserveCapture,
  reserveRefund,
  reverseRefund,
  settle,
  winDispute,
} from '../../src/domain/payment.ts';
import type { ClosedBy, Counters } from '../../src/domain/payment.ts';

const authorized = openCounters(1000);
const captured = postCapture(reserveCapture(authorized, 1000), 1000);

function codeOf(transition: () => Counters): string {
  try {
    return `accepted: ${JSON.stringify(transition())}`;
  } catch (error) {
    return error instanceof CounterError ? error.code : String(error);
  }
}

describe('transitions', () => {
  it('sets the amount aside before it moves', () => {
    const reserved = reserveCapture(authorized, 600);
    expect(reserved).toMatchObject({ captured: 0, capture_pending: 600 });
    expect(capturable(reserved)).toBe(400);
    expect(codeOf(() => reserveCapture(reserved, 401))).toBe('amount_exceeds_capturable');
    expect(capturable(failCapture(reserved, 600))).toBe(1000);
    expect(postCapture(reserved, 600)).toMatchObject({ captured: 600, capture_pending: 0 });
    expect(authorized).toEqual({ ...NO_COUNTERS, authorized: 1000 });
  });

  it('posts and fails only what was reserved', () => {
    const [capturing, refunding] = [reserveCapture(authorized, 600), reserveRefund(captured, 600)];
    for (const transition of [postCapture, failCapture]) {
      expect(codeOf(() => transition(capturing, 601))).toBe('invalid_payment_state');
      expect(codeOf(() => transition(authorized, 1))).toBe('invalid_payment_state');
    }
    for (const transition of [postRefund, failRefund]) {
      expect(codeOf(() => transition(refunding, 601))).toBe('invalid_payment_state');
      expect(codeOf(() => transition(captured, 1))).toBe('invalid_payment_state');
    }
  });

  it('releases what is left, harmlessly twice, and never over a pending capture', () => {
    const partly = postCapture(reserveCapture(authorized, 600), 600);
    expect(releaseRemainder(partly)).toMatchObject({ captured: 600, released: 400 });
    expect(releaseRemainder(releaseRemainder(partly))).toEqual(releaseRemainder(partly));
    expect(codeOf(() => releaseRemainder(reserveCapture(authorized, 1)))).toBe('invalid_payment_state');
    expect(codeOf(() => reserveCapture(releaseRemainder(authorized), 1))).toBe('amount_exceeds_capturable');
  });

  it('refunds captured money only, once, and again after the bank returned it', () => {
    expect(codeOf(() => reserveRefund(authorized, 1))).toBe('amount_exceeds_refundable');
    const refunded = postRefund(reserveRefund(captured, 1000), 1000);
    expect(codeOf(() => reserveRefund(refunded, 1))).toBe('amount_exceeds_refundable');
    expect(refundable(reverseRefund(refunded, 1000))).toBe(1000);
    expect(refundable(failRefund(reserveRefund(captured, 1000), 1000))).toBe(1000);
  });

  it('withholds disputed money from refunds', () => {
    const held = holdDispute(captured, 700);
    expect(codeOf(() => reserveRefund(held, 301))).toBe('amount_exceeds_refundable');
    expect(refundable(winDispute(held, 700))).toBe(1000);
    expect(loseDispute(held, 700)).toMatchObject({ dispute_held: 0, dispute_lost: 700 });
    expect(refundable(loseDispute(held, 700))).toBe(300);
  });

  it('settles captured money and not more', () => {
    expect(settle(settle(captured, 400), 600).settled).toBe(1000);
    expect(codeOf(() => settle(captured, 1001))).toBe('invalid_payment_state');
    expect(codeOf(() => settle(authorized, 1))).toBe('invalid_payment_state');
  });

  it.each([0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])('refuses an amount of %s', (amount) => {
    for (const transition of [reserveCapture, postCapture, reserveRefund, postRefund, settle, holdDispute]) {
      expect(codeOf(() => transition(captured, amount))).toBe('invalid_amount');
    }
  });
});

describe('assertCounters', () => {
  it.each<[string, Partial<Counters>]>([
    ['a negative counter', { captured: -1 }],
    ['a fraction', { authorized: 0.5 }],
    ['a counter that is no number', { settled: Number.NaN }],
    ['more captured than authorized', { authorized: 10, captured: 11 }],
    ['more reserved than authorized', { authorized: 10, captured: 6, capture_pending: 5 }],
    ['more released than left', { authorized: 10, captured: 6, released: 5 }],
    ['more refunded than captured', { authorized: 10, captured: 6, refunded: 7 }],
    ['refunds and disputes over captures', { authorized: 10, captured: 6, refund_pending: 4, dispute_held: 3 }],
    ['more settled than captured', { authorized: 10, captured: 6, settled: 7 }],
  ])('finds %s', (_, change) => {
    expect(() => assertCounters({ ...NO_COUNTERS, ...change })).toThrow(CounterError);
  });

  it('accepts what is exactly full', () => {
    const full = { ...NO_COUNTERS, authorized: 10, captured: 6, capture_pending: 3, released: 1 };
    expect(() =>
      assertCounters({ ...full, refunded: 2, refund_pending: 2, dispute_lost: 2, settled: 6 }),
    ).not.toThrow();
  });
});

describe('paymentStatus', () => {
  const released = releaseRemainder(authorized);
  const partly = postCapture(reserveCapture(authorized, 600), 600);
  const zero = openCounters(0);
  it.each<[string, Counters, ClosedBy | undefined]>([
    ['authorized', authorized, undefined],
    ['authorized', reserveCapture(authorized, 1000), undefined],
    ['partially_captured', partly, undefined],
    ['partially_captured', reserveCapture(partly, 400), undefined],
    ['partially_captured', postRefund(reserveRefund(partly, 600), 600), undefined],
    ['captured', captured, undefined],
    ['captured', releaseRemainder(partly), 'void'],
    ['captured', releaseRemainder(partly), 'expiry'],
    ['captured', postRefund(reserveRefund(captured, 999), 999), undefined],
    ['captured', settle(captured, 1000), undefined],
    ['captured', loseDispute(holdDispute(captured, 1000), 1000), undefined],
    ['refunded', postRefund(reserveRefund(captured, 1000), 1000), undefined],
    ['voided', released, 'void'],
    ['voided', released, undefined],
    ['expired', released, 'expiry'],
    ['authorized', zero, undefined],
    ['voided', zero, 'void'],
    ['expired', zero, 'expiry'],
  ])('is %s for %o', (status, counters, closedBy) => {
    expect(paymentStatus(counters, 'open', closedBy)).toBe(status);
  });

  it.each(['authorizing', 'auth_unknown', 'pending', 'failed', 'needs_review'] as const)('is the phase %s', (phase) => {
    expect(paymentStatus(NO_COUNTERS, phase)).toBe(phase);
  });
});
