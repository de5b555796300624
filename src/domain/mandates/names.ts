/** Under which A2A data key a mandate of AP2 v0.1 travels, and its name as a type here. */
export const LEGACY_TYPES = {
  intent: 'ap2.mandates.IntentMandate',
  cart: 'ap2.mandates.CartMandate',
  legacy_payment: 'ap2.mandates.PaymentMandate',
} as const;

/** Under which A2A data key a signed chain of v0.2 travels. */
export const TOKEN_KEYS = {
  payment: 'ap2.mandates.PaymentMandateSdJwt',
  checkout: 'ap2.mandates.CheckoutMandateSdJwt',
} as const;
