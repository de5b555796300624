import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { messageOf } from '../../activities/webhooks/message.ts';
import { findWebhookAddress } from '../../store/webhooks/endpoints.ts';
import { findDelivery, listDeliveries, type DeliveryRow } from '../../store/webhooks/log.ts';
import { insertReplay, listReplays, replayEvent, type ReplayRow } from '../../store/webhooks/replay.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, pageQuery, timeIn, timeOut, typeId, uuid } from '../schemas.ts';
import { webhookParams } from './body.ts';
import { absent, recordChange, requireWebhook, WEBHOOK_ROUTE } from './change.ts';

const Delivery = z
  .object({
    event_id: typeId('evt'),
    type: z.string(),
    subject: z.string(),
    sequence: z.int(),
    status: z.enum(['pending', 'delivered', 'dead']),
    attempts: z.int(),
    next_attempt_at: timeOut.nullable(),
    last_status: z.int().nullable(),
    last_error: z.string().nullable(),
    delivered_at: timeOut.nullable(),
    created_at: timeOut,
  })
  .meta({ id: 'WebhookDelivery' });

const Attempt = z.object({
  at: timeOut,
  request: z.object({ method: z.literal('POST'), host: z.string() }),
  status: z.int().nullable(),
  error: z.string().nullable(),
  latency_ms: z.int(),
  answer: z.string().nullable().meta({ description: 'The first 1024 bytes of the answer.' }),
});

const DeliveryWithLog = Delivery.extend({
  request: z.object({ content_type: z.string(), header_names: z.array(z.string()), body: z.string() }).meta({
    description: 'What is sent, as it would be sent now; signatures and values of own headers are left out.',
  }),
  log: z.array(Attempt),
}).meta({ id: 'WebhookDeliveryWithLog' });

const Replay = z
  .object({
    id: uuid,
    what: z.enum(['dead', 'missed', 'all']),
    from: timeOut.nullable(),
    to: timeOut,
    status: z.enum(['running', 'done']),
    scheduled: z.int().meta({ description: 'Deliveries made due so far.' }),
    created_at: timeOut,
  })
  .meta({ id: 'WebhookReplay' });

const ReplayInput = z.strictObject({
  what: z.enum(['dead', 'missed', 'all']).default('dead').meta({
    description:
      '`dead`: what was given up. `missed`: that, and what the endpoint was never sent. `all`: delivered ones again too.',
  }),
  from: timeIn.optional().meta({ description: 'Events that occurred then or later' }),
  to: timeIn.optional().meta({ description: 'and before; now, when absent' }),
});

const eventParams = z.object({ id: idOf('whk'), event_id: idOf('evt') });

/** What was sent to an endpoint, what came back, and sending it again. */
export function webhookDeliveryRoutes({ config, sealer, signer }: ApiDeps): AnyRoute[] {
  return [
    route({
      ...WEBHOOK_ROUTE,
      method: 'get',
      path: '/v1/webhooks/:id/deliveries',
      summary: 'Deliveries to an endpoint, newest event first; `status=dead` lists the dead letters.',
      scope: 'webhooks:read',
      params: webhookParams,
      query: z.strictObject({ ...pageQuery, status: z.enum(['pending', 'delivered', 'dead']).optional() }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: z.array(Delivery), next_cursor: z.string().nullable() }) },
      handler: async ({ params, query, tenant, db }) => {
        const row = await requireWebhook(db, tenant, params.id);
        const [after] = query.cursor === undefined ? [] : (decodeCursor(query.cursor, ['uuid']) as string[]);
        const rows = await listDeliveries(db, tenant, row.id, {
          status: query.status,
          after,
          limit: query.limit + 1,
        });
        const page = rows.slice(0, query.limit);
        const next_cursor = rows.length > query.limit ? encodeCursor([page.at(-1)!.eventId]) : null;
        return { status: 200, body: { data: page.map(printDelivery), next_cursor } };
      },
    }),
    route({
      ...WEBHOOK_ROUTE,
      method: 'get',
      path: '/v1/webhooks/:id/deliveries/:event_id',
      summary: 'One delivery: the request, and what came of each attempt.',
      scope: 'webhooks:read',
      params: eventParams,
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: DeliveryWithLog }) },
      handler: async ({ params, tenant, db }) => {
        const address = await findWebhookAddress(db, tenant, params.id);
        if (!address) throw absent();
        const found = await findDelivery(db, tenant, params.id, params.event_id);
        if (!found) throw new Problem('not_found', 'This endpoint was never sent such an event.');
        const { headerNames } = await requireWebhook(db, tenant, params.id);
        const event = { ...found, id: found.eventId, occurred_at: found.occurredAt.toISOString() };
        const form = { ...address, tenant, publicUrl: config.publicUrl };
        const secrets = [sealer.open(address.secretSealed)];
        const { body, headers } = await messageOf(event, form, { secrets, signer }, found.createdAt);
        const request = {
          content_type: headers['content-type']!,
          header_names: [...Object.keys(headers), ...headerNames],
          body,
        };
        const log = found.log.map(({ at, url, latencyMs, ...rest }) => ({
          at: at.toISOString(),
          request: { method: 'POST' as const, host: new URL(url).host },
          ...rest,
          latency_ms: latencyMs,
        }));
        return { status: 200, body: { data: { ...printDelivery(found), request, log } } };
      },
    }),
    route({
      ...WEBHOOK_ROUTE,
      method: 'post',
      path: '/v1/webhooks/:id/deliveries/:event_id/replay',
      summary: 'Delivers one event again, with the same id, whatever came of it before.',
      scope: 'webhooks:write',
      params: eventParams,
      idempotency: 'optional',
      replay: 'stored',
      responses: { 202: z.object({ data: Delivery }) },
      handler: async ({ params, tenant, actor, db }) => {
        const row = await requireWebhook(db, tenant, params.id);
        if (!row.active) throw disabled();
        if (!(await replayEvent(db, tenant, row.id, params.event_id))) {
          throw new Problem('not_found', 'Your organization has no such event.');
        }
        const event = toTypeId('evt', params.event_id);
        await recordChange(db, { tenant, actor }, 'webhook.replayed', row, { event });
        const found = (await findDelivery(db, tenant, row.id, params.event_id))!;
        return { status: 202, body: { data: printDelivery(found) } };
      },
    }),
    route({
      ...WEBHOOK_ROUTE,
      method: 'post',
      path: '/v1/webhooks/:id/replays',
      summary: 'Delivers the dead letters again, or what was missed, or everything of a time.',
      scope: 'webhooks:write',
      params: webhookParams,
      body: ReplayInput,
      example: { what: 'dead', from: '2026-03-05T22:00:00Z' },
      idempotency: 'optional',
      replay: 'stored',
      responses: { 202: z.object({ data: Replay }) },
      handler: async ({ body, params, tenant, actor, db }) => {
        const row = await requireWebhook(db, tenant, params.id);
        if (!row.active) throw disabled();
        const to = body.to ?? new Date();
        if (body.from && body.from >= to) throw invalidRequest('from', 'must be before to');
        const replay = await insertReplay(db, tenant, row.id, { what: body.what, from: body.from, to });
        const fact = { what: body.what, from: body.from?.toISOString() ?? null, to: to.toISOString() };
        await recordChange(db, { tenant, actor }, 'webhook.replayed', row, fact);
        return { status: 202, body: { data: printReplay(replay) } };
      },
    }),
    route({
      ...WEBHOOK_ROUTE,
      method: 'get',
      path: '/v1/webhooks/:id/replays',
      summary: 'Replays of an endpoint, newest first, and how far they are.',
      scope: 'webhooks:read',
      params: webhookParams,
      idempotency: 'none',
      replay: 'none',
      responses: { 200: z.object({ data: z.array(Replay) }) },
      handler: async ({ params, tenant, db }) => {
        const row = await requireWebhook(db, tenant, params.id);
        return { status: 200, body: { data: (await listReplays(db, tenant, row.id)).map(printReplay) } };
      },
    }),
  ];
}

function disabled(): Problem {
  return new Problem('resource_conflict', 'The endpoint is disabled: resume it first.');
}

function printDelivery(row: DeliveryRow) {
  return {
    event_id: toTypeId('evt', row.eventId),
    type: row.type,
    subject: row.subject,
    sequence: row.sequence,
    status: row.status,
    attempts: row.attempts,
    next_attempt_at: row.nextAt?.toISOString() ?? null,
    last_status: row.lastStatus,
    last_error: row.lastError,
    delivered_at: row.deliveredAt?.toISOString() ?? null,
    created_at: row.createdAt.toISOString(),
  };
}

function printReplay(row: ReplayRow) {
  return {
    id: row.id,
    what: row.what,
    from: row.fromAt?.toISOString() ?? null,
    to: row.toAt.toISOString(),
    status: row.doneAt ? ('done' as const) : ('running' as const),
    scheduled: row.scheduled,
    created_at: row.createdAt.toISOString(),
  };
}
