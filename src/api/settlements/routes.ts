import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { listSettlements, type SettlementRow } from '../../store/settlement/settlements.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery, reference, timeOut, typeId } from '../schemas.ts';
import { importRoutes } from './import-routes.ts';

const reading = {
  method: 'get',
  tags: ['Settlement'],
  scope: 'payments:read',
  idempotency: 'none',
  replay: 'none',
} as const;

const SettlementOutput = z
  .object({
    settlement_id: typeId('set'),
    processor: z.string(),
    reference: z.string().meta({ description: 'The processor’s id of it, which payments show' }),
    settled_at: timeOut,
    received_at: timeOut,
    lines: z.int(),
    exceptions: z.int(),
    totals: z.array(
      z.object({
        currency: z.string(),
        status: z.string(),
        lines: z.int(),
        captured_minor: z.int(),
        refunded_minor: z.int(),
        fee_minor: z.int(),
        net_minor: z.int(),
      }),
    ),
  })
  .meta({ id: 'Settlement' });

/** What processors paid out together. */
export function settlementRoutes(deps: ApiDeps): AnyRoute[] {
  return [
    ...importRoutes(deps),
    route({
      ...reading,
      path: '/v1/settlements',
      summary: 'Settlements with what their lines come to, newest first.',
      query: z.strictObject({
        ...pageQuery,
        processor: z.string().max(100).optional(),
        reference: reference.optional().meta({ description: 'The processor’s id of it' }),
      }),
      responses: { 200: listOf(SettlementOutput) },
      handler: async ({ query: { cursor, limit, ...filter }, tenant, db }) => {
        const before = cursor === undefined ? undefined : (decodeCursor(cursor, ['uuid'])[0] as string);
        const rows = await listSettlements(db, tenant, { ...filter, before, limit: limit + 1 });
        const page = rows.slice(0, limit);
        const next_cursor = rows.length > limit ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map(print), next_cursor } };
      },
    }),
    route({
      ...reading,
      path: '/v1/settlements/:id',
      summary: 'A settlement.',
      params: z.object({ id: idOf('set') }),
      responses: { 200: SettlementOutput },
      handler: async ({ params: { id }, tenant, db }) => {
        const [row] = await listSettlements(db, tenant, { id, limit: 1 });
        return { status: 200, body: print(found(row, 'settlement', 'id')) };
      },
    }),
  ];
}

function print({ id, processor, reference: of, settledAt, receivedAt, totals }: SettlementRow) {
  const count = (which: (status: string) => boolean) =>
    totals.filter(({ status }) => which(status)).reduce((sum, { lines }) => sum + lines, 0);
  return {
    settlement_id: toTypeId('set', id),
    processor,
    reference: of,
    settled_at: settledAt.toISOString(),
    received_at: receivedAt.toISOString(),
    lines: count(() => true),
    exceptions: count((status) => status !== 'matched'),
    totals: totals.map((total) => ({
      ...total,
      net_minor: total.captured_minor - total.refunded_minor - total.fee_minor,
    })),
  };
}
