import type { Config } from '../../config.ts';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { refusalOf } from '../../domain/webhooks/address.ts';
import { recordFact } from '../../store/facts.ts';
import { findWebhook, type WebhookRow } from '../../store/webhooks/endpoints.ts';
import type { Db } from '../../store/pool.ts';
import type { Tenant } from '../../domain/types.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';

export const WEBHOOK_ROUTE = { tags: ['Webhooks'], envelope: 'kakunin' } as const;

/** Whether notifications may go to private addresses and in clear text. */
export function allowsPrivate(config: Pick<Config, 'WEBHOOK_ALLOW_PRIVATE' | 'PROKURA_ENV'>): boolean {
  return config.WEBHOOK_ALLOW_PRIVATE || config.PROKURA_ENV === 'development';
}

/** @throws Problem `invalid_request` naming `url`. What its name resolves to is judged at each attempt. */
export function checkUrl(url: string, config: Config): void {
  const refusal = refusalOf(url, allowsPrivate(config));
  if (refusal !== undefined) throw invalidRequest('url', refusal);
}

/** @throws Problem `not_found` */
export async function requireWebhook(db: Db, tenant: Tenant, id: string): Promise<WebhookRow> {
  const row = await findWebhook(db, tenant, id);
  if (!row) throw absent();
  return row;
}

export function absent(): Problem {
  return new Problem('not_found', 'Your organization has no such webhook endpoint.');
}

/** Records what was done to an endpoint. Of its URL only the host: paths of webhooks often hold a secret. */
export async function recordChange(
  db: Db,
  { tenant, actor }: { tenant: Tenant; actor: string },
  type: string,
  row: Pick<WebhookRow, 'id' | 'url'>,
  body: object = {},
): Promise<void> {
  await recordFact(db, {
    tenant,
    at: new Date(),
    type,
    actor,
    subject: toTypeId('whk', row.id),
    body: { host: new URL(row.url).host, ...body },
    events: [],
  });
}
