import type { RecordedDecision } from '../domain/backtest.ts';
import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

export interface RecordedPage {
  tenant: Tenant;
  from: Date;
  to: Date;
  /** The last decision of the page before. */
  after?: { atMs: number; id: string };
  limit: number;
}

/**
 * A page of decisions as they were first made, oldest first, with what became known of each since: one keyset page, so
 * that a backtest over millions holds no more than one of them. Times of decisions are whole milliseconds.
 */
export async function readRecordedDecisions(db: Db, page: RecordedPage): Promise<RecordedDecision[]> {
  const { tenant, from, to, after, limit } = page;
  const { rows } = await db.query<{ decision: RecordedDecision }>({
    name: 'read-recorded-decisions',
    text: SQL,
    values: [tenant.orgId, tenant.mode, from, to, after ? new Date(after.atMs) : null, after?.id ?? null, limit],
  });
  return rows.map(({ decision }) => decision);
}

const SQL = `
WITH page AS (
  SELECT e.id, e.org_id, e.created_at AS at, e.intent, e.context, e.agent_id, e.principal_id, e.decision, e.reasons,
         e.risk, e.stage, e.challenge_status, e.answer::jsonb AS answer
    FROM executions e
   WHERE e.org_id = $1 AND e.mode = $2 AND e.created_at >= $3 AND e.created_at < $4
     AND ($5::timestamptz IS NULL OR e.created_at >= $5 AND (e.created_at, e.id) > ($5, $6::uuid))
   ORDER BY e.created_at, e.id LIMIT $7
)
SELECT jsonb_strip_nulls(jsonb_build_object(
  'id', e.id,
  'atMs', floor(extract(epoch FROM e.at) * 1000),
  'intent', e.intent,
  'context', e.context,
  'agent', jsonb_build_object('id', e.agent_id, 'ageMs',
                              GREATEST(0, floor(extract(epoch FROM e.at - a.created_at) * 1000)),
                              'trust', e.risk->'measures'->'agent_trust'),
  'principal', jsonb_build_object('id', e.principal_id, 'kind',
                                  CASE WHEN e.principal_id = e.org_id THEN 'organization' ELSE 'principal' END),
  -- The answer to authorize says what was decided first; the row says what stands now.
  'decision', CASE WHEN e.answer ? 'review' THEN 'review' ELSE COALESCE(e.answer->>'decision', e.decision) END,
  'reasons', COALESCE(e.answer->'reasons', e.reasons),
  'risk', e.risk,
  'paid', p.id IS NOT NULL AND p.phase <> 'failed',
  'occurrences', COALESCE((SELECT jsonb_agg(jsonb_build_object(
      'kind', h.kind, 'atMs', floor(extract(epoch FROM h.at) * 1000), 'amountMinor', h.amount_minor) ORDER BY h.at)
      FROM history h WHERE h.execution_id = e.id), '[]'),
  'truth', CASE
    WHEN p.dispute_held + p.dispute_lost > 0 THEN 'disputed'
    WHEN e.challenge_status = 'failed' OR e.stage = 'denied' AND e.answer ? 'review'
         AND e.reasons->0->>'code' = 'policy_denied' THEN 'rejected'
    WHEN p.refunded > 0 THEN 'refunded'
    WHEN EXISTS (SELECT 1 FROM history h WHERE h.execution_id = e.id AND h.kind = 'approvals') THEN 'confirmed'
    WHEN p.captured > 0 THEN 'captured'
    ELSE 'unknown' END
)) AS decision
  FROM page e
  LEFT JOIN payments p ON p.execution_id = e.id
  LEFT JOIN agents a ON a.id = e.agent_id
 ORDER BY e.at, e.id`;
