import type { JsonObject } from '../sd-jwt/encoding.ts';

/** Errors of a receipt (AP2 v0.2, agent authorization). */
export type ReceiptError =
  | 'invalid_credential'
  | 'unresolved_constraint'
  | 'invalid_mandate'
  | 'mandate_already_used'
  | 'mandates_not_supported';

interface ReceiptBase {
  /** Whoever verified the mandate and signs this. */
  iss: string;
  /** Epoch seconds. */
  iat: number;
  /** `referenceOf` the mandate. */
  reference: string;
  payment_id: string;
}

/** A success names what the processor and the network confirmed; neither id may be made up. */
export type PaymentReceipt =
  | (ReceiptBase & { status: 'Success'; psp_confirmation_id: string; network_confirmation_id: string })
  | (ReceiptBase & { status: 'Error'; error: ReceiptError; error_description: string });

const ALWAYS = ['iss', 'reference', 'payment_id'];
const BY_STATUS: Record<string, { required: string[]; absent: string[] }> = {
  Success: { required: ['psp_confirmation_id', 'network_confirmation_id'], absent: ['error', 'error_description'] },
  Error: { required: ['error', 'error_description'], absent: ['psp_confirmation_id', 'network_confirmation_id'] },
};

/** Members that are missing, of another form, or at odds with the status (payment_receipt.json of AP2 v0.2). */
export function malformedReceiptMembers(claims: JsonObject): string[] {
  const status = typeof claims['status'] === 'string' ? claims['status'] : '';
  const demands = Object.hasOwn(BY_STATUS, status) ? BY_STATUS[status] : undefined;
  if (demands === undefined) return ['status'];
  return [
    ...[...ALWAYS, ...demands.required].filter((name) => typeof claims[name] !== 'string' || claims[name] === ''),
    ...demands.absent.filter((name) => claims[name] !== undefined),
    ...(Number.isSafeInteger(claims['iat']) ? [] : ['iat']),
  ];
}
