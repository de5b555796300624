/** Refusal reason codes and texts of Adyen (https://docs.adyen.com/development-resources/refusal-reasons) for our codes. */
const REFUSALS: Readonly<Record<string, readonly [code: string, reason: string]>> = {
  generic_decline: ['2', 'Refused'],
  issuer_unavailable: ['9', 'Issuer Unavailable'],
  insufficient_funds: ['12', 'Not enough balance'],
  lost_card: ['5', 'Blocked Card'],
  expired_card: ['6', 'Expired Card'],
  suspected_fraud: ['20', 'FRAUD'],
  authentication_required: ['38', 'Authentication required'],
  amount_exceeds_capturable: ['', 'Insufficient balance on payment'],
  amount_exceeds_refundable: ['', 'Insufficient balance on payment'],
  not_adjustable: ['', 'Not supported'],
  nothing_to_increment: ['', 'Transaction already captured or cancelled'],
  nothing_to_void: ['', 'Transaction already captured or cancelled'],
  authorization_expired: ['', 'Authorisation expired'],
};

export const refusalOf = (code: string) => REFUSALS[code] ?? (['27', 'Declined Non Generic'] as const);
export const reasonOf = (code: string) => refusalOf(code)[1];
