import { createHmac, timingSafeEqual } from 'node:crypto';

/** https://docs.adyen.com/api-explorer/Checkout/71/overview: members that this adapter reads. */
export interface AdyenAmount {
  value: number;
  currency: string;
}

/** One item of a standard webhook (https://docs.adyen.com/development-resources/webhooks/webhook-types). */
export interface AdyenItem {
  eventCode: string;
  success: string;
  pspReference: string;
  originalReference?: string;
  merchantAccountCode: string;
  merchantReference: string;
  amount: AdyenAmount;
  reason?: string;
  eventDate?: string;
  additionalData?: Record<string, unknown>;
}

/**
 * The HMAC of an item: SHA-256 over eight members joined by colons, keyed by the bytes that the hexadecimal key names,
 * in base64 (https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures). `reason`,
 * `eventDate` and `additionalData` are not signed: nothing about money may hang on them.
 */
export function signItem(item: AdyenItem, hmacKeyHex: string): string {
  const signed = [
    item.pspReference,
    item.originalReference ?? '',
    item.merchantAccountCode,
    item.merchantReference,
    item.amount.value,
    item.amount.currency,
    item.eventCode,
    item.success,
  ].join(':');
  return createHmac('sha256', Buffer.from(hmacKeyHex, 'hex')).update(signed, 'utf8').digest('base64');
}

export function isSignedItem(item: AdyenItem, hmacKeyHex: string): boolean {
  const given = item.additionalData?.['hmacSignature'];
  if (typeof given !== 'string') return false;
  const expected = Buffer.from(signItem(item, hmacKeyHex), 'base64');
  const told = Buffer.from(given, 'base64');
  return told.length === expected.length && timingSafeEqual(told, expected);
}

/**
 * Our two ids in Adyen's one reference of a request (80 characters): it comes back in the answer, in the notification
 * and in the settlement file, and Adyen keeps no other member of ours in all three.
 */
export const referenceOf = (reference: string, operationId: string) => `${reference}.${operationId}`;

export function idsOf(merchantReference: string): { reference: string; operationId: string } | undefined {
  const dot = merchantReference.indexOf('.');
  if (dot < 1 || dot === merchantReference.length - 1) return undefined;
  return { reference: merchantReference.slice(0, dot), operationId: merchantReference.slice(dot + 1) };
}
