import { z } from 'zod';
import { openAddress } from '../../activities/webhooks/address.ts';
import { messageOf } from '../../activities/webhooks/message.ts';
import { createSender } from '../../activities/webhooks/send.ts';
import { toTypeId } from '../../domain/ids.ts';
import { findWebhookAddress } from '../../store/webhooks/endpoints.ts';
import { newId } from '../../trust/new-id.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { typeId } from '../schemas.ts';
import { webhookParams } from './body.ts';
import { absent, allowsPrivate, WEBHOOK_ROUTE } from './change.ts';

/**
 * Sends a test event, signed like any other, and says what came back. It stands in no log: nothing has happened. Its
 * type is none of the catalogue, so that no receiver takes it for something that did.
 */
export function webhookTestRoute({ config, sealer, signer }: ApiDeps): AnyRoute {
  const sender = createSender({ allowPrivate: allowsPrivate(config) });
  return route({
    ...WEBHOOK_ROUTE,
    method: 'post',
    path: '/v1/webhooks/:id/test',
    summary: 'Sends a test event at once and answers what the endpoint answered.',
    scope: 'webhooks:write',
    params: webhookParams,
    idempotency: 'none',
    replay: 'none',
    responses: {
      200: z.object({
        data: z.object({
          event_id: typeId('evt'),
          delivered: z.boolean(),
          status: z.int().nullable(),
          error: z.string().nullable(),
          latency_ms: z.int(),
          answer: z.string().nullable(),
        }),
      }),
    },
    handler: async ({ params, tenant, db }) => {
      const address = await findWebhookAddress(db, tenant, params.id);
      if (!address) throw absent();
      const { secrets, headers } = openAddress(sealer, address);
      const at = new Date();
      const event = {
        id: newId(),
        type: 'webhook.test',
        subject: toTypeId('whk', params.id),
        occurred_at: at.toISOString(),
        sequence: 0,
        data: { org_id: toTypeId('org', tenant.orgId), message: 'This is a test: nothing has happened.' },
      };
      const form = { ...address, tenant, publicUrl: config.publicUrl };
      const message = await messageOf(event, form, { secrets, signer }, at);
      const { status, error, latencyMs, answer } = await sender.send(address.url, message, headers);
      return {
        status: 200,
        body: {
          data: {
            event_id: toTypeId('evt', event.id),
            delivered: status !== null && status >= 200 && status < 300,
            status,
            error,
            latency_ms: latencyMs,
            answer,
          },
        },
      };
    },
  });
}
