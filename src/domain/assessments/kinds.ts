import { LEGACY_TYPES, TOKEN_KEYS } from '../mandates/names.ts';
import { isMandateType, MANDATE_TYPES } from '../mandates/types.ts';

/** What can be assessed. */
export const KINDS = ['ap2_payment', 'message_send', 'voice_call', 'claim_document', 'custom'] as const;
export type Kind = (typeof KINDS)[number];

const AP2_TYPES: readonly string[] = [...MANDATE_TYPES, ...Object.values(LEGACY_TYPES), ...Object.values(TOKEN_KEYS)];

export function isAp2Type(type: string): boolean {
  return AP2_TYPES.includes(type);
}

/** Whether a mandate that turned out to be `found` may be called `said`. */
export function isNamed(said: string, found: string): boolean {
  if (said === found) return true;
  if (!isMandateType(found)) return false;
  const key = found.startsWith('mandate.payment') ? TOKEN_KEYS.payment : TOKEN_KEYS.checkout;
  return said === key;
}

/** The action that an assessment of this kind is about, for scopes and policies. */
export const ACTION_OF: Record<Kind, string> = {
  ap2_payment: 'payment.authorize',
  message_send: 'message.send',
  voice_call: 'voice.call',
  claim_document: 'claim.document',
  custom: 'custom',
};
