import { Stripe } from 'stripe';
import { describe, expect, it } from 'vitest';
import { parseStripeNotification } from '../../src/processors/stripe/notification.ts';

const SECRET = 'whsec_test';

function told(more: object) {
  const dispute = {
    id: 'dp_1',
    object: 'dispute',
    amount: 500,
    currency: 'eur',
    payment_intent: 'pi_1',
    reason: 'fraudulent',
    status: 'needs_response',
    evidence_details: { due_by: 1_800_000_000 },
    ...more,
  };
  const event = { id: 'evt_1', object: 'event', type: 'charge.dispute.updated', data: { object: dispute } };
  const payload = JSON.stringify(event);
  const header = Stripe.webhooks.generateTestHeaderString({ payload, secret: SECRET });
  return parseStripeNotification(Buffer.from(payload), header, SECRET, new Date());
}

describe('a dispute that Stripe tells of', () => {
  it.each([
    ['warning_needs_response', 'inquiry'],
    ['warning_under_review', 'inquiry'],
    ['warning_closed', 'withdrawn'],
    ['prevented', 'withdrawn'],
    ['needs_response', 'opened'],
    ['under_review', 'challenged'],
    ['won', 'won'],
    ['lost', 'lost'],
  ])('as %s is %s, at the payment of the intent', (status, expected) => {
    expect(told({ status }).dispute).toEqual({
      processorDisputeId: 'dp_1',
      processorReference: 'pi_1',
      status: expected,
      reason: 'fraudulent',
      amountMinor: 500,
      currency: 'EUR',
      evidenceDueAt: '2027-01-15T08:00:00.000Z',
    });
  });

  it.each([
    ['a status that nobody knows', { status: 'toString' }],
    ['no intent', { payment_intent: null }],
    ['no amount', { amount: 0 }],
  ])('with %s is kept, and nobody acts on it', (_, more) => {
    expect(told(more)).toEqual({ eventId: 'evt_1', event: 'charge.dispute.updated' });
  });

  it('that is not readable is refused', () => {
    expect(() => told({ currency: 7 })).toThrow('its object is not readable');
  });
});
