import type { Explanation } from '../../domain/policy.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

/** A refund that waits for a person. Its id is that of the operation that it becomes. */
export interface RefundRequest {
  id: string;
  paymentId: string;
  workflowId: string;
  amountMinor: number;
  currency: string;
  reason?: string;
  rule: string;
  message: string;
  explanations: Explanation[];
  agentId: string | null;
  principalId: string | null;
  delegationId: string | null;
  merchantRef: string;
  quorum: number;
  /** The audit entry that says who asked. */
  auditId: string;
  openedAt: Date;
  expiresAt: Date;
}

/** Opens the review and keeps what is asked, in the caller's transaction. */
export async function insertRefundRequest(db: Db, { orgId, mode }: Tenant, r: RefundRequest): Promise<void> {
  await db.query({
    name: 'insert-refund-request',
    text: `WITH review AS (
             INSERT INTO reviews (id, org_id, mode, subject_kind, quorum, agent_id, principal_id, delegation_id,
               merchant_ref, amount_minor, currency, audit_id, opened_at, expires_at, refinement)
             VALUES ($1, $2, $3, 'refund', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, '{"status": "none"}')
             RETURNING id)
           INSERT INTO refund_requests (id, org_id, mode, payment_id, workflow_id, amount_minor, reason, rule, message,
                                        explanations)
           SELECT id, $2, $3, $14, $15, $9, $16, $17, $18, $19 FROM review`,
    values: [
      r.id,
      orgId,
      mode,
      r.quorum,
      r.agentId,
      r.principalId,
      r.delegationId,
      r.merchantRef,
      r.amountMinor,
      r.currency,
      r.auditId,
      r.openedAt,
      r.expiresAt,
      r.paymentId,
      r.workflowId,
      r.reason ?? null,
      r.rule,
      r.message,
      JSON.stringify(r.explanations),
    ],
  });
}

/** The workflow that waits for the votes, and how the review stands. */
export async function findRefundRequest(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
): Promise<{ workflowId: string; status: string } | undefined> {
  const { rows } = await db.query<{ workflowId: string; status: string }>({
    name: 'find-refund-request',
    text: `SELECT q.workflow_id AS "workflowId", r.status FROM refund_requests q JOIN reviews r ON r.id = q.id
            WHERE q.org_id = $1 AND q.mode = $2 AND q.id = $3`,
    values: [orgId, mode, id],
  });
  return rows[0];
}

/** Locks the review of a refund until the transaction ends. */
export async function holdRefundReview(db: Db, { orgId, mode }: Tenant, id: string): Promise<void> {
  await db.query({
    name: 'hold-refund-review',
    text: `SELECT 1 FROM reviews r WHERE r.org_id = $1 AND r.mode = $2 AND r.id = $3 FOR UPDATE`,
    values: [orgId, mode, id],
  });
}
