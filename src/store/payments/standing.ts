import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

/** Operations of a payment that have no outcome yet, oldest first; refunds have workflows of their own. */
export async function openOperations(db: Db, tenant: Tenant, paymentId: string): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>({
    name: 'open-operations',
    text: `SELECT o.id FROM operations o WHERE o.org_id = $1 AND o.mode = $2 AND o.payment_id = $3
              AND o.type <> 'refund' AND o.status IN ('sent', 'pending', 'unknown', 'needs_review') ORDER BY o.sent_at`,
    values: [tenant.orgId, tenant.mode, paymentId],
  });
  return rows.map((row) => row.id);
}

/** Ends a payment that waits for an attempt nobody will make. False when it does not wait for one. */
export async function abandonAuthorization(db: Db, tenant: Tenant, paymentId: string, at: Date): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'abandon-authorization',
    text: `UPDATE payments p SET phase = 'failed', updated_at = $4
            WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3 AND p.phase = 'authorizing'
              AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.payment_id = p.id
                               AND o.status IN ('sent', 'pending', 'unknown', 'needs_review'))`,
    values: [tenant.orgId, tenant.mode, paymentId, at],
  });
  return rowCount === 1;
}
