import { signItem, type AdyenItem } from '../../../adyen/wire.ts';
import type { Endpoint } from '../controls.ts';
import type { Message } from '../deliveries.ts';
import type { OperationRow, StoredPayment } from '../operations.ts';
import { reasonOf } from './render.ts';

const EVENTS = {
  authorize: 'AUTHORISATION',
  increment: 'AUTHORISATION_ADJUSTMENT',
  capture: 'CAPTURE',
  void: 'CANCELLATION',
  refund: 'REFUND',
} as const;

/** A standard webhook with one item, as Adyen sends them in JSON. */
export function adyenMessage(to: Endpoint, _eventId: string, row: OperationRow, payment: StoredPayment): Message {
  const isPayment = row.type === 'authorize';
  const authorization = payment.operations.find(({ type }) => type === 'authorize')!;
  const isReturned = row.state === 'returned';
  // What comes after a success is itself successful: it says by its name that the refund failed.
  const succeeded = row.state === 'succeeded' || isReturned;
  const wished = row.details?.['amount'];
  const value =
    typeof wished === 'number'
      ? wished
      : row.type === 'void' || (isPayment && succeeded)
        ? row.amount_minor
        : (row.requested_minor ?? 0);
  const item: AdyenItem = {
    eventCode: isReturned ? 'REFUND_FAILED' : EVENTS[row.type],
    success: String(succeeded),
    pspReference: isPayment
      ? row.processor_reference
      : ((row.details?.['psp_reference'] as string | undefined) ?? row.operation_id),
    ...(isPayment ? {} : { originalReference: row.processor_reference }),
    merchantAccountCode: row.mid,
    merchantReference: (row.details?.['reference'] as string | undefined) ?? authorization.reference,
    amount: { value, currency: row.currency },
    eventDate: new Date(row.decided_at ?? row.created_at).toISOString(),
    ...(row.code ? { reason: reasonOf(row.code) } : {}),
  };
  const signed = { ...item, additionalData: { hmacSignature: signItem(item, to.secret) } };
  const body = JSON.stringify({ live: 'false', notificationItems: [{ NotificationRequestItem: signed }] });
  return { url: to.url, headers: {}, body };
}
