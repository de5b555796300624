import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { anchoredSize, listAudit, trailEntry, verifyAudit } from '../../store/audit.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { listOf, pageQuery, timeIn } from '../schemas.ts';
import { sealingKeys } from '../../trust/checkpoint.ts';
import { auditLogRoute } from './log-route.ts';
import { AuditEntry, AuditVerdict } from './schemas.ts';
import { sealRoutes } from './seal-routes.ts';
import { auditRoute } from './shared.ts';

/** The audit trail of the organization, the recomputation of its chain, and what its seal proves. */
export function auditRoutes(deps: Pick<ApiDeps, 'signer'>): AnyRoute[] {
  const keys = sealingKeys(deps.signer);
  return [
    route({
      ...auditRoute,
      path: '/v1/audit',
      summary: 'Entries of the audit trail, newest first.',
      query: z.strictObject({
        ...pageQuery,
        type: z.string().max(100).optional(),
        subject: z.string().max(100).optional(),
        actor: z.string().max(200).optional(),
        from: timeIn.optional().meta({ description: 'Entries of this moment and later' }),
        to: timeIn.optional().meta({ description: 'Entries before this moment' }),
        order: z.enum(['asc', 'desc']).default('desc'),
      }),
      responses: { 200: listOf(AuditEntry) },
      handler: async ({ query, tenant, db }) => {
        const after = query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['number'])[0] as number);
        // The seal is read first: an entry may become anchored in between, never the other way.
        const anchored = await anchoredSize(db, tenant);
        const rows = await listAudit(db, tenant, { ...query, after, limit: query.limit + 1 });
        const page = rows.slice(0, query.limit);
        const org = toTypeId('org', tenant.orgId);
        return {
          status: 200,
          body: {
            data: page.map((row) => ({
              ...trailEntry(row, org),
              status: row.seq <= anchored ? 'anchored' : 'pending',
            })),
            next_cursor: rows.length > query.limit ? encodeCursor([page.at(-1)!.seq]) : null,
          },
        };
      },
    }),
    route({
      ...auditRoute,
      path: '/v1/audit/verify',
      summary: 'Recomputes every entry, link and checkpoint of the trail.',
      responses: { 200: AuditVerdict },
      handler: async ({ tenant, db }) => {
        const { entriesChecked, firstBreak } = await verifyAudit(db, tenant, keys);
        const { sequence, entryId, reason } = firstBreak ?? {};
        return {
          status: 200,
          body: {
            valid: firstBreak === undefined,
            entries_checked: entriesChecked,
            first_break: firstBreak ? { sequence, entry_id: entryId, reason } : null,
          },
        };
      },
    }),
    ...sealRoutes(deps),
    auditLogRoute(),
  ];
}
