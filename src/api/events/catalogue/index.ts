import { z } from 'zod';
import { EVENT_TYPES, type EventType } from '../../../domain/event-catalogue.ts';
import { timeOut, typeId } from '../../schemas.ts';
import { ASSESSMENT_EVENTS, RISK_EVENTS } from './assessment.ts';
import { AGENT_EVENTS, CERTIFICATE_EVENTS, DELEGATION_EVENTS } from './authority.ts';
import { EXECUTION_EVENTS } from './execution.ts';
import { PAYMENT_EVENTS } from './payment.ts';
import type { EventDoc } from './shared.ts';

/** Every event that is told, with the schema of its data. */
export const CATALOGUE: Record<EventType, EventDoc> = {
  ...EXECUTION_EVENTS,
  ...PAYMENT_EVENTS,
  ...DELEGATION_EVENTS,
  ...ASSESSMENT_EVENTS,
  ...AGENT_EVENTS,
  ...CERTIFICATE_EVENTS,
  ...RISK_EVENTS,
};

/** The body of a notification of one type, in the format of Prokura. */
export function notificationSchema(type: EventType) {
  return z
    .object({
      event: z.literal(type),
      type: z.literal(type),
      id: typeId('evt'),
      timestamp: timeOut,
      subject: z.string(),
      sequence: z.int(),
      data: CATALOGUE[type].schema,
    })
    .meta({ id: `Event_${type.replaceAll(/[._]/g, '_')}` });
}

const header = (description: string) => z.string().meta({ description });

/** The `webhooks` of the OpenAPI document: one for each event. */
export function webhookOperations() {
  return Object.fromEntries(
    EVENT_TYPES.map((type) => [
      type,
      {
        post: {
          operationId: `on${type.replaceAll(/(?:^|[._])(\w)/g, (_, letter: string) => letter.toUpperCase())}`,
          summary: CATALOGUE[type].told,
          tags: ['Notifications'],
          security: [],
          requestParams: {
            header: z.object({
              'webhook-id': header('The id of the event, the same in every attempt'),
              'webhook-timestamp': header('Unix seconds of the attempt'),
              'webhook-signature': header('Standard Webhooks: v1 for each secret, v1a for the published key'),
              'x-signature': header('sha256= and the HMAC of the body'),
            }),
          },
          requestBody: {
            required: true,
            content: {
              'application/json': {
                schema: notificationSchema(type),
                example: {
                  event: type,
                  type,
                  id: 'evt_01h455vb4pex5vsknk084sn02q',
                  timestamp: '2026-03-05T22:00:00.000Z',
                  subject: 'org_01h455vb4pex5vsknk084sn02q',
                  sequence: 42,
                  data: CATALOGUE[type].example,
                },
              },
            },
          },
          responses: { '2XX': { description: 'Received. Anything else is tried again; 410 disables the endpoint.' } },
        },
      },
    ]),
  );
}
