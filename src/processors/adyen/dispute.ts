import type { DisputeStatus } from '../../domain/payment/dispute.ts';
import type { Notified } from '../notified.ts';
import { fromAdyen } from './units.ts';
import type { AdyenItem } from './wire.ts';

/**
 * https://docs.adyen.com/risk-management/disputes-api/dispute-notifications/. The code alone is read: the status beside
 * it is not signed, and neither is the deadline, which would count money as lost when it passes. A chargeback that is
 * announced holds the money already, so that it is not refunded as well; one that was reversed holds it on, since the
 * issuer may still decline the defense (`SECOND_CHARGEBACK`). `INFORMATION_SUPPLIED` answers inquiries too, and moves
 * nothing.
 */
const STATUSES: Readonly<Record<string, DisputeStatus>> = {
  REQUEST_FOR_INFORMATION: 'inquiry',
  NOTIFICATION_OF_CHARGEBACK: 'opened',
  CHARGEBACK: 'opened',
  CHARGEBACK_REVERSED: 'challenged',
  DISPUTE_DEFENSE_PERIOD_ENDED: 'expired',
  SECOND_CHARGEBACK: 'lost',
  PREARBITRATION_LOST: 'lost',
  PREARBITRATION_WON: 'won',
  ISSUER_RESPONSE_TIMEFRAME_EXPIRED: 'won',
};

/** A dispute of Adyen: its own reference is the dispute's, the original one the payment's. */
export function disputeIn(item: AdyenItem): Pick<Notified, 'dispute'> {
  const { eventCode, pspReference, originalReference, amount, reason } = item;
  const status = Object.hasOwn(STATUSES, eventCode) ? STATUSES[eventCode] : undefined;
  const amountMinor = fromAdyen(amount.value, amount.currency);
  if (!status || !originalReference || amountMinor === undefined || amountMinor <= 0) return {};
  return {
    dispute: {
      processorDisputeId: pspReference,
      processorReference: originalReference,
      status,
      ...(typeof reason === 'string' ? { reason } : {}),
      amountMinor,
      currency: amount.currency,
    },
  };
}
