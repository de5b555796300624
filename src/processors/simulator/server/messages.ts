/** The sentence beside each code that the processor answers with. */
const MESSAGES: Readonly<Record<string, string>> = {
  insufficient_funds: 'The account has insufficient funds.',
  lost_card: 'The card was reported lost.',
  generic_decline: 'The issuer declined without a reason.',
  authentication_required: 'The issuer wants the payer to be authenticated first.',
  reference_mismatch: 'The payment has another reference.',
  currency_mismatch: 'The payment is in another currency.',
  authorization_expired: 'The hold has expired.',
  amount_exceeds_capturable: 'More than what is left of the hold.',
  amount_exceeds_refundable: 'More than was captured and is not refunded.',
  nothing_to_void: 'Nothing is left of the hold.',
  nothing_to_increment: 'There is no hold to raise.',
  payment_not_found: 'This account has no such payment.',
  dispute_not_found: 'This account has no such dispute.',
  dispute_closed: 'The dispute is over.',
  evidence_too_late: 'The deadline for evidence has passed.',
  refund_returned: 'The bank of the payee sent it back.',
  payment_pending: 'The authorization is not decided yet.',
  invalid_token: 'No such payment token.',
  idempotency_conflict: 'The Idempotency-Key came before with another request.',
};

export function messageOf(code: string): string {
  return MESSAGES[code] ?? code;
}
