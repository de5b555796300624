import { isProblemCode, Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { toMajor } from '../../domain/money.ts';
import { paymentStatus } from '../../domain/payment.ts';
import { FAILURES, type FailureClass } from '../../domain/failures.ts';
import { reconciliationStatus } from '../../domain/settlement.ts';
import type { OperationSummary, PaymentRow } from '../../store/payments/row.ts';
import type { Answered } from '../lifecycle/client.ts';
import type { Reply } from '../route.ts';
import { utc } from '../utc.ts';
import { printAttempts } from './attempts.ts';

const COUNTERS = [
  'authorized',
  'captured',
  'capture_pending',
  'released',
  'refunded',
  'refund_pending',
  'dispute_held',
  'dispute_lost',
  'settled',
] as const;

/** A payment row as it is printed; also of a stored answer, so that a repeat prints the same. */
export function renderPayment(row: PaymentRow): Record<string, unknown> {
  return {
    payment_id: toTypeId('pay', row.id),
    execution_ref: toTypeId('exec', row.execution_id),
    status: paymentStatus(row, row.phase, row.closed_by ?? undefined),
    amount: toMajor(row.amount_minor, row.currency),
    amount_minor: row.amount_minor,
    currency: row.currency,
    counters: Object.fromEntries(COUNTERS.map((name) => [name, row[name]])),
    increment_pending: row.increment_pending || undefined,
    overcaptured: row.overcaptured || undefined,
    processor: row.processor,
    mid: row.mid,
    processor_reference: row.processor_reference,
    route_plan_id: row.route_plan_id ? toTypeId('rtp', row.route_plan_id) : undefined,
    merchant_reference: row.merchant_reference ?? undefined,
    attempts: printAttempts(row),
    operations: Object.entries(row.operations)
      .map(([id, operation]) => ({ operation_id: toTypeId('op', id), ...operation, at: utc(operation.at) }))
      .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.operation_id < b.operation_id ? -1 : 1)),
    authorization_expires_at: row.authorization_expires_at ? utc(row.authorization_expires_at) : undefined,
    on_expiry: row.on_expiry ?? 'release',
    reauthorizations: row.renewals || undefined,
    earlier_references: row.earlier_references?.length ? row.earlier_references : undefined,
    reconciliation: {
      status: reconciliationStatus(row.reconciliation_status, row),
      settlement_id: row.settlement_id ?? undefined,
      settled_at: row.settled_at ? utc(row.settled_at) : undefined,
      references: row.reconciliation_refs,
    },
    decline: row.decline ?? undefined,
    needs_attention: row.needs_attention ?? undefined,
    created_at: utc(row.created_at),
    updated_at: utc(row.updated_at),
  };
}

interface MoneyAnswer {
  payment: PaymentRow;
  operation_id: string;
  /** Of a refund that a person must look at. */
  waiting?: {
    amount_minor: number;
    expires_at: string;
    /** Where the principal is that person: the page to confirm it on. */
    approval_url?: string;
    methods?: string[];
  };
}

/** Stage of a lifecycle whose payment has begun: read off the counters, settled when all that was captured is. */
export function paymentStage(row: PaymentRow): string {
  const status = paymentStatus(row, row.phase, row.closed_by ?? undefined);
  if (status === 'pending') return 'auth_unknown';
  if (status === 'captured' || status === 'refunded') return row.settled >= row.captured ? 'settled' : 'captured';
  return status;
}

/**
 * The answer to a money request. A decline is a refusal with the payment beside it; an open outcome is 202.
 * @throws Problem `payment_declined`
 */
export function renderMoney(answer: Answered, refundShown = false): Reply {
  const { code, detail } = answer.body;
  // A refund that a person denied: kept as the answer to its key.
  if (isProblemCode(code)) throw new Problem(code, String(detail), { replayed: answer.replayed });
  const { payment: row, operation_id: id, waiting } = answer.body as unknown as MoneyAnswer;
  const payment = renderPayment(row);
  const operation = row.operations[id];
  if (answer.status === 402) {
    const decline = row.decline ?? declineOf(operation);
    if (decline.code === 'frozen') {
      const members = { decline, payment };
      throw new Problem('frozen', 'Frozen before another processor was asked.', { members, replayed: answer.replayed });
    }
    throw new Problem('payment_declined', `The processor declined: ${decline.code}.`, {
      members: { decline, payment },
      replayed: answer.replayed,
    });
  }
  const refund =
    refundShown && operation
      ? {
          refund: {
            refund_id: toTypeId('op', id),
            status: operation.status,
            amount: toMajor(operation.amount_minor, row.currency),
            amount_minor: operation.amount_minor,
          },
        }
      : {};
  const waits = waiting && {
    refund: {
      refund_id: toTypeId('op', id),
      status: waiting.approval_url ? 'challenged' : 'in_review',
      amount: toMajor(waiting.amount_minor, row.currency),
      amount_minor: waiting.amount_minor,
      ...(waiting.approval_url
        ? {
            challenge: {
              challenge_id: toTypeId('chl', id),
              status: 'open',
              methods: waiting.methods,
              expires_at: waiting.expires_at,
              approval_url: waiting.approval_url,
            },
          }
        : { review: { status: 'open', expires_at: waiting.expires_at } }),
    },
  };
  return {
    status: answer.status,
    body: { ...payment, ...refund, ...waits },
    headers: answer.replayed ? { 'Idempotency-Replayed': 'true' } : undefined,
  };
}

function declineOf(operation: OperationSummary | undefined): NonNullable<PaymentRow['decline']> {
  const cls = (operation?.class ?? 'hard_decline') as FailureClass;
  return { class: cls, code: operation?.code ?? 'declined', retryable: FAILURES[cls].retryable };
}
