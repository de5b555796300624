import type { Mode, Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

/** Tenants with an event that occurred before this moment. */
export async function tenantsWithOldEvents(db: Db, before: Date): Promise<Tenant[]> {
  const { rows } = await db.query<{ orgId: string; mode: Mode }>(
    `SELECT o.id AS "orgId", m.mode FROM organizations o CROSS JOIN (VALUES ('test'), ('live')) AS m(mode)
      WHERE EXISTS (SELECT 1 FROM behaviour_events e WHERE e.org_id = o.id AND e.mode = m.mode AND e.occurred_at < $1)
      ORDER BY o.id, m.mode`,
    [before],
  );
  return rows;
}

/**
 * Turns at most `limit` events that occurred before this moment into daily aggregates: added there and deleted here by
 * one statement, so that each event is always in exactly one of the two tables, and in the same place when it is done
 * twice. Rows that another pass works on are left to it.
 */
export async function compactEvents(
  db: Db,
  { orgId, mode }: Tenant,
  before: Date,
  limit: number,
): Promise<{ events: number; days: number }> {
  const { rows } = await db.query<{ events: number; days: number }>(
    `WITH old AS (
       SELECT e.id FROM behaviour_events e WHERE e.org_id = $1 AND e.mode = $2 AND e.occurred_at < $3
        ORDER BY e.occurred_at, e.id LIMIT $4 FOR UPDATE SKIP LOCKED),
     gone AS (
       DELETE FROM behaviour_events e USING old WHERE e.id = old.id
       RETURNING e.agent_id, (e.occurred_at AT TIME ZONE 'UTC')::date AS day, e.action_type, e.failed, e.points),
     kept AS (
       INSERT INTO behaviour_days AS d (org_id, mode, agent_id, day, action_type, events, failed, medium, high, alerts,
                                        points, max_points)
       SELECT $1, $2, g.agent_id, g.day, g.action_type, count(*), count(*) FILTER (WHERE g.failed),
              count(*) FILTER (WHERE g.points >= 30 AND g.points < 85), count(*) FILTER (WHERE g.points >= 85),
              count(*) FILTER (WHERE g.points >= 75), sum(g.points), max(g.points)
         FROM gone g GROUP BY g.agent_id, g.day, g.action_type ORDER BY 3, 4, 5
       ON CONFLICT (org_id, mode, agent_id, day, action_type) DO UPDATE SET
         events = d.events + excluded.events, failed = d.failed + excluded.failed, medium = d.medium + excluded.medium,
         high = d.high + excluded.high, alerts = d.alerts + excluded.alerts, points = d.points + excluded.points,
         max_points = GREATEST(d.max_points, excluded.max_points)
       RETURNING 1)
     SELECT (SELECT count(*) FROM gone) AS events, (SELECT count(*) FROM kept) AS days`,
    [orgId, mode, before, limit],
  );
  return rows[0]!;
}
