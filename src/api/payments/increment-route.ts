import type { ApiDeps } from '../deps.ts';
import { operationIdFor, requestRef, timersOf } from '../executions/authorize.ts';
import { route, type AnyRoute } from '../route.ts';
import { amountOf } from './amount-of.ts';
import { renderMoney } from './render.ts';
import { IncrementBody, PaymentOutput } from './schemas.ts';

/** `POST /v1/payments/increment`: the addition is decided like the payment was, as what it comes to in all. */
export function incrementRoute({ config, lifecycle }: ApiDeps): AnyRoute {
  return route({
    method: 'post',
    path: '/v1/payments/increment',
    summary: 'Raise a hold, where the account can and the addition is approved',
    tags: ['Payments'],
    scope: 'payments:write',
    body: IncrementBody,
    example: { payment_id: 'pay_01h455vb4pex5vsknk084sn02q', amount: 10, reason: 'one night more' },
    idempotency: 'required',
    replay: 'own',
    responses: { 200: PaymentOutput, 202: PaymentOutput },
    handler: async (ctx) => {
      const { tenant, body, idempotencyKey } = ctx;
      const { payment_id, amount, currency, reason } = body;
      const amountMinor = (await amountOf(ctx, payment_id, amount, currency))!;
      const answer = await lifecycle.increment({
        tenant,
        request: requestRef(ctx, lifecycle.processId),
        paymentId: payment_id,
        operationId: operationIdFor(tenant, payment_id, idempotencyKey!),
        amountMinor,
        reason,
        timers: timersOf(config),
      });
      return renderMoney(answer);
    },
  });
}
