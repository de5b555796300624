import { randomUUID } from 'node:crypto';
import { Router, type Request, type RequestHandler, type Response, urlencoded } from 'express';
import { z } from 'zod';
import type { OperationType } from '../../wire.ts';
import { messageOf } from '../messages.ts';
import type { OperationRow } from '../operations.ts';
import type { SimulatorParts } from '../parts.ts';
import { perform, type MoneyRequest, type Performed } from '../perform.ts';
import { outage } from '../processor-routes.ts';
import { parse, WireProblem } from '../wire-problem.ts';
import { accountOf, knowAccount } from './account.ts';
import { intentOf, paymentOf, REFERENCE, shown } from './intents.ts';
import { listRefunds, retrieve, search } from './questions.ts';
import { cardError, renderRefund } from './render.ts';
import { oneRequestPerKey } from './running-keys.ts';
import { stripeBehaviour } from './tokens.ts';
import { asStripeError, sendError, STRIPE_VOICE } from './voice.ts';

const text = z.string().min(1).max(500);
const amount = z.coerce.number().int().positive();
const flag = z.enum(['true', 'false']).transform((value) => value === 'true');
const metadata = z.record(z.string().max(40), z.string().max(500)).default({});
const expand = z.array(text).optional();

const IntentBody = z.object({
  amount,
  currency: z.string().regex(/^[a-z]{3}$/),
  payment_method: text,
  confirm: flag.refine((value) => value, 'must be true here'),
  capture_method: z.enum(['automatic', 'automatic_async', 'manual']).default('automatic_async'),
  error_on_requires_action: flag.optional(),
  allowed_payment_method_types: z.array(text).optional(),
  payment_method_options: z
    .object({
      card: z
        .object({ request_multicapture: text, request_overcapture: text, request_incremental_authorization: text })
        .partial(),
    })
    .partial()
    .optional(),
  metadata,
  expand,
});
const CaptureBody = z.object({
  amount_to_capture: amount.optional(),
  final_capture: flag.default(true),
  metadata,
  expand,
});
const IncrementBody = z.object({ amount, metadata, expand });
const CancelBody = z.object({ cancellation_reason: text.optional(), expand });
const RefundBody = z.object({ payment_intent: text, amount: amount.optional(), metadata, expand });

/** `/v1/payment_intents` and `/v1/refunds` as far as payments by card need them, in API version 2026-10-28.endive. */
export function stripeRoutes(parts: SimulatorParts): Router {
  const router = Router({ mergeParams: true });
  const form = urlencoded({ extended: true, limit: '64kb' });
  const once = oneRequestPerKey();
  const money = (handle: (parts: SimulatorParts, req: Request, res: Response) => Promise<void>): RequestHandler =>
    once((req, res) => handle(parts, req, res));
  router.use(
    ['/payment_intents', '/refunds'],
    knowAccount,
    outage(parts.controls, STRIPE_VOICE, (req) => accountOf(req).processor),
    form,
  );
  router.post('/payment_intents', money(create));
  router.get('/payment_intents/search', (req, res) => search(parts, req, res));
  router.get('/payment_intents/:id', (req, res) => retrieve(parts, req, res));
  router.post('/payment_intents/:id/increment_authorization', money(increment));
  router.post('/payment_intents/:id/capture', money(capture));
  router.post('/payment_intents/:id/cancel', money(cancel));
  router.post('/refunds', money(refund));
  router.get('/refunds', (req, res) => listRefunds(parts, req, res));
  router.use(asStripeError);
  return router;
}

const keyOf = (req: Request) => String(req.headers['idempotency-key'] ?? randomUUID());
const body = (req: Request) => (req.body ?? {}) as unknown;

async function create(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const { processor, mid } = accountOf(req);
  const wish = parse(IntentBody, body(req));
  const behaviour = stripeBehaviour(wish.payment_method, processor);
  if (!behaviour) throw new WireProblem(404, 'resource_missing', 'No such PaymentMethod.');
  const id = `pi_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
  const request = {
    ...common(req, res, 'authorize'),
    processor,
    mid,
    reference: wish.metadata[REFERENCE] ?? id,
    processorReference: id,
    currency: wish.currency.toUpperCase(),
    amountMinor: wish.amount,
    automatic: wish.capture_method !== 'manual',
    behaviour,
    details: {
      wire: 'stripe',
      metadata: wish.metadata,
      incremental: wish.payment_method_options?.card?.request_incremental_authorization === 'if_available',
      overcapture: wish.payment_method_options?.card?.request_overcapture === 'if_available',
    },
  };
  await perform(parts, res, request, STRIPE_VOICE, async (performed) => {
    const row = rowOf(performed);
    const intent = await intentOf(parts, req, row.processor_reference);
    if (row.state === 'declined') return sendError(res, 402, cardError(row.code!, intent));
    res.json(shown(intent, wish.expand));
  });
}

async function capture(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const wish = parse(CaptureBody, body(req));
  const payment = await paymentOf(parts, req);
  const left = payment.counters
    ? payment.counters.authorized - payment.counters.captured - payment.counters.released
    : 0;
  const mayExceed = payment.operations.some(({ details }) => details?.['overcapture'] === true);
  const beyond = mayExceed ? (wish.amount_to_capture ?? 0) - left : 0;
  const request = {
    ...common(req, res, 'capture'),
    reference: payment.operations[0]!.reference,
    currency: undefined,
    amountMinor: wish.amount_to_capture ?? Math.max(1, left),
    final: wish.final_capture,
    details: { wire: 'stripe', metadata: wish.metadata, ...(beyond > 0 ? { beyond } : {}) },
  };
  await perform(parts, res, request, STRIPE_VOICE, (performed) =>
    answerIntent(parts, req, res, performed, wish.expand),
  );
}

/** `amount` is the new sum. A repetition finds its operation, and what it had asked for then. */
async function increment(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const wish = parse(IncrementBody, body(req));
  const payment = await paymentOf(parts, req);
  const before = payment.operations.find(({ operation_id }) => operation_id === keyOf(req))?.requested_minor;
  const added = before ?? wish.amount - (payment.counters?.authorized ?? 0);
  if (!payment.operations.some(({ details }) => details?.['incremental'] === true)) {
    const message = 'This PaymentIntent was not authorized with request_incremental_authorization.';
    throw new WireProblem(400, 'payment_intent_unexpected_state', message);
  }
  if (added <= 0) throw new WireProblem(400, 'amount_too_small', 'The amount must be above what is authorized.');
  const request = {
    ...common(req, res, 'increment'),
    reference: payment.operations[0]!.reference,
    currency: undefined,
    amountMinor: added,
    details: { wire: 'stripe', metadata: wish.metadata },
  };
  await perform(parts, res, request, STRIPE_VOICE, (performed) =>
    answerIntent(parts, req, res, performed, wish.expand),
  );
}

async function cancel(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const wish = parse(CancelBody, body(req));
  const payment = await paymentOf(parts, req);
  const request = {
    ...common(req, res, 'void'),
    reference: payment.operations[0]!.reference,
    currency: undefined,
    amountMinor: undefined,
    details: { wire: 'stripe', reason: wish.cancellation_reason ?? 'requested_by_customer' },
  };
  await perform(parts, res, request, STRIPE_VOICE, (performed) =>
    answerIntent(parts, req, res, performed, wish.expand),
  );
}

async function refund(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const wish = parse(RefundBody, body(req));
  const payment = await paymentOf(parts, req, wish.payment_intent);
  const request = {
    ...common(req, res, 'refund'),
    reference: payment.operations[0]!.reference,
    processorReference: wish.payment_intent,
    currency: undefined,
    amountMinor: wish.amount ?? Math.max(1, payment.counters?.captured ?? 0),
    details: { wire: 'stripe', metadata: wish.metadata, refund: `re_${randomUUID().replaceAll('-', '').slice(0, 24)}` },
  };
  await perform(parts, res, request, STRIPE_VOICE, (performed) => {
    const row = rowOf(performed);
    if (row.state === 'refused') return refuse(row);
    res.json(renderRefund(row));
  });
}

function common(req: Request, res: Response, type: OperationType): Omit<MoneyRequest, 'currency' | 'amountMinor'> {
  return {
    ...accountOf(req),
    type,
    operationId: keyOf(req),
    reference: undefined,
    processorReference: String(req.params.id),
    final: false,
    automatic: false,
    behaviour: {},
    content: [type, req.params.id, body(req)],
    apiKeyHash: res.locals.apiKeyHash as string,
    alwaysTells: true,
  };
}

function rowOf(performed: Performed): OperationRow {
  switch (performed.missing) {
    case undefined:
      return performed;
    case 'idempotency_conflict':
      throw new WireProblem(400, 'idempotency_conflict', messageOf('idempotency_conflict'));
    case 'payment_pending':
      throw new WireProblem(400, 'payment_intent_unexpected_state', messageOf('payment_pending'));
    case 'payment_not_found':
      throw new WireProblem(400, 'payment_intent_unexpected_state', 'This PaymentIntent has no charge.');
  }
}

async function answerIntent(
  parts: SimulatorParts,
  req: Request,
  res: Response,
  performed: Performed,
  expand: string[] | undefined,
): Promise<void> {
  const row = rowOf(performed);
  if (row.state === 'refused') return refuse(row);
  if (row.state === 'declined') return sendError(res, 402, cardError(row.code!));
  res.json(shown(await intentOf(parts, req, row.processor_reference), expand));
}

/** What Stripe calls the refusals of our rules. */
function refuse({ code }: OperationRow): never {
  const named = code === 'amount_exceeds_capturable' ? 'amount_too_large' : 'payment_intent_unexpected_state';
  throw new WireProblem(
    400,
    code === 'amount_exceeds_refundable' ? 'charge_already_refunded' : named,
    messageOf(code!),
  );
}
