import type { DisputeStatus } from '../../../../domain/payment/dispute.ts';
import { signItem, type AdyenItem } from '../../../adyen/wire.ts';
import type { DisputeView } from '../../dispute-wire.ts';
import type { Endpoint } from '../controls.ts';
import type { Message } from '../deliveries.ts';

const EVENTS: Readonly<Record<DisputeStatus, string>> = {
  inquiry: 'REQUEST_FOR_INFORMATION',
  opened: 'CHARGEBACK',
  challenged: 'CHARGEBACK_REVERSED',
  won: 'ISSUER_RESPONSE_TIMEFRAME_EXPIRED',
  withdrawn: 'PREARBITRATION_WON',
  lost: 'SECOND_CHARGEBACK',
  accepted: 'SECOND_CHARGEBACK',
  expired: 'SECOND_CHARGEBACK',
};

/** A standard webhook about a dispute (https://docs.adyen.com/risk-management/disputes-api/dispute-notifications/). */
export function adyenDisputeMessage(
  to: Endpoint,
  { dispute, mid, processorReference }: { dispute: DisputeView; mid: string; processorReference: string },
): Message {
  const item: AdyenItem = {
    eventCode: EVENTS[dispute.status],
    success: 'true',
    pspReference: dispute.dispute_id,
    originalReference: processorReference,
    merchantAccountCode: mid,
    merchantReference: dispute.reference,
    amount: { value: dispute.amount_minor, currency: dispute.currency },
    reason: dispute.reason,
    eventDate: new Date().toISOString(),
  };
  const signed = { ...item, additionalData: { hmacSignature: signItem(item, to.secret) } };
  const body = JSON.stringify({ live: 'false', notificationItems: [{ NotificationRequestItem: signed }] });
  return { url: to.url, headers: {}, body };
}
