import { classIn, type DefiniteClass } from '../code-table.ts';

/** Code of the plain wire format → failure class. Each code is a definite no: nothing moved. */
export const DECLINE_CLASSES: Readonly<Record<string, DefiniteClass>> = {
  // the issuer's answers
  generic_decline: 'soft_decline',
  do_not_honor: 'soft_decline',
  issuer_unavailable: 'soft_decline',
  insufficient_funds: 'insufficient_funds',
  limit_exceeded: 'insufficient_funds',
  lost_card: 'hard_decline',
  stolen_card: 'hard_decline',
  closed_account: 'hard_decline',
  invalid_account: 'hard_decline',
  authentication_required: 'authentication_required',
  suspected_fraud: 'fraud_block',
  incorrect_cvc: 'invalid_data',
  expired_card: 'invalid_data',
  invalid_token: 'invalid_data',
  // the processor's rules
  amount_exceeds_capturable: 'invalid_data',
  amount_exceeds_refundable: 'invalid_data',
  authorization_expired: 'invalid_data',
  nothing_to_void: 'invalid_data',
  nothing_to_increment: 'invalid_data',
  currency_mismatch: 'invalid_data',
  reference_mismatch: 'invalid_data',
  payment_pending: 'invalid_data',
  payment_not_found: 'invalid_data',
  invalid_request: 'invalid_data',
  idempotency_key_required: 'invalid_data',
  idempotency_conflict: 'duplicate',
  unauthorized: 'configuration',
  mid_inactive: 'configuration',
  currency_not_supported: 'configuration',
  // documented no-ops
  unavailable: 'throttled',
  rate_limited: 'throttled',
};

export function classOfCode(code: string): DefiniteClass {
  return classIn(DECLINE_CLASSES, code);
}
