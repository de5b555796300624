import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { queryEvents, type EventRow } from '../../store/events.ts';
import { canonicalJson } from '../../trust/canonical.ts';
import type { Signer } from '../../trust/signing.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, timeIn, timeOut, typeId } from '../schemas.ts';

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

const SignedEvent = z
  .object({
    id: typeId('evt'),
    type: z.string(),
    occurred_at: timeOut,
    sequence: z.int(),
    subject: z.string(),
    data: z.record(z.string(), z.unknown()),
    audit_ref: typeId('aud'),
    signature: z.string().meta({
      description: 'Ed25519 over the RFC 8785 form of all other members, base64url; key `signature_key_id` of the JWKS',
    }),
  })
  .meta({ id: 'SignedEvent' });

async function print(row: EventRow, signer: Signer) {
  const event = {
    id: toTypeId('evt', row.id),
    type: row.type,
    occurred_at: row.occurredAt.toISOString(),
    sequence: row.sequence,
    subject: row.subject,
    data: row.data,
    audit_ref: toTypeId('aud', row.auditId),
  };
  return { ...event, signature: await signer.signDetached(canonicalJson(event)) };
}

export function eventRoutes({ signer }: ApiDeps): AnyRoute[] {
  return [
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
            data: await Promise.all(page.map((row) => print(row, signer))),
            next_cursor: rows.length > body.limit && last ? encodeCursor([last.sequence, last.id]) : null,
            signature_key_id: signer.kid,
          },
        };
      },
    }),
  ];
}
