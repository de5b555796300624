import { Stripe } from 'stripe';
import type { Endpoint } from '../controls.ts';
import type { Message } from '../deliveries.ts';
import type { OperationRow, StoredPayment } from '../operations.ts';
import { renderEvent } from './render.ts';

/** An event, signed as Stripe signs: by the SDK's own function. */
export function stripeMessage(to: Endpoint, eventId: string, row: OperationRow, payment: StoredPayment): Message {
  const payload = JSON.stringify(renderEvent(eventId, row, payment));
  const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret: to.secret });
  return { url: to.url, headers: { 'stripe-signature': signature }, body: payload };
}
