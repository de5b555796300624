import { randomBytes } from 'node:crypto';
import type { Tenant } from '../domain/types.ts';
import { newId } from '../trust/new-id.ts';
import type { Sealer } from '../trust/seal.ts';
import type { Db } from './pool.ts';

export interface WebhookRow {
  id: string;
  url: string;
  /** Empty: every event. */
  events: string[];
  active: boolean;
  secretHint: string;
  disabledReason: string | null;
  createdAt: Date;
}

const COLUMNS = `w.id, w.url, w.events, w.active, w.secret_hint AS "secretHint", w.disabled_reason AS "disabledReason",
  w.created_at AS "createdAt"`;

/** Registers an endpoint with a new secret (Standard Webhooks: `whsec_` and base64), to be shown once. */
export async function insertWebhook(
  db: Db,
  sealer: Sealer,
  { tenant, url, events }: { tenant: Tenant; url: string; events: string[] },
): Promise<WebhookRow & { secret: string }> {
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const { rows } = await db.query<WebhookRow>(
    `INSERT INTO webhook_endpoints AS w (id, org_id, mode, url, events, secret_sealed, secret_hint)
     VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ${COLUMNS}`,
    [newId(), tenant.orgId, tenant.mode, url, events, sealer.seal(secret), `…${secret.slice(-5, -1)}`],
  );
  return { ...rows[0]!, secret };
}

export async function listWebhooks(db: Db, tenant: Tenant): Promise<WebhookRow[]> {
  const { rows } = await db.query<WebhookRow>(
    `SELECT ${COLUMNS} FROM webhook_endpoints w WHERE w.org_id = $1 AND w.mode = $2 ORDER BY w.id`,
    [tenant.orgId, tenant.mode],
  );
  return rows;
}
