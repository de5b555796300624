import { isNotDone, type FailureClass } from '../../domain/failures.ts';
import { toTypeId } from '../../domain/ids.ts';
import { postings, type LedgerEvent } from '../../domain/ledger.ts';
import type { Tenant } from '../../domain/types.ts';
import type { ProcessorOutcome } from '../../processors/port.ts';
import { paymentEvent } from '../../store/payments/event.ts';
import type { PaymentRow } from '../../store/payments/row.ts';

/** Why a grant for less than was asked counts as declined. */
export const PARTIAL_APPROVAL = 'partial_approval';

/** An operation that has an outcome now, and what is known of it. */
export interface Known {
  tenant: Tenant;
  payment: PaymentRow;
  operation: {
    id: string;
    type: 'authorize' | 'increment' | 'capture' | 'void' | 'refund';
    amountMinor: number;
    /** Of a capture, what was not held. */
    beyondMinor?: number;
    attempt: number;
    final: boolean;
    /** An authorization that renews a hold, or the void of the one that it replaced. */
    renews?: boolean;
  };
  midId: string;
  outcome: ProcessorOutcome;
  actor: string;
  at: Date;
  sentAt: Date;
  /** The request whose answer this becomes. */
  key?: string;
  /** First "not found" since it was sent. */
  absentSince?: Date | null;
  /** A final capture leaves the rest of the hold at the account. */
  keepsRest?: boolean;
  /** No other account is asked, whatever the failure is. */
  last?: boolean;
}

/** How an operation ended that a processor refused, or never got. */
export function statusOfFailure(failure: FailureClass): 'not_sent' | 'declined' {
  return isNotDone(failure) ? 'not_sent' : 'declined';
}

export function attempt(known: Known, what: { outcome: string; class?: string; code?: string }) {
  const { payment, operation, at, sentAt, midId } = known;
  const { reason, message, probe, skipped } = payment.candidates.find((candidate) => candidate.midId === midId) ?? {};
  return {
    attempt: operation.attempt,
    processor: payment.processor!,
    mid: payment.mid!,
    ...what,
    at: sentAt.toISOString(),
    latency_ms: at.getTime() - sentAt.getTime(),
    reason,
    message,
    probe,
    skipped,
  };
}

export function entry(
  { midId, payment }: Known,
  kind: 'authorized' | 'overcaptured' | 'captured' | 'refunded',
  amountMinor: number,
) {
  const event: LedgerEvent = { type: kind, mid: midId, amountMinor, currency: payment.currency };
  return { kind, lines: postings(event) };
}

/** Lines per minor unit: how much is released is known under the lock of the payment only. */
export function released({ midId, payment }: Known) {
  return {
    kind: 'released',
    lines: postings({ type: 'released', mid: midId, amountMinor: 1, currency: payment.currency }),
  };
}

export function answer({ key }: Known, status: number) {
  return key === undefined ? undefined : { key, status };
}

export function fact(known: Known, type: string, body: object, events: string[]) {
  const { tenant, payment, operation, actor, at } = known;
  const subject = toTypeId('pay', payment.id);
  const told = {
    operation_id: toTypeId('op', operation.id),
    type: operation.type,
    currency: payment.currency,
    ...body,
  };
  return {
    tenant,
    at,
    type,
    actor,
    subject,
    body: told,
    events: events.map((name) => paymentEvent(payment, name, at, told)),
  };
}
