import { endOfDispute, holdsMoney, isDisputeOver, type DisputeStatus } from '../../domain/payment/dispute.ts';
import { postings } from '../../domain/ledger.ts';
import { toTypeId } from '../../domain/ids.ts';
import { refundable } from '../../domain/payment.ts';
import { recordFact } from '../facts.ts';
import { paymentEvent } from '../payments/event.ts';
import { postEntry } from '../payments/hold.ts';
import type { PaymentRow } from '../payments/row.ts';
import type { Db } from '../pool.ts';
import type { DisputeRow } from './row.ts';

export interface DisputeChange {
  to: DisputeStatus;
  at: Date;
  actor: string;
  /** In the audit entry. */
  why?: string;
  /** Of what is refundable, how much it may claim at most, minor units. */
  atMost?: number;
}

/**
 * Moves a dispute whose payment and row are locked: status, held money in the counters and the ledger, audit entry and
 * event. What was refunded before, or is on its way back, cannot be held: the counters are shared, so that a chargeback
 * beside a refund never counts twice; the difference wants a person, with the refund as evidence.
 */
export async function moveDispute(
  db: Db,
  dispute: DisputeRow,
  payment: PaymentRow,
  { to, at, actor, why, atMost }: DisputeChange,
): Promise<{ dispute: DisputeRow; payment: PaymentRow }> {
  const tenant = { orgId: dispute.org_id, mode: dispute.mode };
  let held = dispute.held_minor;
  let paid = payment;
  const post = async (type: 'dispute_opened' | 'dispute_won' | 'dispute_lost', amountMinor: number) => {
    if (amountMinor === 0) return;
    const lines = postings({ type, mid: dispute.mid_id, amountMinor, currency: dispute.currency });
    await postEntry(db, tenant, { kind: type, paymentId: payment.id, at, lines });
    paid = await countDispute(db, payment.id, type, amountMinor, at);
  };
  const end = endOfDispute(to);
  if (holdsMoney(to) || end === 'lost') {
    const more = Math.min(dispute.amount_minor - held, refundable(paid), atMost ?? Infinity);
    await post('dispute_opened', more);
    held += more;
  }
  if (end === 'won') await post('dispute_won', held);
  // What it lost before is counted.
  if (end === 'lost') await post('dispute_lost', held - (isDisputeOver(dispute.status) ? dispute.held_minor : 0));
  const short = holdsMoney(to) && held < dispute.amount_minor;
  const attention = short ? 'Disputed is what was refunded already: challenge it with the refund as evidence' : null;
  const { rows } = await db.query<{ row: DisputeRow }>({
    name: 'move-dispute',
    text: `UPDATE disputes d SET status = $2, held_minor = $3, needs_attention = $4, updated_at = $5::timestamptz,
                  closed_at = CASE WHEN $6::boolean THEN COALESCE(d.closed_at, $5::timestamptz) END, driven_at = NULL
            WHERE d.id = $1 RETURNING to_jsonb(d) AS row`,
    values: [dispute.id, to, held, attention, at, end !== undefined],
  });
  const moved = rows[0]!.row;
  paid = await countShort(db, payment.id);
  const told = {
    dispute_id: toTypeId('dsp', dispute.id),
    status: to,
    reason: dispute.reason ?? undefined,
    amount_minor: dispute.amount_minor,
    held_minor: held,
    currency: dispute.currency,
    evidence_due_at: dispute.evidence_due_at === null ? undefined : new Date(dispute.evidence_due_at).toISOString(),
  };
  await recordFact(db, {
    tenant,
    at,
    type: 'payment.disputed',
    actor,
    subject: toTypeId('pay', payment.id),
    body: { ...told, ...(why === undefined ? {} : { why }) },
    events: [paymentEvent(paid, 'payment.disputed', at, told)],
  });
  return { dispute: moved, payment: paid };
}

/** Money that was not refundable when the dispute was opened, and is now that a refund has failed: held after all. */
export async function holdMore(db: Db, dispute: DisputeRow, payment: PaymentRow, at: Date): Promise<DisputeRow> {
  if (!holdsMoney(dispute.status)) return dispute;
  if (Math.min(dispute.amount_minor - dispute.held_minor, refundable(payment)) === 0) return dispute;
  const change = { to: dispute.status, at, actor: 'system:dispute', why: 'a refund has failed' };
  return (await moveDispute(db, dispute, payment, change)).dispute;
}

/**
 * A refund came back: what disputes claim beyond what could be held is held, and what lost ones claim is lost, before
 * anybody refunds it again. The payment is locked.
 */
export async function holdReturned(db: Db, payment: PaymentRow, returnedMinor: number, at: Date): Promise<PaymentRow> {
  const { rows } = await db.query<{ row: DisputeRow }>({
    name: 'short-disputes-of-payment',
    text: `SELECT to_jsonb(d) AS row FROM disputes d
            WHERE d.payment_id = $1 AND d.held_minor < d.amount_minor
              AND d.status IN ('opened', 'challenged', 'lost', 'accepted', 'expired') ORDER BY d.id`,
    values: [payment.id],
  });
  let paid = payment;
  let left = returnedMinor;
  for (const { row } of rows) {
    if (Math.min(left, refundable(paid)) === 0) break;
    const change = { to: row.status, at, actor: 'system:dispute', why: 'a refund came back', atMost: left };
    const moved = await moveDispute(db, row, paid, change);
    left -= moved.dispute.held_minor - row.held_minor;
    paid = moved.payment;
  }
  return paid;
}

const COUNTED = {
  dispute_opened: 'dispute_held = dispute_held + $2',
  dispute_won: 'dispute_held = dispute_held - $2',
  dispute_lost: 'dispute_held = dispute_held - $2, dispute_lost = dispute_lost + $2',
} as const;

async function countDispute(
  db: Db,
  paymentId: string,
  type: keyof typeof COUNTED,
  amountMinor: number,
  at: Date,
): Promise<PaymentRow> {
  const { rows } = await db.query<{ row: PaymentRow }>({
    name: `count-${type}`,
    text: `UPDATE payments p SET ${COUNTED[type]}, updated_at = $3 WHERE p.id = $1 RETURNING to_jsonb(p) AS row`,
    values: [paymentId, amountMinor, at],
  });
  return rows[0]!.row;
}

async function countShort(db: Db, paymentId: string): Promise<PaymentRow> {
  const { rows } = await db.query<{ row: PaymentRow }>({
    name: 'count-dispute-short',
    text: `UPDATE payments p SET dispute_short = (
             SELECT COALESCE(sum(d.amount_minor - d.held_minor), 0) FROM disputes d
              WHERE d.payment_id = p.id AND d.status IN ('opened', 'challenged'))
            WHERE p.id = $1 RETURNING to_jsonb(p) AS row`,
    values: [paymentId],
  });
  return rows[0]!.row;
}
