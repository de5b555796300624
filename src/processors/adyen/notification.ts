import { classIn } from '../code-table.ts';
import { NotificationFormatError, NotificationSignatureError, type Notified } from '../notified.ts';
import { failed } from '../outcomes.ts';
import type { ProcessorOutcome } from '../port.ts';
import { disputeIn } from './dispute.ts';
import { ADYEN_CODES } from './refusal-codes.ts';
import { fromAdyen } from './units.ts';
import { type AdyenItem, idsOf, isSignedItem } from './wire.ts';

const OPERATIONS: Readonly<Record<string, NonNullable<Notified['news']>['operation']>> = {
  AUTHORISATION: 'authorize',
  AUTHORISATION_ADJUSTMENT: 'increment',
  CAPTURE: 'capture',
  CAPTURE_FAILED: 'capture',
  CANCELLATION: 'void',
  TECHNICAL_CANCEL: 'void',
  REFUND: 'refund',
  REFUND_FAILED: 'refund',
  REFUNDED_REVERSED: 'refund',
};
/** Come after a success, and are themselves successful: what they say is that it failed. */
const TAKES_BACK = new Set(['CAPTURE_FAILED', 'REFUND_FAILED', 'REFUNDED_REVERSED']);

/**
 * A standard webhook: every item checked, then read. One item that is not signed refuses them all.
 * There is no age to check: the signature covers no time. A repeated item is known by its event id, which is made of
 * signed members only.
 * @param mid the merchant account that the items must be of
 * @throws NotificationSignatureError, NotificationFormatError
 */
export function parseAdyenNotification(body: unknown, mid: string, hmacKeyHex: string): Notified[] {
  const items = (body as { notificationItems?: unknown } | null)?.notificationItems;
  if (!Array.isArray(items) || items.length === 0) throw new NotificationFormatError('notificationItems is missing');
  const read = items.map((wrapped) =>
    readItem((wrapped as { NotificationRequestItem?: unknown })?.NotificationRequestItem),
  );
  for (const item of read) {
    if (item.additionalData?.['hmacSignature'] === undefined) throw new NotificationSignatureError('missing');
    if (!isSignedItem(item, hmacKeyHex)) throw new NotificationSignatureError('mismatch');
    if (item.merchantAccountCode !== mid) throw new NotificationFormatError('it is for another merchant account');
  }
  return read.map(notifiedOf);
}

function readItem(value: unknown): AdyenItem {
  const item = value as AdyenItem | null | undefined;
  const texts = [item?.eventCode, item?.pspReference, item?.merchantAccountCode, item?.success].map(String);
  const sound =
    typeof item === 'object' &&
    item !== null &&
    [item.eventCode, item.pspReference, item.merchantAccountCode].every((member) => typeof member === 'string') &&
    /^(?:true|false)$/.test(texts[3]!) &&
    typeof item.merchantReference === 'string' &&
    Number.isSafeInteger(item.amount?.value) &&
    typeof item.amount.currency === 'string';
  if (!sound) throw new NotificationFormatError('an item is not readable');
  // The flag is a text in JSON webhooks, and was a boolean in older ones; it is signed as a text.
  return { ...item, success: texts[3]! };
}

function notifiedOf(item: AdyenItem): Notified {
  const { eventCode, pspReference, success, originalReference } = item;
  const eventId = `${eventCode}:${pspReference}:${success}`;
  const operation = Object.hasOwn(OPERATIONS, eventCode) ? OPERATIONS[eventCode] : undefined;
  const ids = idsOf(item.merchantReference);
  if (!operation || !ids) return { eventId, event: eventCode, ...disputeIn(item) };
  const takesBack = TAKES_BACK.has(eventCode);
  const outcome = takesBack ? takenBack(item) : outcomeOf(item, originalReference || pspReference);
  return { eventId, event: eventCode, news: { operation, ...ids, outcome }, ...(takesBack ? { takesBack } : {}) };
}

function outcomeOf(item: AdyenItem, processorReference: string): ProcessorOutcome {
  const amountMinor = fromAdyen(item.amount.value, item.amount.currency);
  if (item.success !== 'true') {
    const reason = item.reason || 'unspecified';
    return failed(classIn(ADYEN_CODES.reason, reason), reason, reason);
  }
  if (amountMinor === undefined) return { status: 'unknown', reason: 'an amount that is no amount of ours' };
  return { status: 'succeeded', processorReference, amountMinor };
}

function takenBack({ eventCode, reason }: AdyenItem): ProcessorOutcome {
  return failed('hard_decline', eventCode, reason || 'It failed after it had succeeded.');
}
