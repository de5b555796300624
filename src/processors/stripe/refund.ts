import type { Stripe } from 'stripe';
import { classIn } from '../code-table.ts';
import { failed } from '../outcomes.ts';
import type { ProcessorOutcome } from '../port.ts';
import { fromStripe } from './units.ts';
import { STRIPE_CODES } from './decline-codes.ts';

/** A refund of Stripe as an outcome. `requires_action` waits for the payee, as `pending` does for the bank. */
export function refundOutcome(refund: Stripe.Refund): ProcessorOutcome {
  const intent = typeof refund.payment_intent === 'string' ? refund.payment_intent : refund.payment_intent?.id;
  const amountMinor = fromStripe(refund.amount, refund.currency);
  if (refund.object !== 'refund' || intent === undefined || amountMinor === undefined || amountMinor <= 0) {
    return { status: 'unknown', reason: 'unreadable answer' };
  }
  switch (refund.status) {
    case 'succeeded':
      return { status: 'succeeded', processorReference: intent, amountMinor };
    case 'pending':
    case 'requires_action':
      return { status: 'pending', processorReference: intent };
    case 'failed':
    case 'canceled': {
      const code = refund.failure_reason ?? 'unknown';
      return failed(classIn(STRIPE_CODES.refund, code), code, 'The refund came back.');
    }
    case null:
    default:
      return { status: 'unknown', reason: `a refund that is ${String(refund.status)}` };
  }
}
