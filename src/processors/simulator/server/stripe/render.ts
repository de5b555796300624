import type { OperationRow, StoredPayment } from '../operations.ts';
import { messageOf } from '../messages.ts';

/** Codes that Stripe answers as errors of the card, with `card_declined` or themselves as the code. */
const OWN_CODE = new Set(['expired_card', 'incorrect_cvc', 'processing_error', 'authentication_required']);

const seconds = (time: string) => Math.floor(Date.parse(time) / 1000);
const chargeId = (intentId: string) => intentId.replace(/^pi_/, 'ch_');

/** The error of a declined card, in the shape of https://docs.stripe.com/api/errors. */
export function cardError(code: string, intent?: object): Record<string, unknown> {
  return {
    type: 'card_error',
    code: OWN_CODE.has(code) ? code : 'card_declined',
    decline_code: code,
    message: messageOf(code),
    ...(intent ? { payment_intent: intent } : {}),
  };
}

/** A PaymentIntent as it is now, with the members of the API that a payment by card has. */
export function renderIntent(id: string, { operations, counters }: StoredPayment): Record<string, unknown> {
  const authorization = operations.find(({ type }) => type === 'authorize')!;
  const done = operations.filter(({ state }) => state === 'succeeded');
  const metadata = Object.assign(
    {},
    authorization.details?.['metadata'],
    ...done.map((row) => row.details?.['metadata']),
  );
  const status = statusOf(authorization, counters, done);
  const capturable = counters ? counters.authorized - counters.captured - counters.released : 0;
  const declined = authorization.state === 'declined' ? cardError(authorization.code!) : null;
  return {
    id,
    object: 'payment_intent',
    amount: (authorization.requested_minor ?? 0) + addedBy(done),
    amount_capturable: counters?.expired ? 0 : capturable,
    amount_received: counters?.captured ?? 0,
    canceled_at: status === 'canceled' ? seconds(authorization.created_at) : null,
    cancellation_reason: status === 'canceled' ? reasonOf(counters!, done) : null,
    capture_method: authorization.automatic ? 'automatic' : 'manual',
    created: seconds(authorization.created_at),
    currency: authorization.currency.toLowerCase(),
    last_payment_error: declined,
    latest_charge: counters ? renderCharge(id, authorization, counters) : null,
    livemode: false,
    metadata,
    status,
  };
}

const addedBy = (done: OperationRow[]) =>
  done.reduce((sum, { type, amount_minor }) => sum + (type === 'increment' ? amount_minor : 0), 0);

function statusOf(authorization: OperationRow, counters: StoredPayment['counters'], done: OperationRow[]): string {
  if (authorization.state === 'pending') return 'processing';
  if (!counters) return 'requires_payment_method';
  const isLetGo = counters.expired || done.some(({ type }) => type === 'void');
  if (isLetGo) return 'canceled';
  return counters.captured + counters.released === counters.authorized ? 'succeeded' : 'requires_capture';
}

function reasonOf(counters: { expired: boolean }, done: OperationRow[]): string {
  const cancelled = done.find(({ type }) => type === 'void');
  if (counters.expired && !cancelled) return 'automatic';
  return typeof cancelled?.details?.['reason'] === 'string' ? cancelled.details['reason'] : 'requested_by_customer';
}

function renderCharge(
  id: string,
  authorization: OperationRow,
  counters: NonNullable<StoredPayment['counters']>,
): object {
  return {
    id: chargeId(id),
    object: 'charge',
    amount: authorization.requested_minor,
    amount_captured: counters.captured,
    captured: counters.captured > 0,
    created: seconds(authorization.created_at),
    currency: authorization.currency.toLowerCase(),
    payment_intent: id,
    payment_method_details: {
      type: 'card',
      card: {
        amount_authorized: counters.authorized,
        brand: 'visa',
        last4: '4242',
        ...(authorization.expires_at ? { capture_before: seconds(authorization.expires_at) } : {}),
      },
    },
    status: 'succeeded',
  };
}

const REFUND_STATES = {
  succeeded: 'succeeded',
  pending: 'pending',
  declined: 'failed',
  refused: 'failed',
  returned: 'failed',
} as const;

export function renderRefund(row: OperationRow): Record<string, unknown> {
  return {
    id: String(row.details?.['refund']),
    object: 'refund',
    amount: row.requested_minor,
    charge: chargeId(row.processor_reference),
    created: seconds(row.created_at),
    currency: row.currency.toLowerCase(),
    metadata: row.details?.['metadata'] ?? {},
    payment_intent: row.processor_reference,
    status: REFUND_STATES[row.state],
    ...(row.code ? { failure_reason: row.state === 'declined' ? 'declined' : 'unknown' } : {}),
  };
}

/** The event about an operation (https://docs.stripe.com/api/events/types), as things are when it leaves. */
export function renderEvent(eventId: string, row: OperationRow, payment: StoredPayment): object {
  const isRefund = row.type === 'refund';
  const object = isRefund ? renderRefund(row) : renderIntent(row.processor_reference, payment);
  return {
    id: eventId,
    object: 'event',
    api_version: '2026-10-28.endive',
    created: seconds(row.decided_at ?? row.created_at),
    data: { object },
    livemode: false,
    pending_webhooks: 1,
    request: { id: null, idempotency_key: row.operation_id },
    type: isRefund
      ? row.state === 'returned'
        ? 'refund.failed'
        : 'charge.refund.updated'
      : `payment_intent.${happening(row, String(object['status']))}`,
  };
}

function happening({ type, state, automatic }: OperationRow, status: string): string {
  if (type === 'void') return 'canceled';
  if (type === 'authorize' && state !== 'succeeded') return state === 'pending' ? 'processing' : 'payment_failed';
  if (type === 'authorize') return automatic ? 'succeeded' : 'amount_capturable_updated';
  return status === 'succeeded' ? 'succeeded' : 'amount_capturable_updated';
}
