import { z } from 'zod';
import { findRefundChallenge } from '../../store/refunds/challenge.ts';
import type { ApiDeps } from '../deps.ts';
import { requestRef } from '../executions/authorize.ts';
import { ChallengeMethod, ChallengeProof } from '../executions/schemas.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf, typeId } from '../schemas.ts';

const Confirmed = z
  .object({
    refund_id: typeId('op'),
    payment_id: typeId('pay'),
    challenge: z.object({ challenge_id: typeId('chl'), status: z.enum(['passed', 'declined']) }),
  })
  .meta({ id: 'ConfirmedRefund' });

/** The principal's answer to the challenge of a refund. */
export function refundRespondRoute({ lifecycle, sealer }: ApiDeps): AnyRoute {
  return route({
    method: 'post',
    path: '/v1/payments/refunds/:id/respond',
    summary: 'Answer the step-up challenge of a refund',
    description:
      'Correct, the refund is judged again and made: repeat its request with its key to learn how it ended. Declined, after three wrong answers, or with none in time, it is not made. Takes the id of the refund or of its challenge.',
    tags: ['Payments'],
    scope: 'payments:refund',
    params: z.object({ id: idOf('op', 'chl') }),
    body: z.strictObject({ method: ChallengeMethod, response: ChallengeProof }).meta({ id: 'RefundChallengeResponse' }),
    example: { method: 'totp', response: { code: '123456' } },
    idempotency: 'required',
    replay: 'own',
    responses: { 200: Confirmed },
    handler: async (ctx) => {
      const { tenant, params, body, db } = ctx;
      const { workflow_id } = found(await findRefundChallenge(db, tenant, params.id), 'challenge', 'id');
      const answer = await lifecycle.respondRefund(tenant, workflow_id, {
        request: requestRef(ctx, lifecycle.processId),
        method: body.method,
        sealedResponse: sealer.seal(JSON.stringify(body.response)),
      });
      return {
        status: 200,
        body: answer.body,
        headers: answer.replayed ? { 'Idempotency-Replayed': 'true' } : undefined,
      };
    },
  });
}
