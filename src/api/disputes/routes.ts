import { z } from 'zod';
import { DISPUTE_STATUSES } from '../../domain/payment/dispute.ts';
import { findDispute, listDisputes } from '../../store/disputes/read.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery } from '../schemas.ts';
import { takeAct } from './act.ts';
import { renderDispute } from './body.ts';
import { AcceptDisputeBody, DisputeEvidenceBody, DisputeOutput } from './schemas.ts';

/** What issuers took back, or ask about; processors tell of it by notification. */
export function disputeRoutes(): AnyRoute[] {
  const tags = ['Disputes'];
  const params = z.object({ id: idOf('dsp') });
  return [
    route({
      method: 'get',
      path: '/v1/disputes',
      summary: 'List disputes, newest first',
      tags,
      scope: 'payments:read',
      query: z.strictObject({
        ...pageQuery,
        status: z.enum(DISPUTE_STATUSES).optional(),
        payment_id: idOf('pay').optional(),
      }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: listOf(DisputeOutput) },
      handler: async ({ tenant, query, db }) => {
        const rows = await listDisputes(db, tenant, {
          paymentId: query.payment_id,
          status: query.status,
          before: query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string),
          limit: query.limit + 1,
        });
        const page = rows.slice(0, query.limit);
        const next_cursor = rows.length > page.length ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map((row) => renderDispute(row)), next_cursor } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/disputes/:id',
      summary: 'A dispute, with what was done about it',
      tags,
      scope: 'payments:read',
      params,
      idempotency: 'none',
      replay: 'none',
      responses: { 200: DisputeOutput },
      handler: async ({ tenant, params: { id }, db }) => {
        const { dispute, acts } = found(await findDispute(db, tenant, id), 'dispute', 'id');
        return { status: 200, body: renderDispute(dispute, acts) };
      },
    }),
    route({
      method: 'post',
      path: '/v1/disputes/:id/evidence',
      summary: 'Challenge a dispute, or answer an inquiry',
      description: 'Sent to the processor until it takes it; the dispute is challenged then.',
      tags,
      scope: 'payments:write',
      params,
      body: DisputeEvidenceBody,
      example: { statement: 'The guest stayed both nights.', shipping_tracking: 'folio 4711' },
      idempotency: 'required',
      replay: 'stored',
      responses: { 202: DisputeOutput },
      handler: (ctx) => {
        const { note, ...body } = ctx.body;
        return takeAct(ctx, ctx.params.id, { kind: 'evidence', body, note });
      },
    }),
    route({
      method: 'post',
      path: '/v1/disputes/:id/accept',
      summary: 'Accept a dispute: the money stays with the payer',
      tags,
      scope: 'payments:refund',
      params,
      body: AcceptDisputeBody,
      example: { note: 'The guest is right.' },
      idempotency: 'required',
      replay: 'stored',
      responses: { 202: DisputeOutput },
      handler: (ctx) => takeAct(ctx, ctx.params.id, { kind: 'accept', body: {}, note: ctx.body.note }),
    }),
  ];
}
