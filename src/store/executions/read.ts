import type { Decision, Intent, IntentContext, Reason, Risk, Tenant } from '../../domain/types.ts';
import type { PresentedMandate } from '../../domain/mandates/evidence.ts';
import type { RoutePlan } from '../../domain/routing.ts';
import type { Db } from '../pool.ts';
import type { PaymentRow } from '../payments/row.ts';
import { REVIEW_JSON, type ReviewRow } from '../reviews/row.ts';

export interface ExecutionRow {
  id: string;
  workflow_id: string;
  run_id: string;
  stage: string;
  decision: Decision;
  agent_id: string;
  principal_id: string;
  delegation_id: string | null;
  intent: Intent;
  context: IntentContext;
  policy_id: string | null;
  risk: Risk;
  reasons: Reason[];
  route_plan: RoutePlan & { id: string };
  risk_payload_jws: string;
  token_expires_at: string | null;
  token_used_at: string | null;
  challenge_status: 'open' | 'passed' | 'failed' | 'expired' | 'cancelled' | null;
  challenge_attempts_left: number | null;
  challenge_expires_at: string | null;
  review_expires_at: string | null;
  /** What it holds of its delegations' running totals. */
  budget_minor: number;
  /** The mandate that it stands under. */
  mandate: Omit<PresentedMandate, 'sealedDocument'> | null;
  answer: Record<string, unknown>;
  created_at: string;
  updated_at: string;
}

export async function findExecution(db: Db, tenant: Tenant, id: string): Promise<ExecutionRow | undefined> {
  const { rows } = await db.query<{ row: ExecutionRow }>({
    name: 'find-execution',
    text: `SELECT to_jsonb(e) AS row FROM executions e WHERE e.org_id = $1 AND e.mode = $2 AND e.id = $3`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0]?.row;
}

export interface KeyRow {
  fingerprint: string;
  status: number | null;
  response: unknown;
  execution_id: string | null;
  operation_id: string | null;
  created_at: Date;
  /** The answer to authorize, when the key decided an execution. */
  answer: Record<string, unknown> | null;
}

/** What a key stands for: the one read behind every repeated request of a lifecycle. */
export async function findKey(db: Db, tenant: Tenant, key: string): Promise<KeyRow | undefined> {
  const { rows } = await db.query<KeyRow>({
    name: 'find-request-key',
    text: `SELECT k.fingerprint, k.status, k.response, k.execution_id, k.operation_id, k.created_at,
                  CASE WHEN k.operation_id IS NULL AND k.response IS NULL THEN e.answer END AS answer
             FROM idempotency_keys k LEFT JOIN executions e ON e.id = k.execution_id
            WHERE k.org_id = $1 AND k.mode = $2 AND k.key = $3`,
    values: [tenant.orgId, tenant.mode, key],
  });
  return rows[0];
}

export interface ExecutionView {
  execution: ExecutionRow;
  payment: PaymentRow | null;
  /** Of executions that a person had, or has, to look at. */
  review: ReviewRow | null;
  events: { at: string; type: string; data: Record<string, unknown> }[];
}

/** An execution with its payment and its story, in one round trip. */
export async function viewExecution(db: Db, tenant: Tenant, id: string): Promise<ExecutionView | undefined> {
  const { rows } = await db.query<ExecutionView>({
    name: 'view-execution',
    text: `SELECT to_jsonb(e) AS execution, to_jsonb(p) AS payment,
                  (SELECT ${REVIEW_JSON} FROM reviews r WHERE r.id = e.id) AS review,
                  COALESCE((SELECT jsonb_agg(jsonb_build_object('at', v.occurred_at, 'type', v.type, 'data', v.data)
                                             ORDER BY v.sequence, v.id)
                              FROM events v WHERE v.execution_id = e.id), '[]') AS events
             FROM executions e LEFT JOIN payments p ON p.execution_id = e.id
            WHERE e.org_id = $1 AND e.mode = $2 AND e.id = $3`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0];
}

export interface ExecutionFilter {
  stage?: string;
  decision?: string;
  agentId?: string;
  merchantRef?: string;
  before?: string;
  limit: number;
}

/** Newest first. */
export async function listExecutions(
  db: Db,
  tenant: Tenant,
  filter: ExecutionFilter,
): Promise<{ execution: ExecutionRow; payment: PaymentRow | null }[]> {
  const { rows } = await db.query<{ execution: ExecutionRow; payment: PaymentRow | null }>({
    name: 'list-executions',
    text: `SELECT to_jsonb(e) AS execution, to_jsonb(p) AS payment
             FROM executions e LEFT JOIN payments p ON p.execution_id = e.id
            WHERE e.org_id = $1 AND e.mode = $2
              AND ($3::text IS NULL OR e.stage = $3) AND ($4::text IS NULL OR e.decision = $4)
              AND ($5::uuid IS NULL OR e.agent_id = $5) AND ($6::text IS NULL OR e.merchant_ref = $6)
              AND ($7::uuid IS NULL OR e.id < $7)
            ORDER BY e.id DESC LIMIT $8`,
    values: [
      tenant.orgId,
      tenant.mode,
      filter.stage ?? null,
      filter.decision ?? null,
      filter.agentId ?? null,
      filter.merchantRef ?? null,
      filter.before ?? null,
      filter.limit,
    ],
  });
  return rows;
}
