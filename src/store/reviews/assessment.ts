import type { Intent, IntentContext, Reason, RiskLevel, RiskSignal, Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { StopRow } from '../stops/begin.ts';
import { UNDER } from '../stops/close.ts';
import type { ReviewStatus } from '../../domain/review/vote.ts';
import { REVIEW_JSON, type ReviewRow } from './row.ts';

/** An assessment as a person decides it. Times are texts of the database. */
export interface ReviewedAssessment {
  id: string;
  kind: string;
  decision: 'approve' | 'review' | 'deny';
  score: number;
  level: RiskLevel;
  signals: RiskSignal[];
  model_version: string;
  agent_id: string | null;
  principal_id: string | null;
  delegation_id: string | null;
  intent: Intent;
  context: IntentContext;
  reasons: Reason[];
  policy_id: string | null;
  risk_payload_jws: string;
  kid: string;
}

export async function existsAssessment(db: Db, { orgId, mode }: Tenant, id: string): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'exists-assessment',
    text: 'SELECT 1 FROM assessments WHERE org_id = $1 AND mode = $2 AND id = $3',
    values: [orgId, mode, id],
  });
  return rowCount === 1;
}

export async function findAssessedIntent(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
): Promise<Pick<ReviewedAssessment, 'intent' | 'context'> | undefined> {
  const { rows } = await db.query<Pick<ReviewedAssessment, 'intent' | 'context'>>({
    name: 'find-assessed-intent',
    text: 'SELECT intent, context FROM assessments WHERE org_id = $1 AND mode = $2 AND id = $3',
    values: [orgId, mode, id],
  });
  return rows[0];
}

/** Locks the review of an assessment for a change, with the assessment and the end of its mandate. */
export async function holdAssessmentReview(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
): Promise<{ review: ReviewRow; assessment: ReviewedAssessment; mandateExpiresAt: string | null } | undefined> {
  await db.query({
    name: 'hold-assessment-review',
    text: 'SELECT 1 FROM reviews WHERE org_id = $1 AND mode = $2 AND id = $3 FOR UPDATE',
    values: [orgId, mode, id],
  });
  const { rows } = await db.query<{
    review: ReviewRow;
    assessment: ReviewedAssessment;
    mandateExpiresAt: string | null;
  }>({
    name: 'held-assessment-review',
    text: `SELECT ${REVIEW_JSON} AS review, to_jsonb(a) AS assessment,
                  to_jsonb(m.expires_at)->>0 AS "mandateExpiresAt"
             FROM reviews r JOIN assessments a ON a.id = r.id JOIN mandates m ON m.id = a.mandate_id
            WHERE r.org_id = $1 AND r.mode = $2 AND r.id = $3`,
    values: [orgId, mode, id],
  });
  return rows[0];
}

/** Replaces the verdict of a held assessment; what it had used up of its mandates goes back when it is denied. */
export async function redecideAssessment(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
  verdict: { decision: 'approve' | 'deny'; reasons: Reason[]; riskPayloadJws: string; kid: string },
): Promise<void> {
  await db.query({
    name: 'redecide-assessment',
    text: `UPDATE assessments SET decision = $4, reasons = $5, risk_payload_jws = $6, kid = $7
            WHERE org_id = $1 AND mode = $2 AND id = $3`,
    values: [orgId, mode, id, verdict.decision, JSON.stringify(verdict.reasons), verdict.riskPayloadJws, verdict.kid],
  });
  if (verdict.decision === 'deny') await db.query('SELECT return_assessment($1, $2, $3)', [orgId, mode, id]);
}

/** Ends the open reviews of assessments under a stop: no vote counts any more. Their workflows do the rest. */
export async function withdrawAssessmentReviews(
  db: Db,
  { orgId, mode }: Tenant,
  stop: StopRow,
  { delegationIds, at }: { delegationIds: string[]; at: Date },
): Promise<void> {
  await db.query(
    `UPDATE reviews e SET status = 'withdrawn', closed_at = $6
      WHERE e.id IN (SELECT e.id FROM reviews e
        WHERE e.org_id = $1 AND e.mode = $2 AND e.subject_kind = 'assessment' AND e.status = 'open' AND ${UNDER}
        ORDER BY e.id FOR UPDATE)`,
    [orgId, mode, stop.targetKind, stop.target, delegationIds, at],
  );
}

/** A review whose workflow must be started, or told that it was ended from outside. */
export interface UndrivenReview {
  tenant: Tenant;
  id: string;
  status: ReviewStatus;
  agentId: string | null;
  merchantRef: string | null;
  amountMinor: number | null;
}

/** Reviews of assessments that no workflow is known to have taken over, or that it has not heard the end of. */
export async function findUndrivenReviews(db: Db, limit: number): Promise<UndrivenReview[]> {
  const { rows } = await db.query<Omit<UndrivenReview, 'tenant'> & Tenant>({
    name: 'find-undriven-reviews',
    text: `SELECT r.org_id AS "orgId", r.mode, r.id, r.status, r.agent_id AS "agentId", r.merchant_ref AS "merchantRef",
                  r.amount_minor AS "amountMinor"
             FROM reviews r
            WHERE r.subject_kind = 'assessment'
              AND (r.driven_at IS NULL OR r.status = 'withdrawn' AND r.told_at IS NULL)
            ORDER BY r.opened_at LIMIT $1`,
    values: [limit],
  });
  return rows.map(({ orgId, mode, ...row }) => ({ ...row, tenant: { orgId, mode } }));
}

/** Its workflow has it, and has heard of `status`; from the first time on its end is dated by `waitMs`. */
export async function markReviewDriven(
  db: Db,
  { tenant, id, status }: Pick<UndrivenReview, 'tenant' | 'id' | 'status'>,
  at: Date,
): Promise<void> {
  await db.query({
    name: 'mark-review-driven',
    text: `UPDATE reviews SET driven_at = COALESCE(driven_at, $4), told_at = CASE WHEN $5 = 'withdrawn' THEN $4 ELSE told_at END
            WHERE org_id = $1 AND mode = $2 AND id = $3`,
    values: [tenant.orgId, tenant.mode, id, at, status],
  });
}

/** Dates the end of an open review that nobody has taken over yet. */
export async function dateReview(
  db: Db,
  { tenant, id }: Pick<UndrivenReview, 'tenant' | 'id'>,
  waitMs: number,
): Promise<void> {
  await db.query({
    name: 'date-review',
    text: `UPDATE reviews SET expires_at = opened_at + $4 * interval '1 millisecond'
            WHERE org_id = $1 AND mode = $2 AND id = $3 AND driven_at IS NULL`,
    values: [tenant.orgId, tenant.mode, id, waitMs],
  });
}
