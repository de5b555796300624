import { Stripe } from 'stripe';
import { NotificationFormatError, NotificationSignatureError, type Notified } from '../notified.ts';
import type { ProcessorOutcome } from '../port.ts';
import { authorizationOf, captureIn, OPERATION_KEY, PAYMENT_KEY } from './intent.ts';
import { newsOfDispute } from './dispute.ts';
import { refundOutcome } from './refund.ts';

/** A signature is accepted this long after it was made, seconds; Stripe signs every attempt anew. */
const TOLERANCE_SECONDS = 300;

/**
 * An event of Stripe: the signature checked by the SDK over the bytes as received, then read.
 * Events carry no order; what they say is a reason to ask, and the answer counts.
 * @throws NotificationSignatureError, NotificationFormatError
 */
export function parseStripeNotification(rawBody: Buffer, header: unknown, secret: string, now: Date): Notified {
  const event = verified(rawBody, header, secret, now);
  const object: unknown = (event as { data?: { object?: unknown } }).data?.object;
  if (typeof event.id !== 'string' || typeof event.type !== 'string' || typeof object !== 'object' || object === null) {
    throw new NotificationFormatError('it is no event of Stripe');
  }
  const head = { eventId: event.id, event: event.type };
  const kind = (object as { object?: unknown }).object;
  try {
    if (kind === 'payment_intent') return { ...head, ...newsOfIntent(event.type, object as Stripe.PaymentIntent) };
    if (kind === 'dispute') return { ...head, ...newsOfDispute(object as Stripe.Dispute) };
    if (kind === 'refund') return { ...head, ...newsOfRefund(event.type, object as Stripe.Refund) };
  } catch (error) {
    if (error instanceof TypeError) throw new NotificationFormatError('its object is not readable', { cause: error });
    throw error;
  }
  return head;
}

function verified(rawBody: Buffer, header: unknown, secret: string, now: Date): Stripe.Event {
  if (typeof header !== 'string') throw new NotificationSignatureError('missing');
  const at = Math.floor(now.getTime() / 1000);
  try {
    return Stripe.webhooks.constructEvent(rawBody, header, secret, TOLERANCE_SECONDS, undefined, at * 1000);
  } catch (error) {
    if (error instanceof Stripe.errors.StripeSignatureVerificationError) {
      throw new NotificationSignatureError(/tolerance/.test(error.message) ? 'expired' : 'mismatch');
    }
    throw new NotificationFormatError('the body is not JSON');
  }
}

type News = Pick<Notified, 'news'>;

/** The newest thing that was done to the intent: our operation ids grow with time. */
function newsOfIntent(type: string, intent: Stripe.PaymentIntent): News {
  const reference = intent.metadata[PAYMENT_KEY];
  const authorization = intent.metadata[OPERATION_KEY];
  if (reference === undefined || authorization === undefined) return {};
  const captures = Object.keys(intent.metadata).filter((id) => /^capture:\d/.test(intent.metadata[id]!));
  const latest = captures.sort().at(-1);
  // It does not say which void it was; whoever sent that one asks by itself.
  if (type === 'payment_intent.canceled') return {};
  if (latest === undefined) return news('authorize', reference, authorization, authorizationOf(intent));
  const found = captureIn(intent, latest);
  return found.status === 'found' ? news('capture', reference, latest, found.outcome) : {};
}

function newsOfRefund(type: string, refund: Stripe.Refund): Pick<Notified, 'news' | 'takesBack'> {
  const reference = refund.metadata?.[PAYMENT_KEY];
  const operationId = refund.metadata?.[OPERATION_KEY];
  if (reference === undefined || operationId === undefined) return {};
  const outcome = refundOutcome(refund);
  const takesBack = outcome.status === 'failed' ? { takesBack: true as const } : {};
  return { ...news('refund', reference, operationId, outcome), ...takesBack };
}

function news(
  operation: NonNullable<Notified['news']>['operation'],
  reference: string,
  operationId: string,
  outcome: ProcessorOutcome,
): News {
  return { news: { operation, reference, operationId, outcome } };
}
