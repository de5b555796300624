import type { Stripe } from 'stripe';
import { failed } from '../outcomes.ts';
import type { ProcessorOutcome, QueryOutcome } from '../port.ts';
import { declined } from './failures.ts';
import { fromStripe } from './units.ts';

/** Members of `metadata` by which a payment and its operations are found again. */
export const PAYMENT_KEY = 'prokura_payment';
export const OPERATION_KEY = 'prokura_operation';

/** A capture writes what it is into the intent it changes: Stripe keeps no other list of captures. */
export const captureMark = (operationId: string, amount: number) => ({ [operationId]: `capture:${amount}` });

/** The sum that an increment has raised the hold to. */
export const incrementMark = (operationId: string, amount: number) => ({ [operationId]: `increment:${amount}` });

/** Checked by hand: the types of the SDK are promises about a body that nobody read. */
export function isIntentOf(intent: Stripe.PaymentIntent, reference: string): boolean {
  return (
    intent.object === 'payment_intent' &&
    typeof intent.id === 'string' &&
    intent.metadata?.[PAYMENT_KEY] === reference &&
    [intent.amount, intent.amount_received, intent.amount_capturable].every(isAmount) &&
    typeof intent.currency === 'string'
  );
}

const isAmount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;

/** How the authorization ended, whatever happened to the money since; the charge tells what was approved. */
export function authorizationOf(intent: Stripe.PaymentIntent): ProcessorOutcome {
  const charge = typeof intent.latest_charge === 'object' ? intent.latest_charge : null;
  const error = intent.last_payment_error;
  if (intent.status === 'processing') return { status: 'pending', processorReference: intent.id };
  if (intent.status === 'requires_action') {
    return failed(
      'authentication_required',
      'requires_action',
      'The issuer wants the payer to be authenticated first.',
    );
  }
  if (intent.status === 'requires_payment_method' && error) {
    return declined([error.decline_code, error.code], error.message ?? 'declined', error.advice_code);
  }
  if (!charge || charge.status !== 'succeeded') {
    return { status: 'unknown', reason: `the payment is ${intent.status} without a charge` };
  }
  const card = charge.payment_method_details?.card;
  const amount = fromStripe(card?.amount_authorized ?? charge.amount, intent.currency);
  if (amount === undefined) return { status: 'unknown', reason: 'an amount that is no amount of ours' };
  return {
    status: 'succeeded',
    processorReference: intent.id,
    amountMinor: amount,
    ...(card?.capture_before ? { expiresAt: new Date(card.capture_before * 1000).toISOString() } : {}),
    ...(intent.capture_method === 'manual' ? {} : { captured: true }),
  };
}

/** A capture by its mark. The marks must not claim more than Stripe says was received. */
export function captureIn(intent: Stripe.PaymentIntent, operationId: string): QueryOutcome {
  const marks = Object.entries(intent.metadata)
    .filter(([, value]) => /^capture:\d{1,16}$/.test(value))
    .map(([id, value]) => ({ id, amount: Number(value.slice(8)) }));
  const mark = marks.find(({ id }) => id === operationId);
  if (!mark) return { status: 'absent' };
  const claimed = marks.reduce((sum, { amount }) => sum + amount, 0);
  const amountMinor = fromStripe(mark.amount, intent.currency);
  if (claimed > intent.amount_received || amountMinor === undefined) {
    return { status: 'unanswered', reason: 'the marks of captures and the amount received contradict each other' };
  }
  return { status: 'found', outcome: { status: 'succeeded', processorReference: intent.id, amountMinor } };
}

/** An increment by its mark, which is written with it or not at all. */
export function incrementIn(intent: Stripe.PaymentIntent, operationId: string): QueryOutcome {
  const sum = /^increment:(\d{1,16})$/.exec(intent.metadata[operationId] ?? '')?.[1];
  const amountMinor = sum === undefined ? undefined : fromStripe(Number(sum), intent.currency);
  if (amountMinor === undefined) return { status: 'absent' };
  return { status: 'found', outcome: { status: 'succeeded', processorReference: intent.id, amountMinor } };
}

/** What a cancellation let go. Who cancelled is told by the reason: we give `abandoned`, an expiry says so. */
export function voidIn(intent: Stripe.PaymentIntent): QueryOutcome {
  if (intent.status === 'requires_capture') return { status: 'absent' };
  if (intent.status !== 'canceled') {
    const outcome = failed('invalid_data', 'payment_intent_unexpected_state', 'Nothing is left of the hold.');
    return { status: 'found', outcome };
  }
  if (intent.cancellation_reason !== 'abandoned') {
    const outcome = failed('invalid_data', 'capture_charge_authorization_expired', 'The hold has ended by itself.');
    return { status: 'found', outcome };
  }
  return { status: 'found', outcome: releasedBy(intent) };
}

export function releasedBy(intent: Stripe.PaymentIntent): ProcessorOutcome {
  const charge = typeof intent.latest_charge === 'object' ? intent.latest_charge : null;
  const held = charge?.payment_method_details?.card?.amount_authorized ?? charge?.amount ?? intent.amount;
  const amountMinor = fromStripe(held - intent.amount_received, intent.currency);
  if (intent.amount_capturable !== 0 || amountMinor === undefined || amountMinor < 0) {
    return { status: 'unknown', reason: `cancelled, and yet ${intent.status}` };
  }
  return { status: 'succeeded', processorReference: intent.id, amountMinor };
}
