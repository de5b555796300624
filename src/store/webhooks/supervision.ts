import type { Mode, Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

/** What the workflow of an endpoint asks of the database, in steps that are each short and may be done twice. */

export interface NewsOfEndpoint {
  id: string;
  tenant: Tenant;
  url: string;
  news: number;
}

/** Endpoints whose workflow has not been told of the last news; all tenants, each row carries its own. */
export async function findUntold(db: Db, limit: number): Promise<NewsOfEndpoint[]> {
  const { rows } = await db.query<{ id: string; orgId: string; mode: Mode; url: string; news: number }>({
    name: 'find-untold-endpoints',
    text: `SELECT r.endpoint_id AS id, r.org_id AS "orgId", r.mode, w.url, r.news FROM webhook_relay r
             JOIN webhook_endpoints w ON w.id = r.endpoint_id
            WHERE r.news > r.told ORDER BY r.endpoint_id LIMIT $1`,
    values: [limit],
  });
  return rows.map(({ orgId, mode, ...row }) => ({ ...row, tenant: { orgId, mode } }));
}

export async function markTold(db: Db, tenant: Tenant, id: string, news: number): Promise<void> {
  await db.query(
    `UPDATE webhook_relay SET told = GREATEST(told, $4) WHERE endpoint_id = $3 AND org_id = $1 AND mode = $2`,
    [tenant.orgId, tenant.mode, id, news],
  );
}

/**
 * Gives up pending deliveries: all of an endpoint that is off; else those older than `failingForSeconds`, if it has
 * failed for so long and was tried lately. What waited for another reason (a pause, a limit, an outage of ours) waits on.
 */
export async function buryPending(
  db: Db,
  tenant: Tenant,
  id: string,
  { failingForSeconds, reason, limit }: { failingForSeconds: number | null; reason: string; limit: number },
): Promise<number> {
  const { rowCount } = await db.query(
    `WITH old AS (
       SELECT d.id FROM deliveries d WHERE d.endpoint_id = $3 AND d.org_id = $1 AND d.mode = $2 AND d.status = 'pending'
          AND ($4::float8 IS NULL OR d.due_since <= now() - make_interval(secs => $4) AND EXISTS (
                SELECT 1 FROM webhook_relay r WHERE r.endpoint_id = $3 AND r.last_failure_at > now() - interval '2 hours'
                   AND r.failing_since <= now() - make_interval(secs => $4)))
        ORDER BY d.next_at, d.id LIMIT $6 FOR UPDATE SKIP LOCKED)
     UPDATE deliveries d SET status = 'dead', last_error = COALESCE(d.last_error, $5) FROM old WHERE d.id = old.id`,
    [tenant.orgId, tenant.mode, id, failingForSeconds, reason, limit],
  );
  return rowCount ?? 0;
}

/**
 * Removes ended deliveries of events before `before` (a UUIDv7 of that moment), with their log; of all, when null.
 * @returns how many
 */
export async function removeDeliveries(
  db: Db,
  tenant: Tenant,
  id: string,
  before: string | null,
  limit: number,
): Promise<number> {
  const { rows } = await db.query<{ n: number }>(
    `WITH old AS (
       SELECT d.id FROM deliveries d WHERE d.endpoint_id = $3 AND d.org_id = $1 AND d.mode = $2
          AND ($4::uuid IS NULL OR (d.event_id < $4 AND d.status <> 'pending')) ORDER BY d.event_id LIMIT $5),
     gone AS (DELETE FROM deliveries d USING old WHERE d.id = old.id RETURNING d.id),
     log AS (DELETE FROM delivery_attempts a USING old WHERE a.delivery_id = old.id)
     SELECT count(*) AS n FROM gone`,
    [tenant.orgId, tenant.mode, id, before, limit],
  );
  return rows[0]!.n;
}

/** The last rows of a deleted endpoint. */
export async function removeEndpoint(db: Db, tenant: Tenant, id: string): Promise<void> {
  const where = [tenant.orgId, tenant.mode, id];
  await db.query('DELETE FROM webhook_replays WHERE org_id = $1 AND mode = $2 AND endpoint_id = $3', where);
  await db.query('DELETE FROM webhook_relay WHERE org_id = $1 AND mode = $2 AND endpoint_id = $3', where);
  await db.query(
    'DELETE FROM webhook_endpoints WHERE org_id = $1 AND mode = $2 AND id = $3 AND deleted_at IS NOT NULL',
    where,
  );
}

export interface EndpointStanding {
  url: string;
  active: boolean;
  paused: boolean;
  deleted: boolean;
  disabledReason: string | null;
  failures: number;
  failingSince: Date | null;
  openUntil: Date | null;
  lastStatus: number | null;
  lastError: string | null;
  lastSuccessAt: Date | null;
  news: number;
}

/** How an endpoint stands, deleted ones too; undefined once it is gone. */
export async function findStanding(db: Db, tenant: Tenant, id: string): Promise<EndpointStanding | undefined> {
  const { rows } = await db.query<EndpointStanding>(
    `SELECT w.url, w.active, w.paused, w.deleted_at IS NOT NULL AS deleted, w.disabled_reason AS "disabledReason",
            r.failures, r.failing_since AS "failingSince", r.open_until AS "openUntil", r.last_status AS "lastStatus",
            r.last_error AS "lastError", r.last_success_at AS "lastSuccessAt", r.news
       FROM webhook_endpoints w JOIN webhook_relay r ON r.endpoint_id = w.id
      WHERE w.id = $3 AND w.org_id = $1 AND w.mode = $2`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0];
}
