import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import {
  deleteWebhook,
  findWebhook,
  pauseWebhook,
  resumeWebhook,
  rotateWebhookSecret,
} from '../../store/webhooks/endpoints.ts';
import { recallRead, wakeRelay } from '../../store/webhooks/replay.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { timeOut, uuid } from '../schemas.ts';
import { printWebhook, Webhook, webhookParams } from './body.ts';
import { recordChange, requireWebhook, WEBHOOK_ROUTE } from './change.ts';

const LONGEST_OVERLAP_SECONDS = 7 * 86_400;
const RotateInput = z.strictObject({
  overlap_seconds: z
    .int()
    .min(0)
    .max(LONGEST_OVERLAP_SECONDS)
    .default(86_400)
    .meta({ description: 'How long the secret before signs beside the new one; 0 when it leaked.' }),
});

/** Pause, resume, delete, and a new secret. */
export function webhookStateRoutes({ sealer }: ApiDeps): AnyRoute[] {
  const write = {
    ...WEBHOOK_ROUTE,
    method: 'post',
    scope: 'webhooks:write',
    params: webhookParams,
    idempotency: 'optional',
    replay: 'stored',
  } as const;
  return [
    route({
      ...write,
      path: '/v1/webhooks/:id/pause',
      summary: 'Sends nothing until it is resumed. Events are collected meanwhile, and sent then.',
      responses: { 200: z.object({ data: Webhook }) },
      handler: async ({ params, tenant, actor, db }) => {
        const row = await requireWebhook(db, tenant, params.id);
        if (!(await pauseWebhook(db, tenant, row.id))) {
          throw new Problem('resource_conflict', 'The endpoint is disabled: it collects nothing that could wait.');
        }
        await recallRead(db, row.id);
        if (!row.paused) await recordChange(db, { tenant, actor }, 'webhook.paused', row);
        return { status: 200, body: { data: printWebhook((await findWebhook(db, tenant, row.id))!) } };
      },
    }),
    route({
      ...write,
      path: '/v1/webhooks/:id/resume',
      summary: 'Sends again, at once, also to a disabled endpoint or one whose circuit is open.',
      responses: { 200: z.object({ data: Webhook }) },
      handler: async ({ params, tenant, actor, db }) => {
        const row = await requireWebhook(db, tenant, params.id);
        await resumeWebhook(db, tenant, row.id);
        await recallRead(db, row.id);
        await wakeRelay(db, '*');
        if (row.paused || !row.active) await recordChange(db, { tenant, actor }, 'webhook.resumed', row);
        return { status: 200, body: { data: printWebhook((await findWebhook(db, tenant, row.id))!) } };
      },
    }),
    route({
      ...write,
      path: '/v1/webhooks/:id/rotate-secret',
      summary: 'A new secret, shown once; the one before signs beside it for the overlap.',
      body: RotateInput,
      example: { overlap_seconds: 86_400 },
      sealedReplay: true,
      responses: {
        200: z.object({ data: z.object({ id: uuid, secret: z.string(), former_secret_until: timeOut.nullable() }) }),
      },
      handler: async ({ body, params, tenant, actor, db }) => {
        const row = await requireWebhook(db, tenant, params.id);
        const { overlap_seconds } = body;
        const rotated = (await rotateWebhookSecret(db, sealer, tenant, row.id, overlap_seconds))!;
        await recallRead(db, row.id);
        await recordChange(db, { tenant, actor }, 'webhook.secret_rotated', row, { overlap_seconds });
        const former_secret_until = rotated.formerUntil?.toISOString() ?? null;
        return { status: 200, body: { data: { id: row.id, secret: rotated.secret, former_secret_until } } };
      },
    }),
    route({
      ...write,
      method: 'delete',
      path: '/v1/webhooks/:id',
      summary: 'Ends an endpoint; its deliveries and their log are removed. The events stay in the event log.',
      responses: { 200: z.object({ data: z.object({ id: uuid, deleted: z.literal(true) }) }) },
      handler: async ({ params, tenant, actor, db }) => {
        const row = await requireWebhook(db, tenant, params.id);
        await deleteWebhook(db, tenant, row.id);
        await recallRead(db, row.id);
        await recordChange(db, { tenant, actor }, 'webhook.deleted', row);
        return { status: 200, body: { data: { id: row.id, deleted: true } } };
      },
    }),
  ];
}
