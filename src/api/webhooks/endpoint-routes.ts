import { z } from 'zod';
import {
  countDeliveries,
  findWebhook,
  insertWebhook,
  listWebhooks,
  readHeaders,
  updateWebhook,
} from '../../store/webhooks/endpoints.ts';
import { recallRead } from '../../store/webhooks/replay.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { printWebhook, Webhook, WebhookChange, WebhookInput, webhookParams, WebhookWithBacklog } from './body.ts';
import { checkUrl, recordChange, requireWebhook, WEBHOOK_ROUTE } from './change.ts';

/** Endpoints that are told of events: made, listed, shown, changed. */
export function webhookEndpointRoutes({ config, sealer }: ApiDeps): AnyRoute[] {
  return [
    route({
      ...WEBHOOK_ROUTE,
      method: 'post',
      path: '/v1/webhooks',
      summary: 'Registers a webhook endpoint; its secret is shown once.',
      scope: 'webhooks:write',
      body: WebhookInput,
      example: { url: 'https://shop.example/webhooks/prokura', events: ['execution.decision', 'payment.captured'] },
      idempotency: 'optional',
      replay: 'stored',
      sealedReplay: true,
      responses: { 201: z.object({ data: Webhook.extend({ secret: z.string() }) }) },
      handler: async ({ body, tenant, actor, db }) => {
        checkUrl(body.url, config);
        const { rate_limit: rateLimit = null, description = null, headers = {}, ...rest } = body;
        const row = await insertWebhook(db, sealer, tenant, { ...rest, rateLimit, description, headers });
        await recordChange(db, { tenant, actor }, 'webhook.registered', row, { events: row.events });
        return { status: 201, body: { data: { ...printWebhook(row), secret: row.secret } } };
      },
    }),
    route({
      ...WEBHOOK_ROUTE,
      method: 'get',
      path: '/v1/webhooks',
      summary: 'Webhook endpoints, without their secrets.',
      scope: 'webhooks:read',
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: z.array(Webhook) }) },
      handler: async ({ tenant, db }) => ({
        status: 200,
        body: { data: (await listWebhooks(db, tenant)).map(printWebhook) },
      }),
    }),
    route({
      ...WEBHOOK_ROUTE,
      method: 'get',
      path: '/v1/webhooks/:id',
      summary: 'One endpoint: how it fares, and what waits for it.',
      scope: 'webhooks:read',
      params: webhookParams,
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: WebhookWithBacklog }) },
      handler: async ({ params, tenant, db }) => {
        const row = await requireWebhook(db, tenant, params.id);
        const { pending, dead, oldestPendingAt } = await countDeliveries(db, tenant, row.id);
        const backlog = { pending, dead, oldest_pending_at: oldestPendingAt?.toISOString() ?? null };
        return { status: 200, body: { data: { ...printWebhook(row), backlog } } };
      },
    }),
    route({
      ...WEBHOOK_ROUTE,
      method: 'patch',
      path: '/v1/webhooks/:id',
      summary: 'Changes an endpoint; members that are left out stay. `headers` replaces all of them.',
      scope: 'webhooks:write',
      params: webhookParams,
      body: WebhookChange,
      example: { events: ['payment.captured'], description: 'Fulfilment, Berlin', ordered: true },
      idempotency: 'optional',
      replay: 'stored',
      responses: { 200: z.object({ data: Webhook }) },
      handler: async ({ body, params, tenant, actor, db }) => {
        const before = await requireWebhook(db, tenant, params.id);
        if (body.url !== undefined) checkUrl(body.url, config);
        const { rate_limit: rateLimit = before.rateLimit, headers: given, ...rest } = body;
        const headers = given ?? (await readHeaders(db, sealer, tenant, before.id));
        await updateWebhook(db, sealer, tenant, before.id, { ...before, ...rest, rateLimit, headers });
        await recallRead(db, before.id);
        const after = (await findWebhook(db, tenant, before.id))!;
        await recordChange(db, { tenant, actor }, 'webhook.changed', after, { members: Object.keys(body).sort() });
        return { status: 200, body: { data: printWebhook(after) } };
      },
    }),
  ];
}
