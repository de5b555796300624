import { z } from 'zod';
import { REVIEW_STATUSES } from '../../domain/review/vote.ts';
import { listReviews, viewReview } from '../../store/reviews/read.ts';
import { decodeCursor, encodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, listOf, pageQuery, reference } from '../schemas.ts';
import { assessmentReviewRoute } from './assessment-route.ts';
import { printReview, ReviewOutput } from './review-body.ts';
import { reviewSettingsRoutes } from './settings-routes.ts';

/** What waits for a person, with the evidence beside the question. */
export function reviewRoutes(deps: ApiDeps): AnyRoute[] {
  const tags = ['Reviews'];
  return [
    route({
      method: 'get',
      path: '/v1/reviews',
      summary: 'What waits for a person, longest waiting first',
      tags,
      scope: 'execution:read',
      query: z.strictObject({
        ...pageQuery,
        status: z.enum(REVIEW_STATUSES).default('open'),
        kind: z.enum(['execution', 'assessment', 'refund']).optional(),
        agent_id: idOf('agt').optional(),
        merchant_ref: reference.optional(),
      }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: listOf(ReviewOutput) },
      handler: async ({ tenant, query, db }) => {
        const [openedAtMicros, id] =
          query.cursor === undefined ? [] : (decodeCursor(query.cursor, ['number', 'uuid']) as [number, string]);
        const rows = await listReviews(db, tenant, {
          status: query.status,
          kind: query.kind,
          agentId: query.agent_id,
          merchantRef: query.merchant_ref,
          after: id === undefined ? undefined : { openedAtMicros: openedAtMicros!, id },
          limit: query.limit + 1,
        });
        const page = rows.slice(0, query.limit);
        const last = page.at(-1);
        const next_cursor = rows.length > page.length && last ? encodeCursor([last.openedAtMicros, last.id]) : null;
        return { status: 200, body: { data: page.map((row) => printReview(row, tenant.orgId)), next_cursor } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/reviews/:id',
      summary: 'One review, by its own id or that of what is reviewed',
      tags,
      scope: 'execution:read',
      params: z.object({ id: idOf('rev', 'exec', 'asmt', 'op') }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: ReviewOutput },
      handler: async ({ tenant, params, db }) => ({
        status: 200,
        body: printReview(found(await viewReview(db, tenant, params.id), 'review', 'id'), tenant.orgId),
      }),
    }),
    assessmentReviewRoute(deps),
    ...reviewSettingsRoutes(),
  ];
}
