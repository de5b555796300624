import type { Intent, IntentContext, Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

/** A payment that was routed, with what its route was made of. */
export interface RoutedRow {
  id: string;
  agentId: string;
  amountMinor: number;
  intent: Intent;
  context: IntentContext;
  /** In the order of the attempts. */
  attempts: { midId: string; approved: boolean }[];
}

/** Payments with an attempt that has an outcome, newest first, beginning before `before`. */
export async function readRouted(
  db: Db,
  tenant: Tenant,
  page: { before?: string; from?: Date; to?: Date; limit: number },
): Promise<RoutedRow[]> {
  const { rows } = await db.query<RoutedRow>({
    name: 'read-routed',
    text: `SELECT p.id, p.agent_id AS "agentId", p.amount_minor AS "amountMinor", e.intent, e.context, o.attempts
             FROM payments p JOIN executions e ON e.id = p.execution_id
             JOIN LATERAL (SELECT jsonb_agg(jsonb_build_object('midId', o.mid_id, 'approved', o.status = 'succeeded')
                                            ORDER BY o.attempt) AS attempts
                             FROM operations o WHERE o.payment_id = p.id AND o.type = 'authorize'
                              AND o.status IN ('succeeded', 'declined', 'not_sent')) o ON o.attempts IS NOT NULL
            WHERE p.org_id = $1 AND p.mode = $2 AND ($3::uuid IS NULL OR p.id < $3)
              AND ($4::timestamptz IS NULL OR p.created_at >= $4) AND ($5::timestamptz IS NULL OR p.created_at < $5)
            ORDER BY p.id DESC LIMIT $6`,
    values: [tenant.orgId, tenant.mode, page.before ?? null, page.from ?? null, page.to ?? null, page.limit],
  });
  return rows;
}
