import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { listMids } from '../../store/mids.ts';
import { route, type AnyRoute } from '../route.ts';
import { listOf, timeOut, typeId } from '../schemas.ts';

const Mid = z
  .object({
    mid_id: typeId('mid'),
    processor: z.string(),
    mid: z.string(),
    kind: z.string(),
    priority: z.int(),
    currencies: z.array(z.string()).nullable(),
    methods: z.array(z.string()).nullable(),
    max_amount_minor: z.int().nullable(),
    enabled: z.boolean(),
    created_at: timeOut,
  })
  .meta({ id: 'Mid', description: 'An account at a processor; `null` does not limit' });

export function processorRoutes(): AnyRoute[] {
  return [
    route({
      method: 'get',
      path: '/v1/processors',
      summary: 'Accounts at processors, in order of priority, without their credentials.',
      tags: ['Payments'],
      scope: ['payments:read', 'payments:write'],
      idempotency: 'none',
      replay: 'none',
      responses: { 200: listOf(Mid) },
      handler: async ({ tenant, db }) => ({
        status: 200,
        body: {
          data: (await listMids(db, tenant)).map((row) => ({
            mid_id: toTypeId('mid', row.id),
            processor: row.processor,
            mid: row.mid,
            kind: row.kind,
            priority: row.priority,
            currencies: row.currencies,
            methods: row.methods,
            max_amount_minor: row.maxAmountMinor,
            enabled: row.enabled,
            created_at: row.createdAt.toISOString(),
          })),
          next_cursor: null,
        },
      }),
    }),
  ];
}
