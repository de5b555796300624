import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

export interface UndrivenDispute {
  tenant: Tenant;
  id: string;
  paymentId: string;
  processor: string;
  updatedAt: string;
}

/**
 * Disputes whose workflow has not heard of their last change for so long; and those that claim more than could be held,
 * where some of it has come free.
 */
export async function findUndrivenDisputes(db: Db, graceMs: number, limit: number): Promise<UndrivenDispute[]> {
  const { rows } = await db.query<{ org_id: string; mode: Tenant['mode'] } & Omit<UndrivenDispute, 'tenant'>>({
    name: 'find-undriven-disputes',
    text: `SELECT org_id, mode, id, payment_id AS "paymentId", processor, updated_at::text AS "updatedAt" FROM disputes
            WHERE driven_at IS NULL AND updated_at < now() - $1 * interval '1 millisecond'
           UNION
           SELECT d.org_id, d.mode, d.id, d.payment_id, d.processor, d.updated_at::text
             FROM disputes d JOIN payments p ON p.id = d.payment_id
            WHERE d.status IN ('opened', 'challenged') AND d.held_minor < d.amount_minor
              AND p.captured > p.refunded + p.refund_pending + p.dispute_held + p.dispute_lost
            LIMIT $2`,
    values: [graceMs, limit],
  });
  return rows.map(({ org_id: orgId, mode, ...rest }) => ({ tenant: { orgId, mode }, ...rest }));
}

/** Its workflow has heard; a change that came meanwhile is told by itself. */
export async function markDisputeDriven(db: Db, { id, updatedAt }: UndrivenDispute, at: Date): Promise<void> {
  await db.query({
    name: 'mark-dispute-driven',
    text: 'UPDATE disputes SET driven_at = $2 WHERE id = $1 AND updated_at = $3::timestamptz',
    values: [id, at, updatedAt],
  });
}
