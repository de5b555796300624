import type { Stripe } from 'stripe';
import type { DisputeStatus } from '../../domain/payment/dispute.ts';
import type { Notified } from '../notified.ts';
import { fromStripe } from './units.ts';

/**
 * https://docs.stripe.com/api/disputes/object#dispute_object-status. A warning is an inquiry: nothing is withheld, also
 * while it is under review; one that is closed never became a dispute.
 */
const STATUSES: Readonly<Record<string, DisputeStatus>> = {
  warning_needs_response: 'inquiry',
  warning_under_review: 'inquiry',
  warning_closed: 'withdrawn',
  prevented: 'withdrawn',
  needs_response: 'opened',
  under_review: 'challenged',
  won: 'won',
  lost: 'lost',
};

/** A dispute of Stripe: found by the PaymentIntent, since it carries none of our names. */
export function newsOfDispute(dispute: Stripe.Dispute): Pick<Notified, 'dispute'> {
  const intent = typeof dispute.payment_intent === 'string' ? dispute.payment_intent : dispute.payment_intent?.id;
  const status = Object.hasOwn(STATUSES, dispute.status) ? STATUSES[dispute.status] : undefined;
  const currency = dispute.currency.toUpperCase();
  const amountMinor = fromStripe(dispute.amount, dispute.currency);
  if (intent === undefined || status === undefined || typeof dispute.id !== 'string') return {};
  if (amountMinor === undefined || amountMinor <= 0) return {};
  const due = dispute.evidence_details?.due_by;
  return {
    dispute: {
      processorDisputeId: dispute.id,
      processorReference: intent,
      status,
      ...(typeof dispute.reason === 'string' ? { reason: dispute.reason } : {}),
      amountMinor,
      currency,
      ...(typeof due === 'number' ? { evidenceDueAt: new Date(due * 1000).toISOString() } : {}),
    },
  };
}
