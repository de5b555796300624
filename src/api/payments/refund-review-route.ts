import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { findRefundRequest } from '../../store/refunds/request.ts';
import type { ApiDeps } from '../deps.ts';
import { requestRef } from '../executions/authorize.ts';
import { ReviewBody } from '../executions/schemas.ts';
import { found } from '../not-found.ts';
import { asPerson } from '../reviews/guard.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, timeOut, typeId } from '../schemas.ts';

const Reviewed = z
  .object({
    refund_id: typeId('op'),
    payment_id: typeId('pay'),
    review: z.object({ status: z.string(), approvals: z.int(), quorum: z.int(), expires_at: timeOut }),
  })
  .meta({ id: 'ReviewedRefund' });

/** A person's word on a refund that the policy does not let pass without one. */
export function refundReviewRoute(deps: ApiDeps): AnyRoute {
  const { lifecycle } = deps;
  return route({
    method: 'post',
    path: '/v1/payments/refunds/:id/review',
    summary: 'Approve or deny a refund that a person must look at',
    description:
      'One denial ends it; an approval counts toward the quorum. Approved, it is judged again and sent. Whoever asked, registered the agent or granted the delegation cannot approve.',
    tags: ['Payments', 'Reviews'],
    scope: 'payments:refund',
    params: z.object({ id: idOf('op') }),
    body: ReviewBody,
    example: { verdict: 'approve', note: 'The guest left a night early.' },
    idempotency: 'optional',
    replay: 'own',
    responses: { 200: Reviewed },
    handler: async (ctx) => {
      const { tenant, params, body, db } = ctx;
      const { workflowId } = found(await findRefundRequest(db, tenant, params.id), 'refund', 'id');
      const verdict = { request: requestRef(ctx, lifecycle.processId), ...body };
      return asPerson(deps, ctx, toTypeId('op', params.id), async () => {
        const answer = await lifecycle.reviewRefund(tenant, workflowId, verdict);
        return {
          status: 200,
          body: answer.body,
          headers: answer.replayed ? { 'Idempotency-Replayed': 'true' } : undefined,
        };
      });
    },
  });
}
