import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { listAudit, verifyAudit, type AuditRow } from '../../store/audit.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { route, type AnyRoute } from '../route.ts';
import { listOf, pageQuery, timeOut, typeId } from '../schemas.ts';

const AuditEntry = z
  .object({
    entry_id: typeId('ae'),
    sequence: z.int(),
    org: typeId('org'),
    at: timeOut,
    type: z.string(),
    actor: z.string(),
    subject: z.string(),
    body: z.record(z.string(), z.unknown()),
    prev_hash: z.string(),
    entry_hash: z.string(),
  })
  .meta({ id: 'AuditEntry' });

function print(row: AuditRow, org: string) {
  return {
    entry_id: toTypeId('ae', row.id),
    sequence: row.seq,
    org,
    at: row.at.toISOString(),
    type: row.type,
    actor: row.actor,
    subject: row.subject,
    body: row.body,
    prev_hash: row.prevHash,
    entry_hash: row.entryHash,
  };
}

/** The audit trail of the organization, and the recomputation of its chain. */
export function auditRoutes(): AnyRoute[] {
  const tags = ['Audit'];
  const shared = {
    method: 'get',
    tags,
    scope: ['audit:read', 'assess:read'],
    idempotency: 'none',
    replay: 'none',
  } as const;
  return [
    route({
      ...shared,
      path: '/v1/audit',
      summary: 'Entries of the audit trail, newest first.',
      query: z.strictObject({
        ...pageQuery,
        type: z.string().max(100).optional(),
        subject: z.string().max(100).optional(),
        order: z.enum(['asc', 'desc']).default('desc'),
      }),
      responses: { 200: listOf(AuditEntry) },
      handler: async ({ query, tenant, db }) => {
        const after = query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['number'])[0] as number);
        const rows = await listAudit(db, tenant, { ...query, after, limit: query.limit + 1 });
        const page = rows.slice(0, query.limit);
        const org = toTypeId('org', tenant.orgId);
        return {
          status: 200,
          body: {
            data: page.map((row) => print(row, org)),
            next_cursor: rows.length > query.limit ? encodeCursor([page.at(-1)!.seq]) : null,
          },
        };
      },
    }),
    route({
      ...shared,
      path: '/v1/audit/verify',
      summary: 'Recomputes every entry and link of the trail.',
      responses: {
        200: z.object({
          valid: z.boolean(),
          entries_checked: z.int(),
          first_break: z
            .object({ sequence: z.int(), entry_id: typeId('ae').nullable(), reason: z.string() })
            .nullable(),
        }),
      },
      handler: async ({ tenant, db }) => {
        const { entriesChecked, firstBreak } = await verifyAudit(db, tenant);
        return {
          status: 200,
          body: {
            valid: firstBreak === undefined,
            entries_checked: entriesChecked,
            first_break: firstBreak
              ? {
                  sequence: firstBreak.sequence,
                  entry_id: firstBreak.entryId && toTypeId('ae', firstBreak.entryId),
                  reason: firstBreak.reason,
                }
              : null,
          },
        };
      },
    }),
  ];
}
