import { z } from 'zod';
import { KINDS } from '../../domain/assessments/kinds.ts';
import { findAssessment, listAssessments } from '../../store/assessments/read.ts';
import { findMandate, listMandates } from '../../store/mandates.ts';
import { findReview } from '../../store/reviews/read.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import { engageA2a } from '../a2a/engage.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { printReviewState } from '../reviews/review-body.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery, timeIn } from '../schemas.ts';
import { assess } from './assess.ts';
import { renderAssessed, renderAssessment, renderMandate, verifyUrlOf } from './render.ts';
import { AssessBody, AssessmentOutput, AssessOutput, MandateOutput } from './schemas.ts';

const read = { method: 'get', scope: ['assess:read'], idempotency: 'none', replay: 'none' } as const;

/** Mandates and what is decided on them, without carrying anything out. */
export function assessRoutes(deps: ApiDeps): AnyRoute[] {
  const verifyUrl = verifyUrlOf(deps.config.publicUrl);
  return [
    route({
      method: 'post',
      path: '/v1/assess',
      summary: 'Assess a mandate or an action: who, what, may it, how risky',
      description:
        'The same mandate is assessed once: who sends it again gets the first verdict. A mandate that fails its checks ' +
        'is answered with 200 and a denial; one that cannot be read, with 400 or 422.',
      tags: ['Assessment'],
      scope: 'assess:write',
      body: AssessBody,
      example: {
        mandate: {
          vct: 'mandate.payment.1',
          transaction_id: 'mZ3eP2hL0sZ5gkVJ0q3o3m5b0n5C0m2kq8o8b6T1x0s',
          payee: { id: 'mrc_acme', name: 'Acme', website: 'https://acme.example' },
          payment_amount: { amount: 12_050, currency: 'EUR' },
          payment_instrument: { id: 'pi_1', type: 'card' },
          agent_id: 'agt_01h455vb4pex5vsknk084sn02q',
        },
        kind: 'ap2_payment',
      },
      idempotency: 'optional',
      replay: 'none',
      responses: { 200: AssessOutput },
      handler: async (ctx) => {
        const { mandate, idempotency_key: idempotencyKey } = ctx.body;
        const exchange = engageA2a({ headers: ctx.headers, a2a: ctx.body.a2a });
        const assessed = await assess(deps, ctx);
        return {
          status: 200,
          headers: exchange && { 'A2A-Version': exchange.version },
          body: renderAssessed(assessed, mandate, {
            verifyUrl,
            exchange,
            ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
          }),
        };
      },
    }),
    route({
      ...read,
      path: '/v1/assessments',
      summary: 'Assessments, newest first',
      tags: ['Assessment'],
      query: z.strictObject({
        ...pageQuery,
        status: z.enum(['approve', 'review', 'deny']).optional(),
        agent: idOf('agt').optional(),
        kind: z.enum(KINDS).optional(),
        from: timeIn.optional().meta({ description: 'Assessments of this moment and later' }),
        to: timeIn.optional().meta({ description: 'Assessments before this moment' }),
      }),
      responses: { 200: listOf(AssessmentOutput) },
      handler: async ({ query, tenant, db }) => {
        const { cursor, limit, agent, ...filter } = query;
        const rows = await listAssessments(db, tenant, {
          ...filter,
          agentId: agent,
          before: cursor === undefined ? undefined : (decodeCursor(cursor, ['uuid'])[0] as string),
          limit: limit + 1,
        });
        const page = rows.slice(0, limit);
        return {
          status: 200,
          body: {
            data: page.map((row) => renderAssessment(row, verifyUrl)),
            next_cursor: rows.length > limit ? encodeCursor([page.at(-1)!.id]) : null,
          },
        };
      },
    }),
    route({
      ...read,
      path: '/v1/assessments/:id',
      summary: 'The whole outcome of an assessment',
      tags: ['Assessment'],
      params: z.object({ id: idOf('asmt') }),
      responses: { 200: AssessmentOutput },
      handler: async ({ params, tenant, db }) => {
        const row = found(await findAssessment(db, tenant, params.id), 'assessment', 'id');
        const review = row.refinement === null ? undefined : await findReview(db, tenant, params.id);
        return {
          status: 200,
          body: { ...renderAssessment(row, verifyUrl), ...(review ? { review: printReviewState(review) } : {}) },
        };
      },
    }),
    route({
      ...read,
      path: '/v1/mandates',
      summary: 'Mandates that were presented, newest first',
      tags: ['Assessment'],
      query: z.strictObject({
        ...pageQuery,
        kind: z.enum(KINDS).optional(),
        type: z.string().max(128).optional(),
        agent: idOf('agt').optional(),
      }),
      responses: { 200: listOf(MandateOutput) },
      handler: async ({ query, tenant, db }) => {
        const { cursor, limit, agent, ...filter } = query;
        const rows = await listMandates(db, tenant, {
          ...filter,
          agentId: agent,
          before: cursor === undefined ? undefined : (decodeCursor(cursor, ['uuid'])[0] as string),
          limit: limit + 1,
        });
        const page = rows.slice(0, limit);
        return {
          status: 200,
          body: {
            data: await Promise.all(page.map((row) => renderMandate(deps, row, tenant.orgId))),
            next_cursor: rows.length > limit ? encodeCursor([page.at(-1)!.id]) : null,
          },
        };
      },
    }),
    route({
      ...read,
      path: '/v1/mandates/:id',
      summary: 'A mandate as it was presented, and what was approved under it',
      tags: ['Assessment'],
      params: z.object({ id: idOf('mnd') }),
      responses: { 200: MandateOutput },
      handler: async ({ params, tenant, db }) => {
        const row = found(await findMandate(db, tenant, params.id), 'mandate', 'id');
        return { status: 200, body: await renderMandate(deps, row, tenant.orgId) };
      },
    }),
  ];
}
