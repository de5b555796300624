import { z } from 'zod';
import { closeConflict, listConflicts } from '../../store/payments/conflicts.ts';
import { evidenceOfPayment } from '../../store/payments/evidence.ts';
import { findPayment } from '../../store/payments/read.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery, shortText } from '../schemas.ts';
import { renderConflict, renderEvidence } from './evidence-body.ts';
import { ConflictOutput, EvidenceOutput } from './evidence-schemas.ts';
import { resolveRoute } from './resolve-route.ts';

/** More than this of one payment is told by the list. */
const CONFLICTS_SHOWN = 50;

/** What is needed where nobody knows how an operation ended: evidence, a person's word, and what contradicts it. */
export function evidenceRoutes(deps: ApiDeps): AnyRoute[] {
  const tags = ['Payments'];
  return [
    route({
      method: 'get',
      path: '/v1/payments/conflicts',
      summary: 'Evidence that contradicts what is recorded, newest first',
      tags,
      scope: 'payments:read',
      query: z.strictObject({
        ...pageQuery,
        status: z.enum(['open', 'closed']).optional(),
        payment_id: idOf('pay').optional(),
      }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: listOf(ConflictOutput) },
      handler: async ({ tenant, query, db }) => {
        const rows = await listConflicts(db, tenant, {
          paymentId: query.payment_id,
          open: query.status === undefined ? undefined : query.status === 'open',
          before: query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string),
          limit: query.limit + 1,
        });
        const page = rows.slice(0, query.limit);
        const next_cursor = rows.length > page.length ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map(renderConflict), next_cursor } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/payments/conflicts/:id/close',
      summary: 'Note how a conflict was dealt with; the recorded outcome stays',
      tags,
      scope: 'admin',
      params: z.object({ id: idOf('cfl') }),
      body: z.strictObject({ note: shortText }).meta({ id: 'CloseConflictRequest' }),
      example: { note: 'The processor has taken its notification back.' },
      idempotency: 'optional',
      replay: 'stored',
      responses: { 200: ConflictOutput },
      handler: async ({ tenant, params, body, actor, db }) => {
        const closing = { id: params.id, actor, note: body.note, at: new Date() };
        const row = found(await closeConflict(db, tenant, closing), 'conflict', 'id');
        return { status: 200, body: renderConflict(row) };
      },
    }),
    route({
      method: 'get',
      path: '/v1/payments/:id/evidence',
      summary: 'What was said about each operation: lost answers, questions, notifications, settlement, persons',
      tags,
      scope: 'payments:read',
      params: z.object({ id: idOf('pay') }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: EvidenceOutput },
      handler: async ({ tenant, params, db }) => {
        found(await findPayment(db, tenant, params.id), 'payment', 'id');
        const told = await evidenceOfPayment(db, tenant, params.id);
        const conflicts = await listConflicts(db, tenant, { paymentId: params.id, limit: CONFLICTS_SHOWN });
        return { status: 200, body: renderEvidence(params.id, told, conflicts) };
      },
    }),
    resolveRoute(deps),
  ];
}
