import type { Pool, PoolClient } from 'pg';
import type { Announces } from './disputes.ts';
import type { OperationView } from '../wire.ts';
import { viewOf, type OperationRow } from './operations.ts';
import { WireProblem } from './wire-problem.ts';
import { within } from './within.ts';

/**
 * The bank of the payee returns a refund that had succeeded: the money is the merchant's again, less what an open or lost
 * dispute claims of it; announced in the same transaction.
 * @throws WireProblem 404 when there is no refund under the key that stands as succeeded
 */
export async function returnRefund(pool: Pool, operationId: string, announces: Announces): Promise<OperationView> {
  return within(pool, async (db) => {
    const { rows } = await db.query<{ row: OperationRow }>(
      `UPDATE simulator.operations o SET state = 'returned', code = 'refund_returned', decided_at = clock_timestamp()
        WHERE operation_id = $1 AND type = 'refund' AND state = 'succeeded' RETURNING to_jsonb(o) AS row`,
      [operationId],
    );
    const refund = rows[0]?.row;
    if (!refund) throw new WireProblem(404, 'refund_not_found', 'No refund that succeeded has this key.');
    await db.query(`UPDATE simulator.payments SET refunded = refunded - $2 WHERE processor_reference = $1`, [
      refund.processor_reference,
      refund.amount_minor,
    ]);
    await recordEffect(db, refund, 'refund_return', refund.amount_minor, operationId);
    await withhold(db, refund);
    if (announces(refund.processor)) {
      await db.query(
        `INSERT INTO simulator.notifications (event_id, copy, processor, mid, operation_id, due_at)
         VALUES ('evt_' || gen_random_uuid(), 1, $1, $2, $3, clock_timestamp())`,
        [refund.processor, refund.mid, operationId],
      );
    }
    return viewOf(refund);
  });
}

/** What was refunded could not be withheld for a dispute as well; now it can. */
async function withhold(db: PoolClient, refund: OperationRow): Promise<void> {
  const { rows } = await db.query<{ dispute_id: string; short: number }>(
    `SELECT dispute_id, amount_minor - held_minor AS short FROM simulator.disputes
      WHERE processor_reference = $1 AND held_minor < amount_minor AND status NOT IN ('inquiry', 'won', 'withdrawn')
      ORDER BY dispute_id FOR UPDATE`,
    [refund.processor_reference],
  );
  let left = refund.amount_minor;
  for (const { dispute_id, short } of rows) {
    const more = Math.min(left, short);
    if (more === 0) return;
    left -= more;
    await db.query(`UPDATE simulator.disputes SET held_minor = held_minor + $2 WHERE dispute_id = $1`, [
      dispute_id,
      more,
    ]);
    await db.query(`UPDATE simulator.payments SET disputed = disputed + $2 WHERE processor_reference = $1`, [
      refund.processor_reference,
      more,
    ]);
    await recordEffect(db, refund, 'dispute', more, `${dispute_id}:${refund.operation_id}`);
  }
}

async function recordEffect(
  db: PoolClient,
  refund: OperationRow,
  type: 'refund_return' | 'dispute',
  amount: number,
  operationId: string,
): Promise<void> {
  await db.query(
    `INSERT INTO simulator.effects (type, amount_minor, currency, reference, operation_id, processor, mid, processor_reference)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      type,
      amount,
      refund.currency,
      refund.reference,
      operationId,
      refund.processor,
      refund.mid,
      refund.processor_reference,
    ],
  );
}
