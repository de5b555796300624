import { z } from 'zod';
import { listAudit } from '../../store/audit.ts';
import { route, type AnyRoute } from '../route.ts';
import { listOf, timeIn } from '../schemas.ts';
import { ACTOR_TYPES, actorsOf, AuditLog, cursorOf, printLogEntry, sequenceOf } from './log-entry.ts';
import { auditRoute } from './shared.ts';

const before = z
  .string()
  .max(64)
  .transform((text, ctx): { seq?: number; at?: Date } => {
    const seq = sequenceOf(text);
    if (seq !== undefined) return { seq };
    const parsed = timeIn.safeParse(text);
    if (parsed.success) return { at: parsed.data };
    ctx.addIssue({ code: 'custom', message: parsed.error.issues[0]!.message });
    return z.NEVER;
  })
  .meta({ type: 'string', format: 'date-time', description: 'A moment, or `next_cursor` of the page before' });

/** The entries of `/v1/audit` through the fields of the certificate contract, newest first. */
export function auditLogRoute(): AnyRoute {
  return route({
    ...auditRoute,
    path: '/v1/audit-log',
    summary: 'The audit trail through the fields of the certificate contract, newest first.',
    envelope: 'kakunin',
    query: z.strictObject({
      event_type: z.string().max(100).optional(),
      actor_type: z.enum(ACTOR_TYPES).optional(),
      before: before.optional(),
      limit: z.coerce.number().int().min(1).max(100).default(50).meta({ example: 50 }),
    }),
    responses: { 200: listOf(AuditLog) },
    handler: async ({ query, tenant, db }) => {
      const from: { seq?: number; at?: Date } = query.before ?? {};
      const rows = await listAudit(db, tenant, {
        type: query.event_type,
        actors: query.actor_type && actorsOf(query.actor_type),
        to: from.at,
        after: from.seq,
        order: 'desc',
        limit: query.limit + 1,
      });
      const page = rows.slice(0, query.limit);
      return {
        status: 200,
        body: { data: page.map(printLogEntry), next_cursor: rows.length > query.limit ? cursorOf(page.at(-1)!) : null },
      };
    },
  });
}
