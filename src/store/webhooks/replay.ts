import type { Tenant } from '../../domain/types.ts';
import { newId } from '../../trust/new-id.ts';
import type { Db } from '../pool.ts';

export interface ReplayRow {
  id: string;
  what: 'dead' | 'missed' | 'all';
  fromAt: Date | null;
  toAt: Date;
  scheduled: number;
  doneAt: Date | null;
  createdAt: Date;
}

const COLUMNS = `id, what, from_at AS "fromAt", to_at AS "toAt", scheduled, done_at AS "doneAt", created_at AS "createdAt"`;

/** Writes down what is to be delivered again; the workflow of the endpoint does it in steps. */
export async function insertReplay(
  db: Db,
  tenant: Tenant,
  endpointId: string,
  { what, from, to }: { what: ReplayRow['what']; from?: Date; to: Date },
): Promise<ReplayRow> {
  const { rows } = await db.query<ReplayRow>(
    `WITH told AS (UPDATE webhook_relay SET news = news + 1 WHERE endpoint_id = $4 AND org_id = $2 AND mode = $3)
     INSERT INTO webhook_replays (id, org_id, mode, endpoint_id, what, from_at, to_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${COLUMNS}`,
    [newId(), tenant.orgId, tenant.mode, endpointId, what, from ?? null, to],
  );
  return rows[0]!;
}

export async function listReplays(db: Db, tenant: Tenant, endpointId: string): Promise<ReplayRow[]> {
  const { rows } = await db.query<ReplayRow>(
    `SELECT ${COLUMNS} FROM webhook_replays WHERE endpoint_id = $3 AND org_id = $1 AND mode = $2
      ORDER BY id DESC LIMIT 100`,
    [tenant.orgId, tenant.mode, endpointId],
  );
  return rows;
}

/** Delivers one event again, or for the first time. `false` when the organization has no such event. */
export async function replayEvent(db: Db, tenant: Tenant, endpointId: string, eventId: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `INSERT INTO deliveries (org_id, mode, endpoint_id, event_id, lane)
     SELECT $1, $2, w.id, e.id, CASE WHEN w.ordered THEN e.subject END FROM webhook_endpoints w, events e
      WHERE w.id = $3 AND w.org_id = $1 AND w.mode = $2 AND e.id = $4 AND e.org_id = $1 AND e.mode = $2
     ON CONFLICT (endpoint_id, event_id) DO UPDATE
        SET status = 'pending', attempts = 0, next_at = now(), due_since = now()`,
    [tenant.orgId, tenant.mode, endpointId, eventId],
  );
  if (rowCount === 1) await wakeRelay(db, endpointId);
  return rowCount === 1;
}

/** Tells whoever delivers, with the commit, that an endpoint has something due. */
export async function wakeRelay(db: Db, endpointId: string): Promise<void> {
  await db.query(`SELECT pg_notify('prokura_deliveries', $1)`, [endpointId]);
}

/** Tells whoever delivers, with the commit, that what it has read of an endpoint and not yet sent holds no longer. */
export async function recallRead(db: Db, endpointId: string): Promise<void> {
  await wakeRelay(db, `!${endpointId}`);
}

/**
 * One step of the oldest replay of an endpoint: looks at the next events in the order of the trail and makes their
 * deliveries due. @returns whether there is more to do
 */
export async function stepReplay(db: Db, tenant: Tenant, endpointId: string, events: number): Promise<boolean> {
  const { rows } = await db.query<{ looked: number; again: number }>(
    `
WITH r AS (
  SELECT * FROM webhook_replays WHERE endpoint_id = $3 AND org_id = $1 AND mode = $2 AND done_at IS NULL
   ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
), page AS (
  SELECT e.id, e.sequence, e.type, e.subject, e.occurred_at FROM events e, r
   WHERE e.org_id = $1 AND e.mode = $2 AND (e.sequence, e.id) > (r.after_sequence, r.after_id)
   ORDER BY e.sequence, e.id LIMIT $4
), wanted AS (
  SELECT p.id, p.sequence, CASE WHEN w.ordered THEN p.subject END AS lane FROM page p, r, webhook_endpoints w
   WHERE w.id = $3 AND w.active AND (w.events = '{}' OR p.type = ANY (w.events))
     AND p.occurred_at < r.to_at AND (r.from_at IS NULL OR p.occurred_at >= r.from_at)
     AND (r.what <> 'dead' OR EXISTS (SELECT 1 FROM deliveries d WHERE d.endpoint_id = $3 AND d.event_id = p.id))
), again AS (
  INSERT INTO deliveries AS d (org_id, mode, endpoint_id, event_id, lane)
  SELECT $1, $2, $3, id, lane FROM wanted ORDER BY sequence, id
  ON CONFLICT (endpoint_id, event_id) DO UPDATE
     SET status = 'pending', attempts = 0, next_at = now(), due_since = now()
   WHERE d.status = 'dead' OR (d.status = 'delivered' AND (SELECT what FROM r) = 'all')
  RETURNING 1
), counted AS (SELECT (SELECT count(*) FROM page) AS looked, (SELECT count(*) FROM again) AS again)
UPDATE webhook_replays u
   SET scheduled = u.scheduled + c.again,
       done_at = CASE WHEN c.looked < $4 THEN now() END,
       after_sequence = COALESCE((SELECT sequence FROM page ORDER BY sequence DESC, id DESC LIMIT 1), u.after_sequence),
       after_id = COALESCE((SELECT id FROM page ORDER BY sequence DESC, id DESC LIMIT 1), u.after_id)
  FROM r, counted c WHERE u.id = r.id
RETURNING c.looked, c.again`,
    [tenant.orgId, tenant.mode, endpointId, events],
  );
  if (rows[0] && rows[0].again > 0) await wakeRelay(db, endpointId);
  return rows.length > 0;
}
