import { z } from 'zod';
import type { Config } from '../../config.ts';
import { EVENT_TYPES } from '../../domain/event-catalogue.ts';
import { toTypeId } from '../../domain/ids.ts';
import { recordFact } from '../../store/facts.ts';
import { insertWebhook, listWebhooks, type WebhookRow } from '../../store/webhooks.ts';
import type { ApiDeps } from '../deps.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { timeOut, uuid } from '../schemas.ts';

const EVERY = '*';
const eventName = z.enum([...EVENT_TYPES, EVERY]);

const WebhookInput = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(2_000),
  events: z.array(eventName).min(1).max(EVENT_TYPES.length),
});

const Webhook = z
  .object({
    id: uuid,
    url: z.string(),
    events: z.array(eventName),
    active: z.boolean(),
    created_at: timeOut,
    secret_hint: z.string(),
    disabled_reason: z.string().nullable(),
  })
  .meta({ id: 'Webhook' });

function print(row: WebhookRow) {
  return {
    id: row.id,
    url: row.url,
    events: row.events.length === 0 ? [EVERY] : row.events,
    active: row.active,
    created_at: row.createdAt.toISOString(),
    secret_hint: row.secretHint,
    disabled_reason: row.disabledReason,
  };
}

/** Endpoints that are told of events. What a name resolves to is judged at each delivery, not here. */
export function webhookRoutes({ config, sealer }: ApiDeps): AnyRoute[] {
  const tags = ['Webhooks'];
  const envelope = 'kakunin';
  return [
    route({
      method: 'post',
      path: '/v1/webhooks',
      summary: 'Registers a webhook endpoint; its secret is shown once.',
      tags,
      envelope,
      scope: 'webhooks:write',
      body: WebhookInput,
      example: { url: 'https://shop.example/webhooks/prokura', events: ['execution.decision', 'payment.captured'] },
      idempotency: 'optional',
      replay: 'stored',
      sealedReplay: true,
      responses: { 201: z.object({ data: Webhook.extend({ secret: z.string() }) }) },
      handler: async ({ body, tenant, actor, db }) => {
        checkUrl(body.url, config);
        const events: string[] = body.events.includes(EVERY) ? [] : [...new Set(body.events)];
        const row = await insertWebhook(db, sealer, { tenant, url: body.url, events });
        await recordFact(db, {
          tenant,
          at: row.createdAt,
          type: 'webhook.registered',
          actor,
          subject: toTypeId('whk', row.id),
          body: { host: new URL(row.url).host, events: print(row).events },
          events: [],
        });
        return { status: 201, body: { data: { ...print(row), secret: row.secret } } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/webhooks',
      summary: 'Webhook endpoints, without their secrets.',
      tags,
      envelope,
      scope: 'webhooks:read',
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: z.array(Webhook) }) },
      handler: async ({ tenant, db }) => ({
        status: 200,
        body: { data: (await listWebhooks(db, tenant)).map(print) },
      }),
    }),
  ];
}

/** @throws Problem `invalid_request` for credentials in the URL, and for clear text outside development */
function checkUrl(text: string, config: Config): void {
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') throw invalidRequest('url', 'must not contain credentials');
  if (url.protocol === 'http:' && config.PROKURA_ENV === 'production' && !config.WEBHOOK_ALLOW_PRIVATE) {
    throw invalidRequest('url', 'must be https');
  }
}
