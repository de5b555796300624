import { randomBytes } from 'node:crypto';
import type { Tenant } from '../../domain/types.ts';
import { newId } from '../../trust/new-id.ts';
import type { Sealer } from '../../trust/seal.ts';
import type { Db } from '../pool.ts';

export interface WebhookRow {
  id: string;
  url: string;
  description: string | null;
  /** Empty: every event. */
  events: string[];
  /** Events are collected for it. */
  active: boolean;
  paused: boolean;
  ordered: boolean;
  format: 'standard' | 'cloudevents';
  jws: boolean;
  /** Attempts per second. */
  rateLimit: number | null;
  headerNames: string[];
  secretHint: string;
  formerSecretUntil: Date | null;
  disabledReason: string | null;
  createdAt: Date;
  updatedAt: Date;
  failures: number;
  failingSince: Date | null;
  openUntil: Date | null;
  lastFailureAt: Date | null;
  lastStatus: number | null;
  lastError: string | null;
  lastSuccessAt: Date | null;
}

/** What the owner of an endpoint chooses. */
export interface WebhookSettings {
  url: string;
  description: string | null;
  events: string[];
  ordered: boolean;
  format: 'standard' | 'cloudevents';
  jws: boolean;
  rateLimit: number | null;
  headers: Record<string, string>;
}

const COLUMNS = `w.id, w.url, w.description, w.events, w.active, w.paused, w.ordered, w.format, w.jws,
  w.rate_limit AS "rateLimit", w.header_names AS "headerNames", w.secret_hint AS "secretHint",
  CASE WHEN w.former_secret_until > now() THEN w.former_secret_until END AS "formerSecretUntil",
  w.disabled_reason AS "disabledReason", w.created_at AS "createdAt", w.updated_at AS "updatedAt",
  r.failures, r.failing_since AS "failingSince", CASE WHEN r.open_until > now() THEN r.open_until END AS "openUntil",
  r.last_failure_at AS "lastFailureAt", r.last_status AS "lastStatus", r.last_error AS "lastError",
  r.last_success_at AS "lastSuccessAt"`;

/** A new secret (Standard Webhooks: `whsec_` and base64), to be shown once, and what is shown of it afterwards. */
export function newWebhookSecret(): { secret: string; hint: string } {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  return { secret, hint: `…${secret.slice(-5, -1)}` };
}

export async function insertWebhook(
  db: Db,
  sealer: Sealer,
  tenant: Tenant,
  settings: WebhookSettings,
): Promise<WebhookRow & { secret: string }> {
  const { secret, hint } = newWebhookSecret();
  const { rows } = await db.query<WebhookRow>(
    `WITH w AS (
       INSERT INTO webhook_endpoints (id, org_id, mode, url, events, description, ordered, format, jws, rate_limit,
                                      headers_sealed, header_names, secret_sealed, secret_hint)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING *),
     r AS (INSERT INTO webhook_relay (endpoint_id, org_id, mode) SELECT id, org_id, mode FROM w RETURNING *)
     SELECT ${COLUMNS} FROM w, r`,
    [newId(), tenant.orgId, tenant.mode, ...valuesOf(sealer, settings), sealer.seal(secret), hint],
  );
  return { ...rows[0]!, secret };
}

function valuesOf(sealer: Sealer, settings: WebhookSettings): unknown[] {
  const names = Object.keys(settings.headers);
  return [
    settings.url,
    settings.events,
    settings.description,
    settings.ordered,
    settings.format,
    settings.jws,
    settings.rateLimit,
    names.length === 0 ? null : sealer.seal(JSON.stringify(settings.headers)),
    names,
  ];
}

export async function listWebhooks(db: Db, tenant: Tenant): Promise<WebhookRow[]> {
  const { rows } = await db.query<WebhookRow>(
    `SELECT ${COLUMNS} FROM webhook_endpoints w JOIN webhook_relay r ON r.endpoint_id = w.id
      WHERE w.org_id = $1 AND w.mode = $2 AND w.deleted_at IS NULL ORDER BY w.id`,
    [tenant.orgId, tenant.mode],
  );
  return rows;
}

export async function findWebhook(db: Db, tenant: Tenant, id: string): Promise<WebhookRow | undefined> {
  const { rows } = await db.query<WebhookRow>(
    `SELECT ${COLUMNS} FROM webhook_endpoints w JOIN webhook_relay r ON r.endpoint_id = w.id
      WHERE w.id = $3 AND w.org_id = $1 AND w.mode = $2 AND w.deleted_at IS NULL`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0];
}

/** How much is waiting, and how much was given up. Counting stops at `COUNTED`, since a backlog may be long. */
export const COUNTED = 10_000;
export async function countDeliveries(
  db: Db,
  tenant: Tenant,
  id: string,
): Promise<{ pending: number; dead: number; oldestPendingAt: Date | null }> {
  const { rows } = await db.query<{ pending: number; dead: number; oldestPendingAt: Date | null }>(
    `SELECT (SELECT count(*)::int FROM (SELECT 1 FROM deliveries WHERE endpoint_id = $3 AND org_id = $1 AND mode = $2
               AND status = 'pending' LIMIT ${COUNTED}) p) AS pending,
            (SELECT count(*)::int FROM (SELECT 1 FROM deliveries WHERE endpoint_id = $3 AND org_id = $1 AND mode = $2
               AND status = 'dead' LIMIT ${COUNTED}) p) AS dead,
            (SELECT due_since FROM deliveries WHERE endpoint_id = $3 AND org_id = $1 AND mode = $2
               AND status = 'pending' ORDER BY next_at, id LIMIT 1) AS "oldestPendingAt"`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0]!;
}

/** Names and values of the owner's headers, for a change that keeps them. */
export async function readHeaders(db: Db, sealer: Sealer, tenant: Tenant, id: string): Promise<Record<string, string>> {
  const { rows } = await db.query<{ sealed: string | null }>(
    'SELECT headers_sealed AS sealed FROM webhook_endpoints WHERE id = $3 AND org_id = $1 AND mode = $2',
    [tenant.orgId, tenant.mode, id],
  );
  const sealed = rows[0]?.sealed;
  return sealed ? (JSON.parse(sealer.open(sealed)) as Record<string, string>) : {};
}

/** Replaces the settings; pending deliveries follow them, and get or lose their lanes. */
export async function updateWebhook(
  db: Db,
  sealer: Sealer,
  tenant: Tenant,
  id: string,
  settings: WebhookSettings,
): Promise<void> {
  await db.query(
    `WITH before AS (SELECT id, ordered FROM webhook_endpoints WHERE id = $3 FOR UPDATE),
     laned AS (
       UPDATE deliveries d SET lane = CASE WHEN $7 THEN e.subject END FROM before b, events e
        WHERE b.ordered <> $7 AND d.endpoint_id = b.id AND d.status = 'pending' AND e.id = d.event_id)
     UPDATE webhook_endpoints SET url = $4, events = $5, description = $6, ordered = $7, format = $8, jws = $9,
            rate_limit = $10, headers_sealed = $11, header_names = $12, updated_at = now()
      WHERE id = $3 AND org_id = $1 AND mode = $2 AND deleted_at IS NULL`,
    [tenant.orgId, tenant.mode, id, ...valuesOf(sealer, settings)],
  );
}

/** Stops sending; events are collected on. `false` when it collects none. */
export async function pauseWebhook(db: Db, tenant: Tenant, id: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE webhook_endpoints SET paused = true, updated_at = now()
      WHERE id = $3 AND org_id = $1 AND mode = $2 AND active AND deleted_at IS NULL`,
    [tenant.orgId, tenant.mode, id],
  );
  return rowCount === 1;
}

/** Sends again, a disabled one too, and forgets its failures; what waits for its next attempt is due now. */
export async function resumeWebhook(db: Db, tenant: Tenant, id: string): Promise<void> {
  await db.query(
    `WITH w AS (
       UPDATE webhook_endpoints SET paused = false, active = true, disabled_reason = NULL, updated_at = now()
        WHERE id = $3 AND org_id = $1 AND mode = $2 AND deleted_at IS NULL RETURNING id),
     due AS (UPDATE deliveries d SET next_at = now() FROM w
              WHERE d.endpoint_id = w.id AND d.status = 'pending' AND d.next_at > now())
     UPDATE webhook_relay r SET failures = 0, failing_since = NULL, open_until = NULL, openings = 0, news = news + 1
       FROM w WHERE r.endpoint_id = w.id`,
    [tenant.orgId, tenant.mode, id],
  );
}

/** Nothing is collected or sent any more; its workflow removes what there is. */
export async function deleteWebhook(db: Db, tenant: Tenant, id: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `WITH w AS (
       UPDATE webhook_endpoints SET active = false, deleted_at = now(), updated_at = now()
        WHERE id = $3 AND org_id = $1 AND mode = $2 AND deleted_at IS NULL RETURNING id)
     UPDATE webhook_relay r SET news = news + 1 FROM w WHERE r.endpoint_id = w.id`,
    [tenant.orgId, tenant.mode, id],
  );
  return rowCount === 1;
}

/** A new secret; the one before signs beside it for so long, and any earlier one no longer. */
export async function rotateWebhookSecret(
  db: Db,
  sealer: Sealer,
  tenant: Tenant,
  id: string,
  overlapSeconds: number,
): Promise<{ secret: string; formerUntil: Date | null } | undefined> {
  const { secret, hint } = newWebhookSecret();
  const { rows } = await db.query<{ until: Date | null }>(
    `UPDATE webhook_endpoints
        SET former_secret_sealed = CASE WHEN $6::float8 > 0 THEN secret_sealed END,
            former_secret_until = CASE WHEN $6::float8 > 0 THEN now() + make_interval(secs => $6) END,
            secret_sealed = $4, secret_hint = $5, updated_at = now()
      WHERE id = $3 AND org_id = $1 AND mode = $2 AND deleted_at IS NULL RETURNING former_secret_until AS until`,
    [tenant.orgId, tenant.mode, id, sealer.seal(secret), hint, overlapSeconds],
  );
  return rows[0] && { secret, formerUntil: rows[0].until };
}

/** Where and with what one endpoint is sent to. */
export interface WebhookAddress {
  url: string;
  format: 'standard' | 'cloudevents';
  jws: boolean;
  secretSealed: string;
  /** While a rotation overlaps. */
  formerSecretSealed: string | null;
  headersSealed: string | null;
}

export const ADDRESS_COLUMNS = `w.url, w.format, w.jws, w.secret_sealed AS "secretSealed",
  w.headers_sealed AS "headersSealed",
  CASE WHEN w.former_secret_until > now() THEN w.former_secret_sealed END AS "formerSecretSealed"`;

export async function findWebhookAddress(db: Db, tenant: Tenant, id: string): Promise<WebhookAddress | undefined> {
  const { rows } = await db.query<WebhookAddress>(
    `SELECT ${ADDRESS_COLUMNS} FROM webhook_endpoints w
      WHERE w.id = $3 AND w.org_id = $1 AND w.mode = $2 AND w.deleted_at IS NULL`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0];
}
