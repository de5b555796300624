import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { StopRow } from './begin.ts';

export interface UndrivenStop {
  tenant: Tenant;
  id: string;
}

/** Stops that no workflow is known to have taken over, `olderThanMs` after they were asked for. */
export async function findUndriven(db: Db, olderThanMs: number, limit: number): Promise<UndrivenStop[]> {
  const { rows } = await db.query<{ orgId: string; mode: Tenant['mode']; id: string }>({
    name: 'find-undriven-stops',
    text: `SELECT s.org_id AS "orgId", s.mode, s.id FROM stops s
            WHERE s.driven_at IS NULL AND s.requested_at < now() - $1 * interval '1 millisecond'
            ORDER BY s.requested_at LIMIT $2`,
    values: [olderThanMs, limit],
  });
  return rows.map(({ orgId, mode, id }) => ({ tenant: { orgId, mode }, id }));
}

/** Not when it was asked to void since: that is news which its workflow may not have. */
export async function markDriven(db: Db, { id, voidOpen }: StopRow, at: Date): Promise<void> {
  await db.query({
    name: 'mark-driven',
    text: 'UPDATE stops SET driven_at = $2 WHERE id = $1 AND void_open = $3',
    values: [id, at, voidOpen],
  });
}

/**
 * What has not been told: closed executions, and payments whose hold the stop gave back, or tried to with an unknown
 * outcome, which their lifecycle then stays with; once it is lifted, also those whose void was sent and not answered.
 */
const UNTOLD = `stopped t LEFT JOIN payments p ON t.what = 'payment' AND p.id = t.execution_id
  WHERE t.stop_id = $1 AND t.told_at IS NULL
    AND (t.what <> 'payment' OR p.closed_by IS NOT NULL OR EXISTS (
      SELECT 1 FROM operations o WHERE o.payment_id = p.id AND o.type = 'void'
         AND (o.status IN ('unknown', 'pending') OR o.status = 'sent' AND EXISTS (
           SELECT 1 FROM stops s WHERE s.id = t.stop_id AND s.lifted_at IS NOT NULL))))`;

const UNTOLD_REFUNDS = 'stopped_refunds r WHERE r.stop_id = $1 AND r.told_at IS NULL';

export interface Untold {
  /** Of an execution, or of a refund that waited. */
  id: string;
  workflowId: string;
  /** Its payment changed; else what it waited for was closed. */
  payment: boolean;
}

export async function findUntold(db: Db, stopId: string, limit: number): Promise<Untold[]> {
  const { rows } = await db.query<Untold>({
    name: 'find-untold',
    text: `(SELECT t.execution_id AS id, t.workflow_id AS "workflowId", t.what = 'payment' AS payment
              FROM ${UNTOLD} ORDER BY t.execution_id LIMIT $2)
           UNION ALL
           (SELECT r.refund_id, r.workflow_id, false FROM ${UNTOLD_REFUNDS} ORDER BY r.refund_id LIMIT $2)`,
    values: [stopId, limit],
  });
  return rows;
}

export async function countUntold(db: Db, stopId: string): Promise<number> {
  const { rows } = await db.query<{ n: number }>({
    name: 'count-untold',
    text: `SELECT (SELECT count(*) FROM ${UNTOLD}) + (SELECT count(*) FROM ${UNTOLD_REFUNDS}) AS n`,
    values: [stopId],
  });
  return rows[0]!.n;
}

/** @param ids of executions and of refunds */
export async function markTold(db: Db, stopId: string, ids: string[], at: Date): Promise<void> {
  await db.query({
    name: 'mark-told',
    text: `WITH refunds AS (
             UPDATE stopped_refunds SET told_at = $3 WHERE stop_id = $1 AND refund_id = ANY ($2::uuid[]))
           UPDATE stopped SET told_at = $3 WHERE stop_id = $1 AND execution_id = ANY ($2::uuid[])`,
    values: [stopId, ids, at],
  });
}

/** A hold that must be voided, or a void of it that has no outcome yet. */
export interface HoldToVoid {
  paymentId: string;
  workflowId: string;
  /** The void under way. */
  operationId: string | null;
}

/**
 * Holds of a stop at one account that can be voided now, and voids without an outcome that were sent long enough ago
 * for their sender to be gone; when probing, those first, since to ask sends nothing. A void that was declined since the stop is a person's matter. Nothing once it is lifted.
 */
export async function findHolds(
  db: Db,
  stopId: string,
  midId: string,
  { sentBefore, probing, limit }: { sentBefore: Date; probing: boolean; limit: number },
): Promise<HoldToVoid[]> {
  const { rows } = await db.query<HoldToVoid>({
    name: 'find-holds-to-void',
    text: `SELECT p.id AS "paymentId", p.workflow_id AS "workflowId", o.id AS "operationId"
             FROM stopped t JOIN stops s ON s.id = t.stop_id JOIN payments p ON p.id = t.execution_id
             LEFT JOIN operations o ON o.payment_id = p.id AND o.type = 'void' AND NOT o.renews
              AND o.status IN ('sent', 'pending', 'unknown')
            WHERE t.stop_id = $1 AND t.what = 'payment' AND s.void_open AND s.lifted_at IS NULL
              AND (s.target_kind <> 'processor' OR p.processor = s.target)
              AND p.mid_id = $2 AND p.phase = 'open' AND p.authorized - p.captured - p.released > 0
              AND CASE WHEN o.id IS NULL THEN NOT p.void_pending AND p.capture_pending = 0 AND p.increment_pending = 0
                       ELSE o.status <> 'sent' OR o.sent_at < $3 END
              AND NOT EXISTS (SELECT 1 FROM operations d WHERE d.payment_id = p.id AND d.type = 'void'
                               AND NOT d.renews AND d.status = 'declined' AND d.sent_at >= s.requested_at)
            ORDER BY (o.id IS NULL) = $5, p.id LIMIT $4`,
    values: [stopId, midId, sentBefore, limit, probing],
  });
  return rows;
}

/** Nothing is dangerous any more. False when it was confirmed or lifted before, or voiding was asked for meanwhile. */
export async function confirmStop(db: Db, { id, voidOpen }: StopRow, at: Date): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE stops SET status = 'confirmed', confirmed_at = $2
      WHERE id = $1 AND status = 'in_progress' AND closed_at IS NOT NULL AND lifted_at IS NULL AND void_open = $3`,
    [id, at, voidOpen],
  );
  return rowCount === 1;
}
