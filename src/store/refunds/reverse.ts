import { toTypeId } from '../../domain/ids.ts';
import { postings } from '../../domain/ledger.ts';
import type { Tenant } from '../../domain/types.ts';
import { holdReturned } from '../disputes/move.ts';
import { recordFact } from '../facts.ts';
import { paymentEvent } from '../payments/event.ts';
import { postEntry } from '../payments/hold.ts';
import type { PaymentRow } from '../payments/row.ts';
import type { Db } from '../pool.ts';

/** What a processor told of a refund that had succeeded. */
export interface Reversal {
  operationId: string;
  /** The processor's word for why. */
  code: string;
  actor: string;
  at: Date;
}

/**
 * A refund that had succeeded came back: operation, counters, a ledger entry of its own, audit entry and event, in the
 * caller's transaction; once, however often it is told. What a dispute claims of the money is held for it before anybody
 * can refund it again; the rest wants a person, since the payee was told that it is on its way.
 * @returns the payment as it stands now; undefined when there is no such refund, or none that stands as succeeded
 */
export async function reverseRefund(db: Db, tenant: Tenant, reversal: Reversal): Promise<PaymentRow | undefined> {
  const { operationId, code, actor, at } = reversal;
  const ended = await endAsReversed(db, tenant, reversal);
  if (!ended) return undefined;
  const amountMinor = await postedRefund(db, operationId);
  const payment = await takeBack(db, ended.payment_id, { ...reversal, amountMinor });
  const event = { type: 'refund_reversed', mid: ended.mid_id, amountMinor, currency: payment.currency } as const;
  await postEntry(db, tenant, { kind: event.type, paymentId: payment.id, operationId, at, lines: postings(event) });
  const subject = toTypeId('pay', payment.id);
  const told = {
    operation_id: toTypeId('op', operationId),
    type: 'refund',
    amount_minor: amountMinor,
    currency: payment.currency,
    reason: 'refund_reversed',
    code,
    processor: payment.processor,
    sent_at: new Date(ended.sent_at).toISOString(),
  };
  await recordFact(db, {
    tenant,
    at,
    type: 'payment.refund_reversed',
    actor,
    subject,
    body: told,
    events: [paymentEvent(payment, 'payment.needs_review', at, told)],
  });
  return holdReturned(db, payment, amountMinor, at);
}

interface Ended {
  payment_id: string;
  mid_id: string;
  sent_at: string;
}

async function endAsReversed(db: Db, tenant: Tenant, { operationId, code }: Reversal): Promise<Ended | undefined> {
  const { rows } = await db.query<Ended>({
    name: 'end-as-reversed',
    text: `UPDATE operations SET status = 'reversed', failure_class = 'hard_decline', failure_code = $4,
                  reason = 'It came back after it had succeeded.'
            WHERE org_id = $1 AND mode = $2 AND id = $3 AND type = 'refund' AND status = 'succeeded'
        RETURNING payment_id, mid_id, sent_at`,
    values: [tenant.orgId, tenant.mode, operationId, code],
  });
  return rows[0];
}

/** What was posted when it succeeded, minor units: a processor may have given back less than was asked. */
async function postedRefund(db: Db, operationId: string): Promise<number> {
  const { rows } = await db.query<{ amount: number }>({
    name: 'posted-refund',
    text: `SELECT COALESCE(sum(l.amount_minor), 0)::bigint AS amount FROM ledger_entries e
             JOIN ledger_lines l ON l.entry_id = e.id AND l.account = 'refunds'
            WHERE e.payment_id = (SELECT payment_id FROM operations WHERE id = $1)
              AND e.operation_id = $1 AND e.kind = 'refunded'`,
    values: [operationId],
  });
  return rows[0]!.amount;
}

async function takeBack(
  db: Db,
  paymentId: string,
  { operationId, code, amountMinor, at }: Reversal & { amountMinor: number },
): Promise<PaymentRow> {
  const { rows } = await db.query<{ row: PaymentRow }>({
    name: 'take-back-refund',
    // More than was refunded breaks the CHECK of the counters, and with it the transaction.
    text: `UPDATE payments p
              SET refunded = p.refunded - $2,
                  operations = p.operations || jsonb_build_object($3::text, (p.operations->$3::text)
                    || jsonb_build_object('status', 'reversed', 'class', 'hard_decline', 'code', $4::text)),
                  needs_attention = COALESCE(p.needs_attention, 'A refund came back after it had succeeded: the payee has not got it'),
                  updated_at = $5
            WHERE p.id = $1 RETURNING to_jsonb(p) AS row`,
    values: [paymentId, amountMinor, operationId, code, at],
  });
  return rows[0]!.row;
}

export interface Unreversed {
  tenant: Tenant;
  operationId: string;
  code: string;
  processor: string;
}

/** Refunds that were told to have come back before their success was recorded, and stand as succeeded. */
export async function findUnreversed(db: Db, limit: number): Promise<Unreversed[]> {
  const { rows } = await db.query<Unreversed>({
    name: 'find-unreversed-refunds',
    text: `SELECT DISTINCT ON (o.id) jsonb_build_object('orgId', o.org_id, 'mode', o.mode) AS tenant,
                  o.id AS "operationId", COALESCE(e.detail, 'unknown') AS code, m.processor
             FROM operation_evidence e JOIN operations o ON o.id = e.operation_id JOIN mids m ON m.id = o.mid_id
            WHERE e.says = 'reversed' AND o.type = 'refund' AND o.status = 'succeeded' ORDER BY o.id, e.at LIMIT $1`,
    values: [limit],
  });
  return rows;
}
