import type { HighEvent } from '../../domain/behaviour/window.ts';
import { HIGH_POINTS } from '../../domain/behaviour/score.ts';
import type { Mode, Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

/** High events read for one look: more of them than can be needed to find a window that trips. */
const READ_LIMIT = 1_000;

export interface WatchRow {
  agentId: string;
  countedSince: Date | null;
  haltedAt: Date | null;
  haltedBy: string | null;
  haltReason: string | null;
  stopId: string | null;
  /** The events that ended its authority, when they did. */
  trip: HighEvent[] | null;
}

const COLUMNS = `w.agent_id AS "agentId", NULLIF(w.counted_since, '-infinity') AS "countedSince",
  w.halted_at AS "haltedAt", w.halted_by AS "haltedBy", w.halt_reason AS "haltReason", w.stop_id AS "stopId", w.trip`;

/**
 * Notes, in the transaction that stores high events, that somebody must look at their agents. Locks the rows in the
 * order of ids, before the head of the audit trail.
 * @returns the agents whose workflow this caller must tell; for the others somebody is about to
 */
export async function oweLook(
  db: Db,
  { orgId, mode }: Tenant,
  agentIds: readonly string[],
  at: Date,
): Promise<string[]> {
  const { rows } = await db.query<{ agentId: string; mine: boolean }>({
    name: 'owe-look',
    text: `INSERT INTO agent_watches AS w (org_id, mode, agent_id, told_at)
           SELECT $1, $2, a, $4 FROM unnest($3::uuid[]) a ORDER BY a
           ON CONFLICT (org_id, mode, agent_id) DO UPDATE SET told_at = COALESCE(w.told_at, excluded.told_at)
           RETURNING w.agent_id AS "agentId", w.told_at = $4 AS mine`,
    values: [orgId, mode, agentIds, at],
  });
  return rows.filter(({ mine }) => mine).map(({ agentId }) => agentId);
}

/** Whoever looks calls this first: events committed from here on are told again. */
export async function beginLook(db: Db, { orgId, mode }: Tenant, agentId: string): Promise<void> {
  await db.query({
    name: 'begin-look',
    text: 'UPDATE agent_watches SET told_at = NULL WHERE org_id = $1 AND mode = $2 AND agent_id = $3',
    values: [orgId, mode, agentId],
  });
}

export async function findWatch(db: Db, { orgId, mode }: Tenant, agentId: string): Promise<WatchRow | undefined> {
  const { rows } = await db.query<WatchRow>({
    name: 'find-watch',
    text: `SELECT ${COLUMNS} FROM agent_watches w WHERE w.org_id = $1 AND w.mode = $2 AND w.agent_id = $3`,
    values: [orgId, mode, agentId],
  });
  return rows[0];
}

/** The row, made when there is none, held until the transaction ends. */
export async function holdWatch(db: Db, { orgId, mode }: Tenant, agentId: string): Promise<WatchRow> {
  await db.query('INSERT INTO agent_watches (org_id, mode, agent_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [
    orgId,
    mode,
    agentId,
  ]);
  const { rows } = await db.query<WatchRow>(
    `SELECT ${COLUMNS} FROM agent_watches w WHERE w.org_id = $1 AND w.mode = $2 AND w.agent_id = $3 FOR UPDATE`,
    [orgId, mode, agentId],
  );
  return rows[0]!;
}

/** High events that count: received since somebody last let the agent act again. Newest first by when they occurred. */
export async function highEvents(db: Db, { orgId, mode }: Tenant, agentId: string): Promise<HighEvent[]> {
  const { rows } = await db.query<HighEvent>({
    name: 'high-events',
    text: `SELECT e.id, floor(extract(epoch FROM e.occurred_at) * 1000)::float8 AS "occurredAtMs", e.points
             FROM behaviour_events e
             LEFT JOIN agent_watches w ON w.org_id = $1 AND w.mode = $2 AND w.agent_id = $3
            WHERE e.org_id = $1 AND e.mode = $2 AND e.agent_id = $3 AND e.points >= 75 AND e.points >= $4
              AND e.received_at > COALESCE(w.counted_since, '-infinity')
            ORDER BY e.occurred_at DESC LIMIT $5`,
    values: [orgId, mode, agentId, HIGH_POINTS, READ_LIMIT],
  });
  return rows;
}

export interface HaltMark {
  at: Date;
  by: string;
  reason: string;
  /** The freeze that this halt has put in force; null when one was in force already. */
  stopId: string | null;
  trip: HighEvent[] | null;
}

export async function markHalted(db: Db, { orgId, mode }: Tenant, agentId: string, mark: HaltMark): Promise<void> {
  await db.query(
    `UPDATE agent_watches SET halted_at = COALESCE(halted_at, $4), halted_by = COALESCE(halted_by, $5),
            halt_reason = COALESCE(halt_reason, $6), stop_id = COALESCE(stop_id, $7), trip = COALESCE(trip, $8),
            told_at = COALESCE(told_at, $4)
      WHERE org_id = $1 AND mode = $2 AND agent_id = $3`,
    [orgId, mode, agentId, mark.at, mark.by, mark.reason, mark.stopId, mark.trip && JSON.stringify(mark.trip)],
  );
}

/** Ends a halt: what was received until `at` is judged, and counts no more. @returns the freeze that it had put in force */
export async function markResumed(
  db: Db,
  { orgId, mode }: Tenant,
  agentId: string,
  at: Date,
): Promise<{ stopId: string | null } | undefined> {
  const { rows } = await db.query<{ stopId: string | null }>(
    `WITH before AS (
       SELECT stop_id FROM agent_watches WHERE org_id = $1 AND mode = $2 AND agent_id = $3 AND halted_at IS NOT NULL
          FOR UPDATE)
     UPDATE agent_watches w SET counted_since = $4, halted_at = NULL, halted_by = NULL, halt_reason = NULL,
            stop_id = NULL, trip = NULL, told_at = COALESCE(w.told_at, $4)
       FROM before WHERE w.org_id = $1 AND w.mode = $2 AND w.agent_id = $3 RETURNING before.stop_id AS "stopId"`,
    [orgId, mode, agentId, at],
  );
  return rows[0];
}

export interface OwedLook {
  tenant: Tenant;
  agentId: string;
}

/** Looks that are owed for longer than `olderThanMs`: whoever was to tell the workflow died, or Temporal was away. */
export async function findOwedLooks(db: Db, olderThanMs: number, limit: number): Promise<OwedLook[]> {
  const { rows } = await db.query<{ orgId: string; mode: Mode; agentId: string }>({
    name: 'find-owed-looks',
    text: `SELECT w.org_id AS "orgId", w.mode, w.agent_id AS "agentId" FROM agent_watches w
            WHERE w.told_at < now() - $1 * interval '1 millisecond' ORDER BY w.told_at LIMIT $2`,
    values: [olderThanMs, limit],
  });
  return rows.map(({ orgId, mode, agentId }) => ({ tenant: { orgId, mode }, agentId }));
}

/** Its workflow was told: nobody tells it again within `forMs`. */
export async function waitForLook(db: Db, { tenant, agentId }: OwedLook, forMs: number): Promise<void> {
  await db.query({
    name: 'wait-for-look',
    text: `UPDATE agent_watches SET told_at = now() + $4 * interval '1 millisecond'
            WHERE org_id = $1 AND mode = $2 AND agent_id = $3 AND told_at IS NOT NULL`,
    values: [tenant.orgId, tenant.mode, agentId, forMs],
  });
}
