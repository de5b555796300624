import type { ActiveRouting, MidCandidate, RoutePlan } from '../../domain/routing.ts';
import type { Intent, IntentContext, Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { midsSql, ROUTING_SQL, routingSql } from '../routing/gather.ts';

/** What routing is asked about: the approved intent, and every account and the rules of the tenant as they are now. */
export interface RouteQuestion {
  stage: string;
  decision: string;
  intent: Intent;
  context: IntentContext;
  agentId: string;
  reasonCode: string | null;
  mids: MidCandidate[];
  routing: ActiveRouting | null;
}

/** @param rulesId look by these rules instead of the active ones; `routing` is null when there are none of that id */
export async function askRoute(
  db: Db,
  tenant: Tenant,
  { executionId, at, rulesId }: { executionId: string; at: Date; rulesId?: string },
): Promise<RouteQuestion | undefined> {
  const { rows } = await db.query<RouteQuestion>({
    name: rulesId === undefined ? 'ask-route' : 'ask-route-by',
    text: `SELECT e.stage, e.decision, e.intent, e.context, e.agent_id AS "agentId",
                  e.reasons->0->>'code' AS "reasonCode", ${midsSql('$4', 'always')} AS mids,
                  ${rulesId === undefined ? ROUTING_SQL : routingSql('r.id = $5')} AS routing
             FROM executions e WHERE e.org_id = $1 AND e.mode = $2 AND e.id = $3`,
    values: [tenant.orgId, tenant.mode, executionId, at, ...(rulesId === undefined ? [] : [rulesId])],
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
    text: `INSERT INTO route_plans (id, org_id, mode, execution_id, candidates, dropped, expires_at, rule)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    values: [
      plan.id,
      tenant.orgId,
      tenant.mode,
      plan.executionId,
      JSON.stringify(plan.candidates),
      JSON.stringify(plan.dropped),
      plan.expiresAt,
      plan.rule ? JSON.stringify(plan.rule) : null,
    ],
  });
}

/** Whether a payment of the execution may still name the plan. */
export async function planStands(
  db: Db,
  tenant: Tenant,
  { id, executionId, at }: { id: string; executionId: string; at: Date },
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'plan-stands',
    text: `SELECT FROM route_plans
            WHERE org_id = $1 AND mode = $2 AND id = $3 AND execution_id = $4 AND expires_at > $5`,
    values: [tenant.orgId, tenant.mode, id, executionId, at],
  });
  return rowCount === 1;
}
