import { createHmac, timingSafeEqual } from 'node:crypto';
import type { ProcessorNotification, SettlementLine } from '../port.ts';
import { disputeOf, readDisputeView, type DisputeView } from './dispute-wire.ts';
import { outcomeOf } from './outcome.ts';
import { type OperationView, readOperationView } from './wire.ts';

/**
 * The body of a notification, for both sides. Delivery is at least once and in no order: `event_id` makes it
 * replay-safe, and an operation is told as it is when the message leaves.
 */
export type NotificationBody = {
  event_id: string;
  processor: string;
  /** The account it concerns; a settlement spans all accounts of a processor. */
  mid?: string;
} & (
  | { type: 'operation'; operation: OperationView }
  | { type: 'settlement'; settlement: SettlementView }
  | { type: 'dispute'; dispute: DisputeView }
);

export interface SettlementView {
  settlement_id: string;
  processor: string;
  settled_at: string;
  lines: SettlementLineView[];
}

/** Gross amount of one capture or refund and the fee kept from it, minor units. */
export interface SettlementLineView {
  line_id: string;
  type: 'capture' | 'refund';
  reference: string;
  operation_id: string;
  amount_minor: number;
  fee_minor: number;
  currency: string;
}

/** `t=<Unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`. */
export const SIGNATURE_HEADER = 'x-simulator-signature';
/** A signature is accepted this long before and after the receiver's clock, seconds. */
export const SIGNATURE_TOLERANCE_SECONDS = 300;

/** `at` is Unix seconds. */
export function signNotification(body: string | Buffer, secret: string, at: number): string {
  return `t=${at},v1=${hmac(body, secret, at)}`;
}

/** Not to be believed: answer 401 and store nothing. */
export class NotificationSignatureError extends Error {
  override readonly name = 'NotificationSignatureError';
  readonly reason: 'missing' | 'malformed' | 'expired' | 'mismatch';
  constructor(reason: NotificationSignatureError['reason']) {
    super(`notification signature: ${reason}`);
    this.reason = reason;
  }
}

/** Signed, yet not a notification of this format: answer 400. */
export class NotificationFormatError extends Error {
  override readonly name = 'NotificationFormatError';
}

/**
 * Checks the signature over the bytes as received, then reads them.
 * @param headers with lower-case names, as node:http gives them
 * @param now the receiver's time
 * @throws NotificationSignatureError, NotificationFormatError
 */
export function parseNotification(
  rawBody: Buffer,
  headers: Record<string, string | string[] | undefined>,
  secret: string,
  now: Date,
): ProcessorNotification {
  verify(rawBody, headers[SIGNATURE_HEADER], secret, now);
  const body = readJson(rawBody) as Partial<NotificationBody> | null;
  if (typeof body?.event_id !== 'string' || typeof body.processor !== 'string') {
    throw new NotificationFormatError('event_id or processor is missing');
  }
  const { event_id: eventId, processor } = body;
  if (body.type === 'operation') {
    const operation = readOperationView(body.operation);
    if (!operation) throw new NotificationFormatError('operation is not readable');
    return {
      type: 'operation',
      eventId,
      processor,
      operation: operation.type,
      operationId: operation.operation_id,
      reference: operation.reference,
      outcome: outcomeOf(operation),
      ...(operation.state === 'returned' ? { takesBack: true } : {}),
    };
  }
  if (body.type === 'settlement') return { type: 'settlement', eventId, processor, ...readSettlement(body.settlement) };
  if (body.type === 'dispute') {
    const dispute = readDisputeView(body.dispute);
    if (!dispute) throw new NotificationFormatError('dispute is not readable');
    return { type: 'dispute', eventId, processor, ...disputeOf(dispute) };
  }
  throw new NotificationFormatError('type is not known');
}

function verify(rawBody: Buffer, header: string | string[] | undefined, secret: string, now: Date): void {
  if (typeof header !== 'string') throw new NotificationSignatureError('missing');
  const match = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header);
  if (!match) throw new NotificationSignatureError('malformed');
  const at = Number(match[1]);
  const expected = Buffer.from(hmac(rawBody, secret, at), 'hex');
  // Signature before age, so that an age says nothing to a forger.
  if (!timingSafeEqual(expected, Buffer.from(match[2]!, 'hex'))) throw new NotificationSignatureError('mismatch');
  if (Math.abs(now.getTime() / 1000 - at) > SIGNATURE_TOLERANCE_SECONDS)
    throw new NotificationSignatureError('expired');
}

function hmac(body: string | Buffer, secret: string, at: number): string {
  return createHmac('sha256', secret).update(`${at}.`).update(body).digest('hex');
}

function readJson(rawBody: Buffer): unknown {
  try {
    return JSON.parse(rawBody.toString('utf8'));
  } catch (cause) {
    throw new NotificationFormatError('the body is not JSON', { cause });
  }
}

function readSettlement(value: unknown): { settlementId: string; settledAt: string; lines: SettlementLine[] } {
  const settlement = value as Partial<SettlementView> | null | undefined;
  if (
    typeof settlement?.settlement_id !== 'string' ||
    typeof settlement.settled_at !== 'string' ||
    !Array.isArray(settlement.lines)
  ) {
    throw new NotificationFormatError('settlement is not readable');
  }
  const lines = settlement.lines.map(readLine);
  return { settlementId: settlement.settlement_id, settledAt: settlement.settled_at, lines };
}

function readLine(line: SettlementLineView): SettlementLine {
  const sound =
    [line.line_id, line.reference, line.operation_id, line.currency].every((member) => typeof member === 'string') &&
    (line.type === 'capture' || line.type === 'refund') &&
    Number.isSafeInteger(line.amount_minor) &&
    Number.isSafeInteger(line.fee_minor);
  if (!sound) throw new NotificationFormatError('a settlement line is not readable');
  return {
    lineId: line.line_id,
    type: line.type,
    reference: line.reference,
    operationId: line.operation_id,
    amountMinor: line.amount_minor,
    feeMinor: line.fee_minor,
    currency: line.currency,
  };
}
