import { z } from 'zod';
import { queryEvents } from '../../store/events.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, timeIn } from '../schemas.ts';
import { signedEvent, SignedEvent } from './signed-event.ts';
import { eventStreamRoute } from './stream-route.ts';

const EventQuery = z.strictObject({
  types: z.array(z.string().max(100)).min(1).max(50).optional(),
  subject: z.string().max(100).optional().meta({ description: 'TypeID of what the event is about' }),
  execution_ref: idOf('exec').optional(),
  agent_id: idOf('agt').optional(),
  from: timeIn.optional(),
  to: timeIn.optional(),
  cursor: z.string().max(256).optional(),
  limit: z.int().min(1).max(200).default(50),
  order: z.enum(['asc', 'desc']).default('asc'),
});

/** The event log: asked for in pages, or followed as a stream. */
export function eventRoutes(deps: ApiDeps): AnyRoute[] {
  const { signer } = deps;
  return [
    eventStreamRoute(deps),
    route({
      method: 'post',
      path: '/v1/execution/events/query',
      summary: 'Signed events in the order of the audit trail.',
      tags: ['Execution'],
      scope: ['events:read', 'execution:read', 'execution:write'],
      body: EventQuery,
      example: { types: ['execution.decision'], limit: 20, order: 'desc' },
      idempotency: 'optional',
      replay: 'none',
      responses: {
        200: z.object({
          data: z.array(SignedEvent),
          next_cursor: z.string().nullable(),
          signature_key_id: z.string(),
        }),
      },
      handler: async ({ body, tenant, db }) => {
        const [sequence, id] = body.cursor === undefined ? [] : decodeCursor(body.cursor, ['number', 'uuid']);
        const rows = await queryEvents(db, tenant, {
          types: body.types,
          subject: body.subject,
          executionId: body.execution_ref,
          agentId: body.agent_id,
          from: body.from,
          to: body.to,
          order: body.order,
          after: sequence === undefined ? undefined : { sequence: sequence as number, id: id as string },
          limit: body.limit + 1,
        });
        const page = rows.slice(0, body.limit);
        const last = page.at(-1);
        return {
          status: 200,
          body: {
            data: await Promise.all(page.map((row) => signedEvent(row, signer))),
            next_cursor: rows.length > body.limit && last ? encodeCursor([last.sequence, last.id]) : null,
            signature_key_id: signer.kid,
          },
        };
      },
    }),
  ];
}
