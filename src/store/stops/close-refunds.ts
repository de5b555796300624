import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { StopRow } from './begin.ts';
import { UNDER } from './close.ts';

export interface ClosedRefund {
  refundId: string;
  paymentId: string;
  /** What it waited for: its principal, or an operator. */
  what: 'challenge' | 'review';
}

/**
 * Ends what refunds under a stop wait for: no answer and no vote counts any more, and nothing was reserved. One that is
 * asked for afterwards is judged as every refund: refused under a freeze, and after a revocation a matter of the
 * organization's own credential.
 */
export async function closeRefunds(
  db: Db,
  { orgId, mode }: Tenant,
  stop: StopRow,
  { delegationIds, at }: { delegationIds: string[]; at: Date },
): Promise<ClosedRefund[]> {
  const { rows } = await db.query<ClosedRefund>(
    `WITH challenges AS (
       SELECT c.id, c.payment_id, c.workflow_id, 'challenge' AS what
         FROM refund_challenges c JOIN payments p ON p.id = c.payment_id JOIN executions e ON e.id = p.execution_id
        WHERE c.org_id = $1 AND c.mode = $2 AND c.status = 'open' AND ($8::timestamptz IS NULL OR c.opened_at < $8)
          AND ($3 = 'processor' AND p.processor = $4 OR ${UNDER})
        ORDER BY c.id FOR UPDATE OF c),
     asked AS (
       SELECT r.id, q.payment_id, q.workflow_id, 'review' AS what
         FROM reviews r JOIN refund_requests q ON q.id = r.id
         JOIN payments p ON p.id = q.payment_id JOIN executions e ON e.id = p.execution_id
        WHERE r.org_id = $1 AND r.mode = $2 AND r.subject_kind = 'refund' AND r.status = 'open'
          AND ($8::timestamptz IS NULL OR r.opened_at < $8)
          AND ($3 = 'processor' AND p.processor = $4 OR ${UNDER})
        ORDER BY r.id FOR UPDATE OF r),
     cancelled AS (
       UPDATE refund_challenges SET status = 'cancelled', closed_at = $6 WHERE id IN (SELECT id FROM challenges)),
     withdrawn AS (
       UPDATE reviews SET status = 'withdrawn', closed_at = $6 WHERE id IN (SELECT id FROM asked)),
     closed AS (SELECT * FROM challenges UNION ALL SELECT * FROM asked),
     noted AS (
       INSERT INTO stopped_refunds (stop_id, refund_id, org_id, mode, workflow_id)
       SELECT $7, c.id, $1, $2, c.workflow_id FROM closed c ON CONFLICT DO NOTHING)
     SELECT c.id AS "refundId", c.payment_id AS "paymentId", c.what FROM closed c ORDER BY c.id`,
    [orgId, mode, stop.targetKind, stop.target, delegationIds, at, stop.id, stop.liftedAt],
  );
  return rows;
}

/** Why a refund does not wait any more; undefined when no stop has ended that. */
export async function findStopOnRefund(
  db: Db,
  { orgId, mode }: Tenant,
  refundId: string,
): Promise<Pick<StopRow, 'kind' | 'reason'> | undefined> {
  const { rows } = await db.query<Pick<StopRow, 'kind' | 'reason'>>({
    name: 'find-stop-on-refund',
    text: `SELECT s.kind, s.reason FROM stopped_refunds t JOIN stops s ON s.id = t.stop_id
            WHERE t.org_id = $1 AND t.mode = $2 AND t.refund_id = $3`,
    values: [orgId, mode, refundId],
  });
  return rows[0];
}
