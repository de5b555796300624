import type { Outcome, TrustState } from '../domain/trust-score.ts';
import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

/** What is stored of an agent's trust, as `TrustState`; for other statements, which add their own WHERE. */
export const TRUST_STATE = `SELECT jsonb_build_object('score', t.score, 'tier', t.tier, 'paid', t.paid,
  'atMs', floor(extract(epoch FROM t.at) * 1000), 'gainedDay', t.gained_day, 'gained', t.gained) FROM agent_trust t`;

export interface TrustSubject {
  tenant: Tenant;
  agentId: string;
}

/** The trust of an agent; undefined while nothing came of anything that it asked for. */
export async function findTrust(db: Db, { tenant, agentId }: TrustSubject): Promise<TrustState | undefined> {
  const { rows } = await db.query<{ trust: TrustState }>({
    name: 'find-agent-trust',
    text: `SELECT (${TRUST_STATE} WHERE t.org_id = $1 AND t.mode = $2 AND t.agent_id = $3) AS trust`,
    values: [tenant.orgId, tenant.mode, agentId],
  });
  return rows[0]?.trust ?? undefined;
}

/** Agents with outcomes that were not taken in, and those that only time may have brought into another tier. */
export async function findTrustDue(db: Db, now: Date, limit: number): Promise<TrustSubject[]> {
  const { rows } = await db.query<{ orgId: string; mode: Tenant['mode']; agentId: string }>({
    name: 'find-trust-due',
    text: `SELECT org_id AS "orgId", mode, agent_id AS "agentId" FROM (
             SELECT DISTINCT o.org_id, o.mode, o.agent_id
               FROM (SELECT * FROM trust_outcomes ORDER BY id LIMIT 1000) o) due
           UNION
           (SELECT t.org_id, t.mode, t.agent_id FROM agent_trust t
             WHERE t.tier IN ('probation', 'trusted') AND t.looked_at < $1::timestamptz - interval '1 day'
             ORDER BY t.looked_at LIMIT $2)
           LIMIT $2`,
    values: [now, limit],
  });
  return rows.map(({ orgId, mode, agentId }) => ({ tenant: { orgId, mode }, agentId }));
}

/**
 * Locks the trust of agents of one tenant, in the order of ids, and takes their outcomes out, oldest first; the caller
 * stores what they come to. @param fresh the trust of an agent that has none yet
 */
export async function takeOutcomes(
  db: Db,
  { tenant, agentIds, fresh }: { tenant: Tenant; agentIds: string[]; fresh: TrustState },
  limit: number,
): Promise<Map<string, { state: TrustState; outcomes: Outcome[] }>> {
  await db.query({
    name: 'begin-agent-trust',
    text: `INSERT INTO agent_trust (agent_id, org_id, mode, score, at, tier, paid, gained_day, gained, looked_at)
           SELECT a.id, $2, $3, $4, to_timestamp($5 / 1000.0), $6, $7, $8, $9, to_timestamp($5 / 1000.0)
             FROM unnest($1::uuid[]) AS a(id) ORDER BY a.id
           ON CONFLICT (agent_id) DO NOTHING`,
    values: [
      agentIds,
      tenant.orgId,
      tenant.mode,
      fresh.score,
      fresh.atMs,
      fresh.tier,
      fresh.paid,
      fresh.gainedDay,
      fresh.gained,
    ],
  });
  const { rows: held } = await db.query<{ agentId: string; state: TrustState }>({
    name: 'hold-agent-trust',
    text: `SELECT t.agent_id AS "agentId", (${TRUST_STATE.replace(' FROM agent_trust t', '')}) AS state
             FROM agent_trust t WHERE t.org_id = $1 AND t.mode = $2 AND t.agent_id = ANY ($3)
            ORDER BY t.agent_id FOR UPDATE`,
    values: [tenant.orgId, tenant.mode, agentIds],
  });
  const { rows: outcomes } = await db.query<Outcome & { id: number; agentId: string }>({
    name: 'take-trust-outcomes',
    text: `DELETE FROM trust_outcomes o
            USING (SELECT id FROM trust_outcomes WHERE org_id = $1 AND mode = $2 AND agent_id = ANY ($3)
                    ORDER BY id LIMIT $4) due
            WHERE o.id = due.id
           RETURNING o.id, o.agent_id AS "agentId", o.kind, floor(extract(epoch FROM o.at) * 1000)::float8 AS "atMs"`,
    values: [tenant.orgId, tenant.mode, agentIds, limit],
  });
  const ordered = outcomes.toSorted((a, b) => a.id - b.id);
  return new Map(
    held.map(({ agentId, state }) => [
      agentId,
      { state, outcomes: ordered.filter((outcome) => outcome.agentId === agentId) },
    ]),
  );
}

/** Stores the trust of agents that are held, as looked at now. */
export async function storeTrust(db: Db, states: (TrustState & { agentId: string })[], now: Date): Promise<void> {
  await db.query({
    name: 'store-agent-trust',
    text: `UPDATE agent_trust t SET score = s.score, at = to_timestamp(s."atMs" / 1000.0), tier = s.tier, paid = s.paid,
                  gained_day = s."gainedDay", gained = s.gained, looked_at = $2
             FROM jsonb_to_recordset($1::jsonb) AS s("agentId" uuid, score float8, "atMs" float8, tier text, paid int,
                  "gainedDay" int, gained float8)
            WHERE t.agent_id = s."agentId"`,
    values: [JSON.stringify(states), now],
  });
}

/** Forgets counters of subjects that never came back, some at a time. @returns how many */
export async function forgetOldCounts(db: Db, now: Date, limit: number): Promise<number> {
  const { rowCount } = await db.query({
    name: 'forget-risk-counts',
    text: `DELETE FROM risk_counts WHERE ctid IN (
             SELECT c.ctid FROM (VALUES ('5 min'), ('1 hour'), ('1 day'), ('7 days')) w(width)
               CROSS JOIN LATERAL (SELECT ctid FROM risk_counts
                 WHERE width = w.width AND bucket < risk_bucket(w.width, $1) - risk_window(w.width) LIMIT $2) c)`,
    values: [now, limit],
  });
  return rowCount ?? 0;
}
