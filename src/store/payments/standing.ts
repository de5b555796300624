import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { PaymentRow } from './row.ts';

/** Operations of a payment that have no outcome yet, oldest first; refunds and increments have workflows of their own. */
export async function openOperations(db: Db, tenant: Tenant, paymentId: string): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>({
    name: 'open-operations',
    text: `SELECT o.id FROM operations o WHERE o.org_id = $1 AND o.mode = $2 AND o.payment_id = $3
              AND (o.type NOT IN ('refund', 'increment') OR o.by_itself) AND o.status IN ('sent', 'pending', 'unknown', 'needs_review') ORDER BY o.sent_at`,
    values: [tenant.orgId, tenant.mode, paymentId],
  });
  return rows.map((row) => row.id);
}

/** Ends a payment that waits for an attempt nobody will make. Undefined when it does not wait for one. */
export async function abandonAuthorization(
  db: Db,
  tenant: Tenant,
  paymentId: string,
  at: Date,
  decline: PaymentRow['decline'] = null,
): Promise<PaymentRow | undefined> {
  const { rows } = await db.query<{ payment: PaymentRow }>({
    name: 'abandon-authorization',
    text: `UPDATE payments p SET phase = 'failed', decline = COALESCE($5, p.decline), updated_at = $4
            WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3 AND p.phase = 'authorizing'
              AND NOT EXISTS (SELECT 1 FROM operations o WHERE o.payment_id = p.id
                               AND o.status IN ('sent', 'pending', 'unknown', 'needs_review'))
          RETURNING to_jsonb(p) AS payment`,
    values: [tenant.orgId, tenant.mode, paymentId, at, decline && JSON.stringify(decline)],
  });
  return rows[0]?.payment;
}
