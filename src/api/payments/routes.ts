import { z } from 'zod';
import { Problem } from '../../domain/errors.ts';
import { findExecution } from '../../store/executions/read.ts';
import { findPaymentDetail, listPayments } from '../../store/payments/read.ts';
import { encodeCursor, decodeCursor } from '../cursor.ts';
import type { ApiDeps } from '../deps.ts';
import { operationIdFor, requestRef, timersOf } from '../executions/authorize.ts';
import { minorAt } from '../money.ts';
import { found } from '../not-found.ts';
import { route, type AnyRoute, type RouteContext } from '../route.ts';
import { idOf, listOf, pageQuery, timeIn } from '../schemas.ts';
import { evidenceRoutes } from './evidence-routes.ts';
import { notificationRoutes } from './notification-routes.ts';
import { processorNewsRoutes } from './processor-news-routes.ts';
import { routeRoutes } from './plan-routes.ts';
import { incrementRoute } from './increment-route.ts';
import { mandateReceipt } from './mandate-receipt.ts';
import { openExceptions } from './open-exceptions.ts';
import { refundRespondRoute } from './refund-respond-route.ts';
import { refundReviewRoute } from './refund-review-route.ts';
import { renderMoney, renderPayment } from './render.ts';
import { amountOf } from './amount-of.ts';
import { AuthorizePaymentBody, CaptureBody, PaymentOutput, RefundBody, VoidBody } from './schemas.ts';

/** The payment family: route, authorize, capture, void, refund, and read. */
export function paymentRoutes(deps: ApiDeps): AnyRoute[] {
  const { config, lifecycle, sealer } = deps;
  const answers = { 200: PaymentOutput, 202: PaymentOutput };
  const write = { tags: ['Payments'], idempotency: 'required', replay: 'own', method: 'post' } as const;
  return [
    route({
      ...write,
      path: '/v1/payments/authorize',
      summary: 'Spend an approval: authorize the payment at a processor',
      scope: 'payments:write',
      body: AuthorizePaymentBody,
      example: {
        execution_token: 'exec_01h455vb4pex5vsknk084sn02q.4f1c0d3a9b7e4d52a1c8e0f3b6d9724e',
        payment_method: { type: 'token', token: 'tok_approve' },
      },
      responses: { 201: PaymentOutput, 202: PaymentOutput },
      handler: async (ctx) => {
        const { body, tenant } = ctx;
        const executionId = deps.tokens.read(body.execution_token);
        if (!executionId) {
          throw new Problem('execution_token_expired', 'This execution token was not issued here, or not whole.', {
            fields: [{ path: 'execution_token', message: 'is not a token of this system' }],
          });
        }
        const { amount, currency } = body;
        const answer = await lifecycle.pay(tenant, executionId, {
          request: requestRef(ctx, lifecycle.processId),
          operationId: operationIdFor(tenant, executionId, ctx.idempotencyKey!),
          amountMinor:
            amount === undefined
              ? undefined
              : minorAt('amount', amount, currency ?? (await approvedCurrency(ctx, executionId))),
          currency,
          sealedMethod: sealer.seal(JSON.stringify(body.payment_method)),
          routePlanId: body.route_plan_id,
          capture: body.capture,
          merchantReference: body.merchant_reference,
          acceptPartial: body.accept_partial,
          onExpiry: body.on_expiry,
        });
        return renderMoney(answer);
      },
    }),
    route({
      ...write,
      path: '/v1/payments/capture',
      summary: 'Capture held funds, wholly or in part',
      scope: 'payments:write',
      body: CaptureBody,
      example: { payment_id: 'pay_01h455vb4pex5vsknk084sn02q', amount: 10 },
      responses: answers,
      handler: async (ctx) => {
        const { payment_id, amount, currency, final } = ctx.body;
        const amountMinor = await amountOf(ctx, payment_id, amount, currency);
        return renderMoney(
          await lifecycle.capture(ctx.tenant, payment_id, {
            request: requestRef(ctx, lifecycle.processId),
            operationId: operationIdFor(ctx.tenant, payment_id, ctx.idempotencyKey!),
            amountMinor,
            final,
          }),
        );
      },
    }),
    route({
      ...write,
      path: '/v1/payments/void',
      summary: 'Void what was not captured',
      scope: 'payments:write',
      body: VoidBody,
      example: { payment_id: 'pay_01h455vb4pex5vsknk084sn02q', reason: 'the guest does not come' },
      responses: answers,
      handler: async (ctx) =>
        renderMoney(
          await lifecycle.void(ctx.tenant, ctx.body.payment_id, {
            request: requestRef(ctx, lifecycle.processId),
            operationId: operationIdFor(ctx.tenant, ctx.body.payment_id, ctx.idempotencyKey!),
            reason: ctx.body.reason,
          }),
        ),
    }),
    route({
      ...write,
      path: '/v1/payments/refund',
      summary: 'Refund captured money, under policy',
      scope: 'payments:refund',
      body: RefundBody,
      example: { payment_id: 'pay_01h455vb4pex5vsknk084sn02q', amount: 10, reason: 'one night less' },
      responses: answers,
      handler: async (ctx) => {
        const { payment_id, amount, currency, reason } = ctx.body;
        const amountMinor = await amountOf(ctx, payment_id, amount, currency);
        const answer = await lifecycle.refund({
          tenant: ctx.tenant,
          request: requestRef(ctx, lifecycle.processId),
          paymentId: payment_id,
          operationId: operationIdFor(ctx.tenant, payment_id, ctx.idempotencyKey!),
          amountMinor,
          reason,
          timers: timersOf(config),
        });
        return renderMoney(answer, true);
      },
    }),
    incrementRoute(deps),
    refundReviewRoute(deps),
    refundRespondRoute(deps),
    ...routeRoutes(deps),
    ...notificationRoutes(deps),
    ...processorNewsRoutes(deps),
    ...evidenceRoutes(deps),
    route({
      method: 'get',
      path: '/v1/payments',
      summary: 'List payments, newest first',
      tags: ['Payments'],
      scope: 'payments:read',
      query: z.strictObject({
        ...pageQuery,
        needs_attention: z.enum(['true', 'false']).optional(),
        merchant_ref: z.string().max(255).optional(),
        agent_id: idOf('agt').optional(),
        from: timeIn.optional().meta({ description: 'Made at or after' }),
        to: timeIn.optional().meta({ description: 'Made before' }),
      }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: listOf(PaymentOutput) },
      handler: async ({ tenant, query, db }) => {
        const rows = await listPayments(db, tenant, {
          before: query.cursor === undefined ? undefined : (decodeCursor(query.cursor, ['uuid'])[0] as string),
          limit: query.limit + 1,
          needsAttention: query.needs_attention === undefined ? undefined : query.needs_attention === 'true',
          merchantRef: query.merchant_ref,
          agentId: query.agent_id,
          from: query.from,
          to: query.to,
        });
        const page = rows.slice(0, query.limit);
        const next = rows.length > query.limit ? encodeCursor([page.at(-1)!.id]) : null;
        return { status: 200, body: { data: page.map(renderPayment), next_cursor: next } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/payments/:id',
      summary: 'A payment: counters, attempts, operations, reconciliation',
      tags: ['Payments'],
      scope: 'payments:read',
      params: z.object({ id: idOf('pay') }),
      idempotency: 'none',
      replay: 'none',
      responses: { 200: PaymentOutput },
      handler: async ({ tenant, params, db }) => {
        const detail = found(await findPaymentDetail(db, tenant, params.id), 'payment', 'id');
        const { payment } = detail;
        const receipt = await mandateReceipt(deps, payment, detail.reference);
        const body = renderPayment(payment);
        const settled = body['reconciliation'] as object;
        const reconciliation = detail.exceptions
          ? { ...settled, exceptions: await openExceptions(db, tenant, params.id) }
          : settled;
        return { status: 200, body: { ...body, reconciliation, ...(receipt && { mandate_receipt: receipt }) } };
      },
    }),
  ];
}

/** The currency that was approved, for an amount that names none. */
async function approvedCurrency(
  { db, tenant }: Pick<RouteContext, 'db' | 'tenant'>,
  executionId: string,
): Promise<string> {
  return found(await findExecution(db, tenant, executionId), 'execution', 'execution_token').intent.currency;
}
