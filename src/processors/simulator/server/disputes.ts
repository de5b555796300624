import { randomUUID } from 'node:crypto';
import type { Pool, PoolClient } from 'pg';
import type { z } from 'zod';
import type { DisputeView } from '../dispute-wire.ts';
import type { DisputeBody } from './schemas.ts';
import { WireProblem } from './wire-problem.ts';
import { within } from './within.ts';

interface DisputeRow {
  dispute_id: string;
  processor: string;
  mid: string;
  processor_reference: string;
  status: DisputeView['status'];
  reason: string;
  amount_minor: number;
  held_minor: number;
  evidence_due_at: Date | null;
  /** What the merchant did last, and under which key. */
  evidence: { key: string } | null;
}

interface PaymentRow {
  processor: string;
  mid: string;
  processor_reference: string;
  reference: string;
  currency: string;
  captured: number;
  refunded: number;
  disputed: number;
}

/** Whether anybody hears what a processor tells. */
export type Announces = (processor: string) => boolean;
const NOBODY: Announces = () => false;

/**
 * An issuer asks about captured money, or takes it back; announced in the same transaction to whoever listens. What
 * was refunded is not withheld a second time; the claim stands all the same.
 * @throws WireProblem 404 when nothing was captured under the reference
 */
export async function openDispute(
  pool: Pool,
  body: z.infer<typeof DisputeBody>,
  announces: Announces,
): Promise<DisputeView> {
  return within(pool, async (db) => {
    const { rows } = await db.query<PaymentRow>(
      `SELECT * FROM simulator.payments WHERE (reference = $1 OR processor_reference = $1) AND captured > 0 FOR UPDATE`,
      [body.reference],
    );
    const payment = rows[0];
    if (!payment) throw new WireProblem(404, 'payment_not_found', 'Nothing was captured under this reference.');
    const amount = body.amount_minor ?? payment.captured;
    if (amount > payment.captured) throw new WireProblem(409, 'amount_exceeds_captured', 'More than was captured.');
    const inserted = await db.query<DisputeRow>(
      `INSERT INTO simulator.disputes (dispute_id, processor, mid, processor_reference, status, reason, amount_minor,
         evidence_due_at)
       VALUES ($1, $2, $3, $4, 'inquiry', $5, $6, clock_timestamp() + $7 * interval '1 millisecond') RETURNING *`,
      [
        `dp_${randomUUID()}`,
        payment.processor,
        payment.mid,
        payment.processor_reference,
        body.reason,
        amount,
        body.evidence_due_ms,
      ],
    );
    return move(db, inserted.rows[0]!, payment, body.status, announces);
  });
}

/** What the issuer decides. @throws WireProblem 404 for a dispute that is not known, 409 for one that is over */
export async function changeDispute(
  pool: Pool,
  id: string,
  status: DisputeView['status'],
  announces: Announces,
): Promise<DisputeView> {
  return within(pool, async (db) => {
    const { dispute, payment } = await hold(db, id);
    if (isOver(dispute)) throw new WireProblem(409, 'dispute_closed', `The dispute is ${dispute.status}.`);
    return move(db, dispute, payment, status, announces);
  });
}

/** What the merchant does. @returns the dispute, or the code of the refusal */
export async function actOnDispute(
  pool: Pool,
  where: { processor: string; mid: string; disputeId: string },
  act: { kind: 'evidence' | 'accept'; key: string; evidence: object },
): Promise<DisputeView | 'dispute_not_found' | 'dispute_closed' | 'evidence_too_late'> {
  return within(pool, async (db) => {
    const known = await db.query<DisputeRow>(
      `SELECT * FROM simulator.disputes WHERE dispute_id = $1 AND processor = $2 AND mid = $3`,
      [where.disputeId, where.processor, where.mid],
    );
    if (!known.rows[0]) return 'dispute_not_found';
    const { dispute, payment } = await hold(db, where.disputeId);
    const done = { ...act.evidence, kind: act.kind, key: act.key };
    if (dispute.evidence?.key === act.key) return viewOf(dispute, payment);
    if (isOver(dispute)) return 'dispute_closed';
    if (dispute.evidence_due_at !== null && dispute.evidence_due_at <= new Date()) return 'evidence_too_late';
    await db.query(`UPDATE simulator.disputes SET evidence = $2 WHERE dispute_id = $1`, [
      dispute.dispute_id,
      JSON.stringify(done),
    ]);
    if (act.kind === 'accept') return move(db, dispute, payment, 'accepted', NOBODY);
    return dispute.status === 'opened' ? move(db, dispute, payment, 'challenged', NOBODY) : viewOf(dispute, payment);
  });
}

const isOver = ({ status }: DisputeRow) => !['inquiry', 'opened', 'challenged'].includes(status);

async function hold(db: PoolClient, id: string): Promise<{ dispute: DisputeRow; payment: PaymentRow }> {
  const { rows } = await db.query<DisputeRow>(`SELECT * FROM simulator.disputes WHERE dispute_id = $1 FOR UPDATE`, [
    id,
  ]);
  const dispute = rows[0];
  if (!dispute) throw new WireProblem(404, 'dispute_not_found', 'There is no such dispute.');
  const payment = await db.query<PaymentRow>(
    `SELECT * FROM simulator.payments WHERE processor_reference = $1 FOR UPDATE`,
    [dispute.processor_reference],
  );
  return { dispute, payment: payment.rows[0]! };
}

/** Moves the money with the status: withheld once it is opened, given back when it is won or withdrawn. */
async function move(
  db: PoolClient,
  dispute: DisputeRow,
  payment: PaymentRow,
  status: DisputeView['status'],
  announces: Announces,
): Promise<DisputeView> {
  const opens = status === 'opened' && dispute.status === 'inquiry';
  const held = opens
    ? Math.min(dispute.amount_minor, payment.captured - payment.refunded - payment.disputed)
    : dispute.held_minor;
  const returns = status === 'won' || status === 'withdrawn' ? held : 0;
  const moved: DisputeRow = { ...dispute, status, held_minor: held };
  await db.query(`UPDATE simulator.disputes SET status = $2, held_minor = $3 WHERE dispute_id = $1`, [
    dispute.dispute_id,
    status,
    held,
  ]);
  await db.query(`UPDATE simulator.payments SET disputed = disputed + $2 WHERE processor_reference = $1`, [
    dispute.processor_reference,
    (opens ? held : 0) - returns,
  ]);
  if (opens) await recordEffect(db, moved, payment, 'dispute', held);
  await recordEffect(db, moved, payment, 'dispute_return', returns);
  const view = viewOf(moved, payment);
  if (announces(dispute.processor)) {
    await db.query(
      `INSERT INTO simulator.notifications (event_id, copy, processor, mid, dispute, due_at)
       VALUES ('evt_' || gen_random_uuid(), 1, $1, $2, $3, clock_timestamp())`,
      [dispute.processor, dispute.mid, JSON.stringify(view)],
    );
  }
  return view;
}

async function recordEffect(
  db: PoolClient,
  dispute: DisputeRow,
  payment: PaymentRow,
  type: 'dispute' | 'dispute_return',
  amount: number,
): Promise<void> {
  if (amount === 0) return;
  await db.query(
    `INSERT INTO simulator.effects (type, amount_minor, currency, reference, operation_id, processor, mid, processor_reference)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      type,
      amount,
      payment.currency,
      payment.reference,
      dispute.dispute_id,
      dispute.processor,
      dispute.mid,
      dispute.processor_reference,
    ],
  );
}

function viewOf(dispute: DisputeRow, payment: PaymentRow): DisputeView {
  return {
    dispute_id: dispute.dispute_id,
    reference: payment.reference,
    status: dispute.status,
    reason: dispute.reason,
    amount_minor: dispute.amount_minor,
    held_minor: dispute.held_minor,
    currency: payment.currency,
    ...(dispute.evidence_due_at ? { evidence_due_at: dispute.evidence_due_at.toISOString() } : {}),
  };
}
