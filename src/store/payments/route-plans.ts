import type { MidCandidate, RoutePlan } from '../../domain/routing.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

/** What routing is asked about: the approved intent, and every account of the tenant as it is now. */
export interface RouteQuestion {
  stage: string;
  decision: string;
  amountMinor: number;
  currency: string;
  reasonCode: string | null;
  mids: MidCandidate[];
}

export async function askRoute(db: Db, tenant: Tenant, executionId: string): Promise<RouteQuestion | undefined> {
  const { rows } = await db.query<RouteQuestion>({
    name: 'ask-route',
    text: `SELECT e.stage, e.decision, e.amount_minor AS "amountMinor", e.currency,
                  e.reasons->0->>'code' AS "reasonCode",
                  COALESCE((SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                    'midId', m.id, 'processor', m.processor, 'mid', m.mid, 'kind', m.kind, 'priority', m.priority,
                    'currencies', m.currencies, 'methods', m.methods, 'maxAmountMinor', m.max_amount_minor,
                    'enabled', m.enabled,
                    'frozen', (SELECT true FROM stops s WHERE s.org_id = $1 AND s.mode = $2 AND s.kind = 'freeze' AND s.lifted_at IS NULL
         AND s.target_kind = 'processor' AND s.target = m.processor)))) FROM mids m WHERE m.org_id = $1 AND m.mode = $2), '[]') AS mids
             FROM executions e WHERE e.org_id = $1 AND e.mode = $2 AND e.id = $3`,
    values: [tenant.orgId, tenant.mode, executionId],
  });
  return rows[0];
}

/** Keeps a plan for the payment that will name it. */
export async function insertRoutePlan(
  db: Db,
  tenant: Tenant,
  plan: RoutePlan & { id: string; executionId: string; expiresAt: Date },
): Promise<void> {
  await db.query({
    name: 'insert-route-plan',
    text: `INSERT INTO route_plans (id, org_id, mode, execution_id, candidates, dropped, expires_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    values: [
      plan.id,
      tenant.orgId,
      tenant.mode,
      plan.executionId,
      JSON.stringify(plan.candidates),
      JSON.stringify(plan.dropped),
      plan.expiresAt,
    ],
  });
}
