import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../../store/pool.ts';
import { existsAssessment } from '../../store/reviews/assessment.ts';
import { findReview } from '../../store/reviews/read.ts';
import type { ReviewRow } from '../../store/reviews/row.ts';
import type { ApiDeps } from '../deps.ts';
import { requestRef } from '../executions/authorize.ts';
import { ReviewBody } from '../executions/schemas.ts';
import { notFound } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, timeOut, typeId } from '../schemas.ts';
import { asPerson } from './guard.ts';

const Reviewed = z
  .object({
    assessment_id: typeId('asmt'),
    decision: z.enum(['approve', 'review', 'deny']),
    reasons: z.array(z.object({ code: z.string(), category: z.string(), message: z.string() })),
    risk_payload_jws: z.string().meta({ description: 'The verdict as it is now, signed' }),
    review: z.object({ status: z.string(), approvals: z.int(), quorum: z.int(), expires_at: timeOut }),
  })
  .meta({ id: 'ReviewedAssessment' });

/** A person's word on an assessment. */
export function assessmentReviewRoute(deps: ApiDeps): AnyRoute {
  const { lifecycle } = deps;
  return route({
    method: 'post',
    path: '/v1/assessments/:id/review',
    summary: 'Approve or deny an assessment that a person must look at',
    description:
      'One denial ends it; an approval counts toward the quorum. Whoever asked, registered the agent or granted the delegation cannot approve.',
    tags: ['Reviews'],
    scope: 'assess:write',
    params: z.object({ id: idOf('asmt') }),
    body: ReviewBody,
    example: { verdict: 'approve', note: 'Asked the traveller.' },
    idempotency: 'optional',
    replay: 'own',
    responses: { 200: Reviewed },
    handler: async (ctx) => {
      const { tenant, params, body, db } = ctx;
      const review = await mustBeReviewed(db, tenant, params.id);
      const verdict = { request: requestRef(ctx, lifecycle.processId), ...body };
      return asPerson(deps, ctx, toTypeId('asmt', params.id), async () => {
        const { agent_id, merchant_ref, amount_minor, id, status } = review;
        const subject = { tenant, id, status, agentId: agent_id, merchantRef: merchant_ref, amountMinor: amount_minor };
        const answer = await lifecycle.reviewAssessment(subject, verdict);
        return {
          status: 200,
          body: answer.body,
          headers: answer.replayed ? { 'Idempotency-Replayed': 'true' } : undefined,
        };
      });
    },
  });
}

/** @throws Problem `not_found`; `review_closed` for what was decided without a person */
async function mustBeReviewed(db: Db, tenant: Tenant, id: string): Promise<ReviewRow> {
  const review = await findReview(db, tenant, id);
  if (review?.subject_kind === 'assessment') return review;
  if (!(await existsAssessment(db, tenant, id))) throw notFound('assessment', 'id');
  throw new Problem('review_closed', 'The assessment was decided without a person.');
}
