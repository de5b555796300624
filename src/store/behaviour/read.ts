import { ALERT_POINTS, HIGH_POINTS, type RiskBand } from '../../domain/behaviour/score.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { COLUMNS, type BehaviourRow } from './row.ts';

export interface BehaviourFilter {
  agentId?: string;
  actionType?: string;
  band?: RiskBand;
  chainId?: string;
  sessionId?: string;
  /** Inclusive. */
  from?: Date;
  /** Exclusive. */
  before?: Date;
  /** The last event shown. */
  after?: { at: Date; id: string };
  limit: number;
}

const BANDS: Record<RiskBand, readonly [number, number]> = { low: [0, 29], medium: [30, 84], high: [85, 100] };

/** Newest first by when they occurred. */
export async function listBehaviour(db: Db, { orgId, mode }: Tenant, filter: BehaviourFilter): Promise<BehaviourRow[]> {
  const [least, most] = filter.band === undefined ? [0, 100] : BANDS[filter.band];
  const { rows } = await db.query<BehaviourRow>(
    `SELECT ${COLUMNS} FROM behaviour_events e
      WHERE e.org_id = $1 AND e.mode = $2 AND ($3::uuid IS NULL OR e.agent_id = $3)
        AND ($4::text IS NULL OR e.action_type = $4) AND e.points BETWEEN $5 AND $6
        AND ($7::uuid IS NULL OR e.chain_id = $7) AND ($8::text IS NULL OR e.session_id = $8)
        AND ($9::timestamptz IS NULL OR e.occurred_at >= $9) AND ($10::timestamptz IS NULL OR e.occurred_at < $10)
        AND ($11::timestamptz IS NULL OR (e.occurred_at, e.id) < ($11, $12::uuid))
      ORDER BY e.occurred_at DESC, e.id DESC LIMIT $13`,
    [
      orgId,
      mode,
      filter.agentId ?? null,
      filter.actionType ?? null,
      least,
      most,
      filter.chainId ?? null,
      filter.sessionId ?? null,
      filter.from ?? null,
      filter.before ?? null,
      filter.after?.at ?? null,
      filter.after?.id ?? null,
      filter.limit,
    ],
  );
  return rows;
}

export interface BehaviourGroup {
  id: string;
  events: number;
  agents: string[];
  firstAt: Date;
  lastAt: Date;
  /** The highest. */
  points: number;
  high: number;
}

/** Sessions or chains with events in the period (`to` excluded), the latest first. */
export async function listGroups(
  db: Db,
  { orgId, mode }: Tenant,
  asked: { by: 'session' | 'chain'; agentId?: string; from: Date; to: Date; limit: number },
): Promise<BehaviourGroup[]> {
  const column = asked.by === 'session' ? 'session_id' : 'chain_id';
  const { rows } = await db.query<BehaviourGroup>(
    `SELECT e.${column}::text AS id, count(*) AS events, (array_agg(DISTINCT e.agent_id))[1:20] AS agents,
            min(e.occurred_at) AS "firstAt", max(e.occurred_at) AS "lastAt", max(e.points) AS points,
            count(*) FILTER (WHERE e.points >= $7) AS high
       FROM behaviour_events e
      WHERE e.org_id = $1 AND e.mode = $2 AND e.${column} IS NOT NULL AND e.occurred_at >= $3 AND e.occurred_at < $4
        AND ($5::uuid IS NULL OR e.agent_id = $5)
      GROUP BY e.${column} ORDER BY max(e.occurred_at) DESC, 1 LIMIT $6`,
    [orgId, mode, asked.from, asked.to, asked.agentId ?? null, asked.limit, HIGH_POINTS],
  );
  return rows;
}

/** What the events of an agent since a moment come to. */
export async function recentBehaviour(
  db: Db,
  { orgId, mode }: Tenant,
  agentId: string,
  since: Date,
): Promise<{ events: number; alerts: number; points: number }> {
  const { rows } = await db.query<{ events: number; alerts: number; points: number }>({
    name: 'recent-behaviour',
    text: `SELECT count(*) AS events, count(*) FILTER (WHERE e.points >= $5) AS alerts, COALESCE(max(e.points), 0) AS points
             FROM behaviour_events e
            WHERE e.org_id = $1 AND e.mode = $2 AND e.agent_id = $3 AND e.occurred_at > $4`,
    values: [orgId, mode, agentId, since, ALERT_POINTS],
  });
  return rows[0]!;
}
