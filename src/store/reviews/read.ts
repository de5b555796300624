import type { ReviewStatus } from '../../domain/review/vote.ts';
import type { Reason, Risk, Tenant } from '../../domain/types.ts';
import type { Explanation } from '../../domain/policy.ts';
import type { Db } from '../pool.ts';
import { REVIEW_JSON, type ReviewRow } from './row.ts';

export async function findReview(db: Db, tenant: Tenant, id: string): Promise<ReviewRow | undefined> {
  const { rows } = await db.query<{ row: ReviewRow }>({
    name: 'find-review',
    text: `SELECT ${REVIEW_JSON} AS row FROM reviews r WHERE r.org_id = $1 AND r.mode = $2 AND r.id = $3`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0]?.row;
}

/** What lies beside the question. */
export interface ReviewEvidence {
  action: string;
  reasons: Reason[];
  /** Refunds have none. */
  risk?: Pick<Risk, 'score' | 'level' | 'signals'>;
  /** The reason that came with a refund. */
  asked_for?: string | null;
  explanations: Explanation[];
}

export interface QueuedReview extends ReviewRow {
  evidence: ReviewEvidence | null;
  /** Of the agent within the last 30 days, this one left out; bounded at 1,000. */
  history: { decisions: number; approved: number; denied: number; paid: number; first_seen: string | null } | null;
}

export interface ReviewFilter {
  status?: ReviewStatus;
  kind?: ReviewRow['subject_kind'];
  agentId?: string;
  merchantRef?: string;
  /** Microseconds since 1970 and id of the last one shown. */
  after?: { openedAtMicros: number; id: string };
  limit: number;
}

const EVIDENCE = `CASE r.subject_kind
    WHEN 'execution' THEN (
      SELECT jsonb_build_object('action', e.intent->>'action', 'reasons', e.reasons, 'risk', e.risk,
                                'explanations', e.explanations) FROM executions e WHERE e.id = r.id)
    WHEN 'refund' THEN (
      SELECT jsonb_build_object('action', 'payment.refund', 'reasons', jsonb_build_array(jsonb_build_object(
               'code', 'challenge_required', 'category', 'policy', 'message', q.rule || ': ' || q.message)),
               'explanations', q.explanations, 'asked_for', q.reason) FROM refund_requests q WHERE q.id = r.id)
    ELSE (
      SELECT jsonb_build_object('action', a.intent->>'action', 'reasons', a.reasons, 'explanations', a.explanations,
                                'risk', jsonb_build_object('score', a.score, 'level', a.level, 'signals', a.signals))
        FROM assessments a WHERE a.id = r.id) END`;

const HISTORY = `CASE WHEN r.agent_id IS NOT NULL THEN (
    SELECT jsonb_build_object('decisions', count(*), 'approved', count(*) FILTER (WHERE h.decision = 'approved'),
                              'denied', count(*) FILTER (WHERE h.decision = 'deny'),
                              'paid', count(*) FILTER (WHERE h.token_used_at IS NOT NULL), 'first_seen', min(h.created_at))
      FROM (SELECT x.decision, x.token_used_at, x.created_at FROM executions x
             WHERE x.org_id = r.org_id AND x.mode = r.mode AND x.agent_id = r.agent_id AND x.id <> r.id
               AND x.created_at > now() - interval '30 days'
             ORDER BY x.created_at DESC LIMIT 1000) h) END`;

const QUEUED = `${REVIEW_JSON} || jsonb_build_object('evidence', ${EVIDENCE}, 'history', ${HISTORY})`;

/** One review with its evidence. */
export async function viewReview(db: Db, tenant: Tenant, id: string): Promise<QueuedReview | undefined> {
  const { rows } = await db.query<{ row: QueuedReview }>({
    name: 'view-review',
    text: `SELECT ${QUEUED} AS row FROM reviews r WHERE r.org_id = $1 AND r.mode = $2 AND r.id = $3`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0]?.row;
}

/** Oldest first: whoever has waited longest is next. */
export async function listReviews(
  db: Db,
  tenant: Tenant,
  filter: ReviewFilter,
): Promise<(QueuedReview & { openedAtMicros: number })[]> {
  const { rows } = await db.query<{ row: QueuedReview; openedAtMicros: number }>({
    name: 'list-reviews',
    text: `SELECT ${QUEUED} AS row, floor(extract(epoch FROM r.opened_at) * 1000000)::bigint AS "openedAtMicros"
             FROM reviews r
            WHERE r.org_id = $1 AND r.mode = $2 AND ($3::text IS NULL OR r.status = $3)
              AND ($4::text IS NULL OR r.subject_kind = $4) AND ($5::uuid IS NULL OR r.agent_id = $5)
              AND ($6::text IS NULL OR r.merchant_ref = $6)
              AND ($7::bigint IS NULL OR (floor(extract(epoch FROM r.opened_at) * 1000000)::bigint, r.id) > ($7, $8::uuid))
            ORDER BY r.opened_at, r.id LIMIT $9`,
    values: [
      tenant.orgId,
      tenant.mode,
      filter.status ?? null,
      filter.kind ?? null,
      filter.agentId ?? null,
      filter.merchantRef ?? null,
      filter.after?.openedAtMicros ?? null,
      filter.after?.id ?? null,
      filter.limit,
    ],
  });
  return rows.map(({ row, openedAtMicros }) => ({ ...row, openedAtMicros }));
}
