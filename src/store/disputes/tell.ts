import { toTypeId } from '../../domain/ids.ts';
import { pathTo, type DisputeStatus } from '../../domain/payment/dispute.ts';
import { newId } from '../../trust/new-id.ts';
import { recordFact } from '../facts.ts';
import type { PaymentRow } from '../payments/row.ts';
import type { Db } from '../pool.ts';
import type { DisputeRow } from './row.ts';
import { moveDispute } from './move.ts';

/** A dispute as its processor tells it. */
export interface DisputeNews {
  processorDisputeId: string;
  paymentId: string;
  processor: string;
  status: DisputeStatus;
  reason?: string | undefined;
  amountMinor: number;
  currency: string;
  evidenceDueAt?: Date | undefined;
}

export interface LockedDispute {
  dispute: DisputeRow;
  payment: PaymentRow;
}

/**
 * Follows what a processor tells of a dispute, in the caller's transaction: the row is made or moved through whatever
 * lies between, so that the order of news makes no difference. What contradicts a dispute that is over changes nothing and
 * wants a person.
 * @returns the dispute as it is now; undefined when the payment is not known at that processor, or never captured money
 */
export async function tellDispute(db: Db, news: DisputeNews, at: Date): Promise<DisputeRow | undefined> {
  const payment = await lockPaymentAt(db, news.paymentId, news.processor);
  if (!payment || payment.captured === 0 || payment.currency !== news.currency) return undefined;
  const before = await findToldDispute(db, payment, news.processorDisputeId);
  const path = pathTo(before?.status, news.status);
  const actor = `processor:${news.processor}`;
  if (path === undefined) {
    await wantPerson(db, before!, payment, news.status, at);
    return before;
  }
  let now = before ?? (await insertDispute(db, payment, news, path[0]!, at));
  let paid = payment;
  for (const to of path) ({ dispute: now, payment: paid } = await moveDispute(db, now, paid, { to, at, actor }));
  const due = news.evidenceDueAt;
  if (due && due.getTime() !== Date.parse(now.evidence_due_at ?? '')) now = await setDeadline(db, now.id, due, at);
  return now;
}

/** Payment first, then dispute: everybody who moves one locks in this order. */
export async function lockDispute(
  db: Db,
  tenant: { orgId: string; mode: string },
  id: string,
): Promise<LockedDispute | undefined> {
  const { rows } = await db.query<{ payment: PaymentRow }>({
    name: 'lock-payment-of-dispute',
    text: `SELECT to_jsonb(p) AS payment FROM payments p
            WHERE p.id = (SELECT d.payment_id FROM disputes d WHERE d.org_id = $1 AND d.mode = $2 AND d.id = $3)
              FOR NO KEY UPDATE`,
    values: [tenant.orgId, tenant.mode, id],
  });
  if (!rows[0]) return undefined;
  const found = await db.query<{ row: DisputeRow }>({
    name: 'lock-dispute',
    text: 'SELECT to_jsonb(d) AS row FROM disputes d WHERE d.id = $1 FOR NO KEY UPDATE',
    values: [id],
  });
  return { dispute: found.rows[0]!.row, payment: rows[0].payment };
}

async function lockPaymentAt(db: Db, id: string, processor: string): Promise<PaymentRow | undefined> {
  const { rows } = await db.query<{ row: PaymentRow }>({
    name: 'lock-disputed-payment',
    text: 'SELECT to_jsonb(p) AS row FROM payments p WHERE p.id = $1 AND p.processor = $2 FOR NO KEY UPDATE',
    values: [id, processor],
  });
  return rows[0]?.row;
}

async function findToldDispute(
  db: Db,
  payment: PaymentRow,
  processorDisputeId: string,
): Promise<DisputeRow | undefined> {
  const { rows } = await db.query<{ row: DisputeRow }>({
    name: 'find-told-dispute',
    text: `SELECT to_jsonb(d) AS row FROM disputes d
            WHERE d.mid_id = $1 AND d.processor_dispute_id = $2 AND d.payment_id = $3`,
    values: [payment.mid_id, processorDisputeId, payment.id],
  });
  return rows[0]?.row;
}

async function insertDispute(
  db: Db,
  payment: PaymentRow,
  news: DisputeNews,
  status: DisputeStatus,
  at: Date,
): Promise<DisputeRow> {
  const { rows } = await db.query<{ row: DisputeRow }>({
    name: 'insert-dispute',
    text: `INSERT INTO disputes AS d (id, org_id, mode, payment_id, mid_id, processor, processor_dispute_id, status, reason,
             amount_minor, currency, evidence_due_at, opened_at, updated_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13) RETURNING to_jsonb(d) AS row`,
    values: [
      newId(),
      payment.org_id,
      payment.mode,
      payment.id,
      payment.mid_id,
      news.processor,
      news.processorDisputeId,
      status,
      news.reason ?? null,
      news.amountMinor,
      news.currency,
      news.evidenceDueAt ?? null,
      at,
    ],
  });
  return rows[0]!.row;
}

async function setDeadline(db: Db, id: string, due: Date, at: Date): Promise<DisputeRow> {
  const { rows } = await db.query<{ row: DisputeRow }>({
    name: 'set-dispute-deadline',
    text: `UPDATE disputes d SET evidence_due_at = $2, updated_at = $3, driven_at = NULL WHERE d.id = $1
          RETURNING to_jsonb(d) AS row`,
    values: [id, due, at],
  });
  return rows[0]!.row;
}

async function wantPerson(
  db: Db,
  dispute: DisputeRow,
  payment: PaymentRow,
  told: DisputeStatus,
  at: Date,
): Promise<void> {
  const attention = `The dispute is ${dispute.status}, and told to be ${told}`;
  const { rowCount } = await db.query({
    name: 'dispute-wants-person',
    text: `UPDATE disputes SET needs_attention = $2, updated_at = $3 WHERE id = $1 AND needs_attention IS DISTINCT FROM $2`,
    values: [dispute.id, attention, at],
  });
  if (rowCount === 0) return;
  await db.query({
    name: 'payment-wants-person',
    text: 'UPDATE payments SET needs_attention = $2, updated_at = $3 WHERE id = $1',
    values: [payment.id, attention, at],
  });
  await recordFact(db, {
    tenant: { orgId: dispute.org_id, mode: dispute.mode },
    at,
    type: 'payment.dispute_contradicted',
    actor: `processor:${dispute.processor}`,
    subject: toTypeId('pay', payment.id),
    body: { dispute_id: toTypeId('dsp', dispute.id), stands: dispute.status, told },
    events: [],
  });
}
