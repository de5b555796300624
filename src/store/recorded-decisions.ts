import type { Occurrence, RecordedDecision, Truth } from '../domain/backtest/recorded.ts';
import type { Decision, Intent, IntentContext, Reason, RiskLevel, Tenant } from '../domain/types.ts';
import type { Pool } from 'pg';
import { inTransaction, type Db } from './pool.ts';

export interface RecordedPage {
  tenant: Tenant;
  from: Date;
  to: Date;
  /** The last decision of the page before. */
  after?: { atMs: number; id: string };
  limit: number;
}

type Row = [
  id: string,
  atMs: number,
  intent: Intent,
  context: IntentContext,
  agentId: string,
  agentAgeMs: number | null,
  agentTrust: number | null,
  agentBehaviour: number | null,
  agentCertificate: string,
  principalId: string,
  decision: Decision,
  reasons: Reason[] | null,
  riskScore: number,
  riskLevel: RiskLevel,
  riskModel: string,
  policyId: string | null,
  paid: boolean,
  occurrences: [kind: Occurrence['kind'], atMs: number, amountMinor: number][] | null,
  truth: Truth,
];

/**
 * A page of decisions as they were first made, oldest first, with what became known of each since: one keyset page, so
 * that a backtest over millions holds no more than two of them. Times of decisions are whole milliseconds.
 */
export async function readRecordedDecisions(db: Db, page: RecordedPage): Promise<RecordedDecision[]> {
  const { tenant, from, to, after, limit } = page;
  const { rows } = await db.query<Row>({
    name: 'read-recorded-decisions',
    text: SQL,
    values: [tenant.orgId, tenant.mode, after ? new Date(after.atMs) : from, after?.id ?? NIL, to, limit],
    rowMode: 'array',
  });
  return rows.map((row) => recordedOf(row, tenant.orgId));
}

function recordedOf(row: Row, orgId: string): RecordedDecision {
  const [id, atMs, intent, context, agentId, ageMs, trust, behaviour, certificate, principalId, decision] = row;
  const [, , , , , , , , , , , reasons, score, level, modelVersion, policyId, paid, occurrences, truth] = row;
  return {
    id,
    atMs,
    intent,
    context,
    agent: {
      id: agentId,
      ageMs: Math.max(0, ageMs ?? 0),
      ...(trust !== null && { trust }),
      ...(behaviour !== null && { behaviour }),
      certificate,
    },
    principal: { id: principalId, kind: principalId === orgId ? 'organization' : 'principal' },
    decision,
    reasons: reasons ?? NO_REASONS,
    risk: { score, level, signals: [], modelVersion },
    ...(policyId !== null && { policyId }),
    paid,
    occurrences: occurrences?.map(([kind, at, amountMinor]) => ({ kind, atMs: at, amountMinor })) ?? NOTHING,
    truth,
  };
}

/** Decisions from one time (inclusive) to another (exclusive): one scan of an index, which may take a while. */
export async function countDecisions(
  pool: Pool,
  tenant: Tenant,
  { from, to }: { from: Date; to: Date },
): Promise<number> {
  return inTransaction(pool, async (db) => {
    await db.query(`SET LOCAL statement_timeout = '120s'`);
    const { rows } = await db.query<{ n: number }>(
      `SELECT count(*) AS n FROM executions e
        WHERE e.org_id = $1 AND e.mode = $2 AND e.created_at >= $3 AND e.created_at < $4`,
      [tenant.orgId, tenant.mode, from, to],
    );
    return rows[0]!.n;
  });
}

const NIL = '00000000-0000-0000-0000-000000000000';
const NO_REASONS: Reason[] = [];
const NOTHING: Occurrence[] = [];

/**
 * The row says what stands now, the answer to authorize what was decided first. An approval that nobody was asked about
 * is what it was: for it, and it is the usual case, the answer need not be read.
 */
const SQL = `
WITH page AS MATERIALIZED (
  SELECT e.id, e.created_at AS at, e.intent, e.context, e.agent_id, e.principal_id, e.decision, e.reasons, e.risk,
         e.stage, e.challenge_status, e.policy_id, e.answer
    FROM executions e
   WHERE e.org_id = $1 AND e.mode = $2 AND e.created_at >= $3 AND e.created_at < $5 AND (e.created_at, e.id) > ($3, $4::uuid)
   ORDER BY e.created_at, e.id LIMIT $6
)
SELECT e.id, floor(extract(epoch FROM e.at) * 1000)::float8, e.intent, e.context, e.agent_id,
       floor(extract(epoch FROM e.at - a.created_at) * 1000)::float8,
       (e.risk->'measures'->'agent_trust')::float8,
       -- A measure of nothing is not kept.
       COALESCE((e.risk->'measures'->'behaviour_unusual')::float8, CASE WHEN e.risk->'measures' ? 'agent_trust' THEN 0 END),
       COALESCE(c.state, 'none'),
       e.principal_id,
       CASE WHEN f.answer IS NULL THEN e.decision WHEN f.answer ? 'review' THEN 'review'
            ELSE COALESCE(f.answer->>'decision', e.decision) END,
       CASE WHEN f.answer IS NULL THEN NULL ELSE COALESCE(f.answer->'reasons', e.reasons) END,
       (e.risk->>'score')::float8, e.risk->>'level', e.risk->>'modelVersion', e.policy_id,
       p.id IS NOT NULL AND p.phase <> 'failed', h.occurrences,
       CASE
         WHEN p.dispute_held + p.dispute_lost > 0 THEN 'disputed'
         WHEN e.challenge_status = 'failed' OR e.stage = 'denied' AND f.answer ? 'review'
              AND e.reasons->0->>'code' = 'policy_denied' THEN 'rejected'
         WHEN p.refunded > 0 THEN 'refunded'
         WHEN h.approved THEN 'confirmed'
         WHEN p.phase = 'failed' THEN 'failed'
         WHEN p.captured > 0 THEN 'captured'
         ELSE 'unknown' END
  FROM page e
  LEFT JOIN payments p ON p.execution_id = e.id
  LEFT JOIN agents a ON a.id = e.agent_id
  LEFT JOIN LATERAL (
    SELECT CASE WHEN c.revoked_at <= e.at THEN 'revoked' WHEN c.expires_at <= e.at THEN 'expired' ELSE 'active' END AS state
      FROM certificates c
     WHERE c.org_id = $1 AND c.mode = $2 AND c.agent_id = e.agent_id AND c.issued_at <= e.at
     ORDER BY c.issued_at DESC, c.id DESC LIMIT 1) c ON true
  LEFT JOIN LATERAL (
    SELECT jsonb_agg(jsonb_build_array(h.kind, floor(extract(epoch FROM h.at) * 1000), h.amount_minor) ORDER BY h.at)
             AS occurrences,
           bool_or(h.kind = 'approvals') AS approved
      FROM history h WHERE h.execution_id = e.id) h ON true
 CROSS JOIN LATERAL (
    SELECT CASE WHEN e.decision <> 'approved' OR e.challenge_status IS NOT NULL OR h.approved
                THEN e.answer::jsonb END AS answer) f
 ORDER BY e.at, e.id`;
