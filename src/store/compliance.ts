import { toTypeId } from '../domain/ids.ts';
import type { Tenant } from '../domain/types.ts';
import type { AuditRow } from './audit-entries.ts';
import type { Db } from './pool.ts';

/** What a report is about: one agent, or all of the tenant, over a period (`to` excluded). */
export interface ReportScope {
  tenant: Tenant;
  agentId?: string;
  from: Date;
  to: Date;
}

/** Rows of one part that a report lists one by one; its counts are of all. */
export const LISTED = 200;

const valuesOf = ({ tenant: { orgId, mode }, agentId, from, to }: ReportScope) => [
  orgId,
  mode,
  agentId ?? null,
  from,
  to,
];

export interface ReportedAgent {
  id: string;
  name: string;
  status: string;
  modelHash: string | null;
  principalId: string | null;
  liveKeys: number;
  createdAt: Date;
}

/** Agents that there were by the end of the period, as they stand now; by status all of them, and the first of them. */
export async function reportAgents(db: Db, scope: ReportScope) {
  const { rows } = await db.query<ReportedAgent>(
    `SELECT a.id, a.name, a.status, a.model_hash AS "modelHash", a.principal_id AS "principalId",
            a.created_at AS "createdAt",
            (SELECT count(*) FROM agent_keys k WHERE k.org_id = $1 AND k.mode = $2 AND k.agent_id = a.id
                AND k.status = 'active') AS "liveKeys"
       FROM agents a WHERE a.org_id = $1 AND a.mode = $2 AND ($3::uuid IS NULL OR a.id = $3) AND a.created_at < $5
        AND $4::timestamptz IS NOT NULL
      ORDER BY a.id LIMIT ${LISTED}`,
    valuesOf(scope),
  );
  const counts = await countsOf(
    db,
    scope,
    `SELECT a.status AS name, count(*) AS n FROM agents a WHERE a.org_id = $1 AND a.mode = $2
        AND ($3::uuid IS NULL OR a.id = $3) AND a.created_at < $5 AND $4::timestamptz IS NOT NULL GROUP BY 1 ORDER BY 1`,
  );
  return { counts, rows };
}

export interface ReportedCertificate {
  id: string;
  agentId: string;
  serialNumber: string;
  keyRef: string;
  issuedAt: Date;
  expiresAt: Date;
  revokedAt: Date | null;
  reason: string | null;
  reasonCode: number | null;
}

/** Certificates that were good at some moment of the period, whenever they were issued. */
export async function reportCertificates(db: Db, scope: ReportScope) {
  const which = `FROM certificates c WHERE c.org_id = $1 AND c.mode = $2 AND ($3::uuid IS NULL OR c.agent_id = $3)
    AND c.issued_at < $5 AND c.expires_at > $4 AND (c.revoked_at IS NULL OR c.revoked_at >= $4)`;
  const counts = await countsOf(
    db,
    scope,
    `SELECT x.name, count(*) AS n FROM (
       SELECT unnest(ARRAY['good in the period', CASE WHEN c.issued_at >= $4 THEN 'issued in it' END,
         CASE WHEN c.revoked_at < $5 THEN 'revoked in it' END,
         CASE WHEN c.expires_at < $5 AND c.revoked_at IS NULL THEN 'expired in it' END]) AS name ${which}) x
      WHERE x.name IS NOT NULL GROUP BY 1 ORDER BY 1`,
  );
  const { rows } = await db.query<ReportedCertificate>(
    `SELECT c.id, c.agent_id AS "agentId", c.serial_number AS "serialNumber", c.key_ref AS "keyRef",
            c.issued_at AS "issuedAt", c.expires_at AS "expiresAt", c.revoked_at AS "revokedAt",
            c.revocation_reason AS reason, c.reason_code AS "reasonCode" ${which} ORDER BY c.id LIMIT ${LISTED}`,
    valuesOf(scope),
  );
  return { counts, rows };
}

export interface ReportedDelegation {
  id: string;
  agentId: string;
  principalId: string | null;
  parentId: string | null;
  status: string;
  createdAt: Date;
  expiresAt: Date;
  revokedAt: Date | null;
  reason: string | null;
}

/** Delegations that were live at some moment of the period. */
export async function reportDelegations(db: Db, scope: ReportScope) {
  const which = `FROM delegations d WHERE d.org_id = $1 AND d.mode = $2 AND ($3::uuid IS NULL OR d.agent_id = $3)
    AND d.created_at < $5 AND d.expires_at > $4 AND (d.revoked_at IS NULL OR d.revoked_at >= $4)`;
  const counts = await countsOf(
    db,
    scope,
    `SELECT x.name, count(*) AS n FROM (
       SELECT unnest(ARRAY['live in the period', CASE WHEN d.created_at >= $4 THEN 'granted in it' END,
         CASE WHEN d.revoked_at < $5 THEN 'revoked in it' END,
         CASE WHEN d.expires_at < $5 AND d.revoked_at IS NULL THEN 'expired in it' END]) AS name ${which}) x
      WHERE x.name IS NOT NULL GROUP BY 1 ORDER BY 1`,
  );
  const { rows } = await db.query<ReportedDelegation>(
    `SELECT d.id, d.agent_id AS "agentId", d.principal_id AS "principalId", d.parent_id AS "parentId", d.status,
            d.created_at AS "createdAt", d.expires_at AS "expiresAt", d.revoked_at AS "revokedAt",
            d.revocation_reason AS reason ${which} ORDER BY d.id LIMIT ${LISTED}`,
    valuesOf(scope),
  );
  return { counts, rows };
}

export interface ReportedDecisions {
  of: 'execution' | 'assessment';
  currency: string;
  decision: string;
  decisions: number;
  amountMinor: string;
}

/**
 * Decisions on executions and verdicts on assessments, by currency, as they stand; and how often each reason was given
 * for what is no approval.
 */
export async function reportDecisions(db: Db, scope: ReportScope) {
  const within = `e.org_id = $1 AND e.mode = $2 AND ($3::uuid IS NULL OR e.agent_id = $3)
    AND e.created_at >= $4 AND e.created_at < $5`;
  const which = `FROM (
    SELECT 'execution' AS of, e.decision, e.currency, e.amount_minor, e.reasons FROM executions e WHERE ${within}
    UNION ALL
    SELECT 'assessment', e.decision, e.currency, e.amount_minor, e.reasons FROM assessments e WHERE ${within}) e`;
  const { rows } = await db.query<ReportedDecisions>(
    `SELECT e.of, e.currency, e.decision, count(*) AS decisions, sum(e.amount_minor)::text AS "amountMinor" ${which}
      GROUP BY 1, 2, 3 ORDER BY 1 DESC, 2, 3`,
    valuesOf(scope),
  );
  const counts = await countsOf(
    db,
    scope,
    `SELECT CASE e.of WHEN 'assessment' THEN 'assessment: ' ELSE '' END || e.decision AS name, count(*) AS n ${which}
      GROUP BY e.of, e.decision ORDER BY e.of DESC, e.decision`,
  );
  const reasons = await countsOf(
    db,
    scope,
    `SELECT r.code AS name, count(*) AS n FROM (SELECT e.reasons ${which} WHERE e.decision NOT IN ('approved', 'approve')) x,
            jsonb_to_recordset(x.reasons) AS r(code text) WHERE r.code IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 50`,
  );
  return { counts, reasons, rows };
}

export interface ReportedBehaviour {
  actionType: string;
  events: number;
  failed: number;
  medium: number;
  high: number;
  alerts: number;
  maxPoints: number;
}

/** Events by action, of both tables: an event is in one of them. Compacted days count whole, by their date (UTC). */
export async function reportBehaviour(db: Db, scope: ReportScope): Promise<ReportedBehaviour[]> {
  const { rows } = await db.query<ReportedBehaviour>(
    `SELECT x.action_type AS "actionType", sum(x.events)::bigint AS events, sum(x.failed)::bigint AS failed,
            sum(x.medium)::bigint AS medium, sum(x.high)::bigint AS high, sum(x.alerts)::bigint AS alerts,
            max(x.max_points) AS "maxPoints"
       FROM (
         SELECT e.action_type, count(*) AS events, count(*) FILTER (WHERE e.failed) AS failed,
                count(*) FILTER (WHERE e.points >= 30 AND e.points < 85) AS medium,
                count(*) FILTER (WHERE e.points >= 85) AS high, count(*) FILTER (WHERE e.points >= 75) AS alerts,
                max(e.points) AS max_points
           FROM behaviour_events e WHERE e.org_id = $1 AND e.mode = $2 AND ($3::uuid IS NULL OR e.agent_id = $3)
            AND e.occurred_at >= $4 AND e.occurred_at < $5 GROUP BY 1
         UNION ALL
         SELECT d.action_type, d.events, d.failed, d.medium, d.high, d.alerts, d.max_points
           FROM behaviour_days d WHERE d.org_id = $1 AND d.mode = $2 AND ($3::uuid IS NULL OR d.agent_id = $3)
            AND d.day >= ($4::timestamptz AT TIME ZONE 'UTC')::date AND d.day < ($5::timestamptz AT TIME ZONE 'UTC')::date
       ) x GROUP BY 1 ORDER BY 1`,
    valuesOf(scope),
  );
  return rows;
}

/** Entries of the trail by which somebody, or the watch of an agent, intervened. */
export const INTERVENTIONS = [
  'agent.halted',
  'agent.revoked_for_behaviour',
  'agent.suspended',
  'agent.resumed',
  'identity.frozen',
  'identity.unfrozen',
  'identity.void_requested',
  'identity.revoked',
  'certificate.revoked',
] as const;

/**
 * Interventions, and decisions that a person took; for one agent those on it, its freezes, its executions and its
 * assessments. By type all of them are counted.
 */
export async function reportOverrides(
  db: Db,
  scope: ReportScope,
): Promise<{ counts: Record<string, number>; rows: AuditRow[] }> {
  const agent = scope.agentId && toTypeId('agt', scope.agentId);
  const { rows } = await db.query<AuditRow & { counts: Record<string, number> }>(
    `WITH a AS MATERIALIZED (
     SELECT a.id, a.seq, a.at, a.type, a.actor, a.subject, a.body, a.prev_hash AS "prevHash",
            a.entry_hash AS "entryHash"
       FROM audit_entries a
      WHERE a.org_id = $1 AND a.mode = $2 AND a.at >= $4 AND a.at < $5
        AND (a.type = ANY ($6) AND NOT a.body ? 'replaced_by' OR a.type = 'execution.decision' AND a.body ? 'verdict'
             OR a.type = 'assessment.reviewed' AND a.actor NOT LIKE 'system:%')
        AND ($3::uuid IS NULL OR a.subject = $7 OR a.body->'target'->>'id' = $7 OR a.body->'revoked' ? $7
             OR EXISTS (SELECT 1 FROM events e WHERE e.org_id = $1 AND e.mode = $2 AND e.sequence = a.seq
                           AND e.agent_id = $3)))
     SELECT a.*, (SELECT jsonb_object_agg(c.type, c.n) FROM (SELECT type, count(*) AS n FROM a GROUP BY 1) c) AS counts
       FROM a ORDER BY a.seq LIMIT ${LISTED}`,
    [...valuesOf(scope), INTERVENTIONS, agent ?? null],
  );
  return { counts: rows[0]?.counts ?? {}, rows: rows.map(({ counts: _, ...row }) => row) };
}

/** First and last entry of the trail in the period. */
export async function trailInPeriod(
  db: Db,
  { tenant: { orgId, mode }, from, to }: ReportScope,
): Promise<{ entries: number; first: number | null; last: number | null }> {
  const { rows } = await db.query<{ entries: number; first: number | null; last: number | null }>(
    `SELECT count(*) AS entries, min(seq) AS first, max(seq) AS last FROM audit_entries
      WHERE org_id = $1 AND mode = $2 AND at >= $3 AND at < $4`,
    [orgId, mode, from, to],
  );
  return rows[0]!;
}

export async function auditEntryAt(
  db: Db,
  { orgId, mode }: Tenant,
  seq: number,
): Promise<{ id: string; entryHash: string }> {
  const { rows } = await db.query<{ id: string; entryHash: string }>(
    'SELECT id, entry_hash AS "entryHash" FROM audit_entries WHERE org_id = $1 AND mode = $2 AND seq = $3',
    [orgId, mode, seq],
  );
  return rows[0]!;
}

async function countsOf(db: Db, scope: ReportScope, sql: string): Promise<Record<string, number>> {
  const { rows } = await db.query<{ name: string; n: number }>(sql, valuesOf(scope));
  return Object.fromEntries(rows.map(({ name, n }) => [name, n]));
}
