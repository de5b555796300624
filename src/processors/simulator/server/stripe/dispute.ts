import { Stripe } from 'stripe';
import type { DisputeStatus } from '../../../../domain/payment/dispute.ts';
import type { DisputeView } from '../../dispute-wire.ts';
import type { Endpoint } from '../controls.ts';
import type { Message } from '../deliveries.ts';

const STATUSES: Readonly<Record<DisputeStatus, string>> = {
  inquiry: 'warning_needs_response',
  opened: 'needs_response',
  challenged: 'under_review',
  won: 'won',
  lost: 'lost',
  accepted: 'lost',
  expired: 'lost',
  withdrawn: 'prevented',
};

/** `charge.dispute.*` (https://docs.stripe.com/api/events/types), as the dispute was when it changed. */
export function stripeDisputeMessage(
  to: Endpoint,
  eventId: string,
  dispute: DisputeView,
  processorReference: string,
): Message {
  const { status, evidence_due_at: due } = dispute;
  const isOver = !['inquiry', 'opened', 'challenged'].includes(status);
  const payload = JSON.stringify({
    id: eventId,
    object: 'event',
    api_version: '2026-10-28.endive',
    created: Math.floor(Date.now() / 1000),
    data: {
      object: {
        id: dispute.dispute_id,
        object: 'dispute',
        amount: dispute.amount_minor,
        charge: processorReference.replace(/^pi_/, 'ch_'),
        currency: dispute.currency.toLowerCase(),
        evidence_details: {
          due_by: due === undefined ? null : Math.floor(Date.parse(due) / 1000),
          has_evidence: false,
        },
        livemode: false,
        metadata: {},
        payment_intent: processorReference,
        reason: dispute.reason,
        status: STATUSES[status],
      },
    },
    livemode: false,
    pending_webhooks: 1,
    request: { id: null, idempotency_key: null },
    type: `charge.dispute.${isOver ? 'closed' : status === 'challenged' ? 'updated' : 'created'}`,
  });
  const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: to.secret });
  return { url: to.url, headers: { 'stripe-signature': signature }, body: payload };
}
