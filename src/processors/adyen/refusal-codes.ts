import type { DefiniteClass } from '../code-table.ts';

/**
 * https://docs.adyen.com/development-resources/refusal-reasons: `refusalReasonCode` with the text that notifications
 * carry in its stead.
 */
const REFUSALS = {
  '2': ['Refused', 'soft_decline'],
  '3': ['Referral', 'soft_decline'],
  '4': ['Acquirer Error', 'soft_decline'],
  '5': ['Blocked Card', 'hard_decline'],
  '6': ['Expired Card', 'invalid_data'],
  '7': ['Invalid Amount', 'invalid_data'],
  '8': ['Invalid Card Number', 'invalid_data'],
  '9': ['Issuer Unavailable', 'soft_decline'],
  '10': ['Not supported', 'configuration'],
  '11': ['3D Not Authenticated', 'authentication_required'],
  '12': ['Not enough balance', 'insufficient_funds'],
  '14': ['Acquirer Fraud', 'fraud_block'],
  '15': ['Cancelled', 'hard_decline'],
  '16': ['Shopper Cancelled', 'hard_decline'],
  '17': ['Invalid Pin', 'invalid_data'],
  '18': ['Pin tries exceeded', 'hard_decline'],
  '19': ['Pin validation not possible', 'soft_decline'],
  '20': ['FRAUD', 'fraud_block'],
  '21': ['Not Submitted', 'soft_decline'],
  '22': ['FRAUD-CANCELLED', 'fraud_block'],
  '23': ['Transaction Not Permitted', 'hard_decline'],
  '24': ['CVC Declined', 'invalid_data'],
  '25': ['Restricted Card', 'hard_decline'],
  '26': ['Revocation Of Auth', 'hard_decline'],
  '27': ['Declined Non Generic', 'soft_decline'],
  '28': ['Withdrawal amount exceeded', 'insufficient_funds'],
  '29': ['Withdrawal count exceeded', 'insufficient_funds'],
  '31': ['Issuer Suspected Fraud', 'fraud_block'],
  '32': ['AVS Declined', 'invalid_data'],
  '33': ['Card requires online pin', 'authentication_required'],
  '34': ['No checking account available on Card', 'hard_decline'],
  '35': ['No savings account available on Card', 'hard_decline'],
  '36': ['Mobile pin required', 'authentication_required'],
  '37': ['Contactless fallback', 'authentication_required'],
  '38': ['Authentication required', 'authentication_required'],
  '39': ['RReq not received from DS', 'authentication_required'],
  '40': ['Current AID is in Penalty Box', 'hard_decline'],
  '41': ['CVM Required Restart Payment', 'authentication_required'],
  '42': ['3DS Authentication Error', 'authentication_required'],
  '43': ['Online PIN required', 'authentication_required'],
  '44': ['Try another interface', 'hard_decline'],
  '45': ['Chip downgrade mode', 'hard_decline'],
  '46': ['Transaction blocked by Adyen to prevent excessive retry fees', 'hard_decline'],
} as const satisfies Record<string, readonly [string, DefiniteClass]>;

/** https://docs.adyen.com/development-resources/error-codes: `errorCode` of a 4xx; nothing moved. */
const ERROR_CODES = {
  '010': 'configuration',
  '100': 'invalid_data',
  '101': 'invalid_data',
  '103': 'invalid_data',
  '129': 'invalid_data',
  '130': 'configuration',
  '137': 'invalid_data',
  '138': 'configuration',
  '140': 'invalid_data',
  '141': 'invalid_data',
  '167': 'invalid_data',
  '702': 'configuration',
  '704': 'duplicate',
  '800': 'invalid_data',
  '803': 'invalid_data',
  '901': 'configuration',
  '905': 'configuration',
} as const satisfies Record<string, DefiniteClass>;

/** Texts that a failed modification comes back with (https://docs.adyen.com/online-payments/capture#failed-capture). */
const MODIFICATION_REASONS = {
  'Insufficient balance on payment': 'invalid_data',
  'Transaction already captured or cancelled': 'invalid_data',
  'Authorisation expired': 'invalid_data',
} as const satisfies Record<string, DefiniteClass>;

type Table = Readonly<Record<string, DefiniteClass>>;

/** Each of a code, or of a text in notifications. */
export const ADYEN_CODES = {
  refusal: Object.fromEntries(Object.entries(REFUSALS).map(([code, [, cls]]) => [code, cls])) as Table,
  reason: {
    ...Object.fromEntries(Object.values(REFUSALS)),
    ...MODIFICATION_REASONS,
  } as Table,
  error: ERROR_CODES as Table,
};

export const ADYEN_REFUSALS = REFUSALS;
