import { behaviourOf, type TokenBehaviour } from '../tokens.ts';

/** PaymentMethods that Stripe publishes for tests (https://docs.stripe.com/testing), as far as they end differently. */
const PUBLISHED: Readonly<Record<string, TokenBehaviour>> = {
  pm_card_visa: {},
  pm_card_mastercard: {},
  pm_card_amex: {},
  pm_card_chargeDeclined: { declineCode: 'generic_decline' },
  pm_card_visa_chargeDeclined: { declineCode: 'generic_decline' },
  pm_card_chargeDeclinedInsufficientFunds: { declineCode: 'insufficient_funds' },
  pm_card_visa_chargeDeclinedInsufficientFunds: { declineCode: 'insufficient_funds' },
  pm_card_visa_chargeDeclinedLostCard: { declineCode: 'lost_card' },
  pm_card_visa_chargeDeclinedStolenCard: { declineCode: 'stolen_card' },
  pm_card_chargeDeclinedExpiredCard: { declineCode: 'expired_card' },
  pm_card_chargeDeclinedIncorrectCvc: { declineCode: 'incorrect_cvc' },
  pm_card_chargeDeclinedProcessingError: { declineCode: 'processing_error' },
  pm_card_radarBlock: { declineCode: 'fraudulent' },
  pm_card_authenticationRequired: { declineCode: 'authentication_required' },
};

/** Besides those, `pm_x` behaves as `tok_x` of the plain format. */
export function stripeBehaviour(paymentMethod: string, processor: string): TokenBehaviour | undefined {
  if (Object.hasOwn(PUBLISHED, paymentMethod)) return PUBLISHED[paymentMethod];
  return paymentMethod.startsWith('pm_') ? behaviourOf(`tok_${paymentMethod.slice(3)}`, processor) : undefined;
}
