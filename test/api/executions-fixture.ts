import { randomUUID } from 'node:crypto';
import type { TestApi } from './setup.ts';

export interface ExecutionFixture {
  stage: 'approved' | 'challenged' | 'in_review' | 'authorizing';
  agentId: string;
  principalId?: string;
  delegationId?: string;
  budgetMinor?: number;
}

/** An execution as a decision leaves it, written directly: these tests are about what a revocation makes of it. */
export async function insertExecution(
  t: TestApi,
  fixture: ExecutionFixture,
): Promise<{ id: string; workflowId: string }> {
  const id = randomUUID();
  const workflowId = `exec:${id}`;
  const { stage } = fixture;
  const decision = { approved: 'approved', challenged: 'challenge', in_review: 'review', authorizing: 'approved' }[
    stage
  ];
  await t.database.pool.query(
    `WITH RECURSIVE chain AS (
       SELECT id, parent_id, scope FROM delegations WHERE id = $9
       UNION ALL SELECT d.id, d.parent_id, d.scope FROM delegations d JOIN chain ON d.id = chain.parent_id)
     INSERT INTO executions (id, org_id, mode, workflow_id, run_id, stage, decision, agent_id, principal_id, delegation_id,
       intent, amount_minor, currency, merchant_ref, risk, reasons, risk_payload_jws, audit_id,
       token_expires_at, challenge_status, budget_minor, budget_charges, answer, created_at)
     VALUES ($1, $2, $3, $4, 'run', $5, $6, $7, $8, $9, '{}', 1000, 'EUR', 'mrc', '{}', '[]', 'jws', $1,
       CASE WHEN $5 IN ('approved', 'authorizing') THEN now() + interval '15 minutes' END,
       CASE WHEN $5 = 'challenged' THEN 'open' END, $10,
       COALESCE((SELECT jsonb_agg(jsonb_build_object('delegationId', id, 'window', 0)) FROM chain
                  WHERE scope ? 'maxTotal'), '[]'), '{}', now())`,
    [
      id,
      t.tenant.orgId,
      t.tenant.mode,
      workflowId,
      stage,
      decision,
      fixture.agentId,
      fixture.principalId ?? null,
      fixture.delegationId ?? null,
      fixture.budgetMinor ?? 0,
    ],
  );
  return { id, workflowId };
}

/** The payment of an execution with an open hold. */
export async function insertPayment(
  t: TestApi,
  executionId: string,
  counters: { authorized: number; captured: number },
): Promise<string> {
  await t.database.pool.query(
    `INSERT INTO payments (id, org_id, mode, execution_id, workflow_id, merchant_ref, phase, amount_minor, currency,
       authorized, captured, method_sealed, created_at)
     VALUES ($1::uuid, $2, $3, $1::uuid, 'exec:' || ($1::uuid)::text, 'mrc', 'open', 1000, 'EUR', $4, $5, 'sealed', now())`,
    [executionId, t.tenant.orgId, t.tenant.mode, counters.authorized, counters.captured],
  );
  return executionId;
}
