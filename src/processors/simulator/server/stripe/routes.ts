import { randomUUID } from 'node:crypto';
import { Router, type Request, type RequestHandler, type Response, urlencoded } from 'express';
import { z } from 'zod';
import type { OperationType } from '../../wire.ts';
import { strikeAfter, strikeBefore } from '../faults.ts';
import { messageOf } from '../messages.ts';
import { findPayment, type OperationRow, searchPayments } from '../operations.ts';
import type { SimulatorParts } from '../parts.ts';
import { hashOfKey, perform, type MoneyRequest, type Performed } from '../perform.ts';
import { outage } from '../processor-routes.ts';
import { parse, WireProblem } from '../wire-problem.ts';
import { cardError, renderIntent, renderRefund } from './render.ts';
import { stripeBehaviour } from './tokens.ts';
import { asStripeError, sendError, STRIPE_VOICE } from './voice.ts';

/** The member of metadata that the effects are found by; without it the PaymentIntent's id. */
const REFERENCE = 'prokura_payment';

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
  router.use(
    ['/payment_intents', '/refunds'],
    knowAccount,
    outage(parts.controls, STRIPE_VOICE, (req) => accountOf(req).processor),
    form,
  );
  router.post('/payment_intents', (req, res) => create(parts, req, res));
  router.get('/payment_intents/search', (req, res) => search(parts, req, res));
  router.get('/payment_intents/:id', (req, res) => retrieve(parts, req, res));
  router.post('/payment_intents/:id/increment_authorization', (req, res) => increment(parts, req, res));
  router.post('/payment_intents/:id/capture', (req, res) => capture(parts, req, res));
  router.post('/payment_intents/:id/cancel', (req, res) => cancel(parts, req, res));
  router.post('/refunds', (req, res) => refund(parts, req, res));
  router.get('/refunds', (req, res) => listRefunds(parts, req, res));
  router.use(asStripeError);
  return router;
}

/** The key names the account, as at Stripe: `sk_test_alpha` is of `alpha`, wherever the path does not say. */
const knowAccount: RequestHandler = (req, res, next) => {
  const match = /^Bearer ((?:sk|rk)_(?:test|live)_[a-z0-9]+\w*)$/.exec(req.headers.authorization ?? '');
  if (!match) return sendError(res, 401, { type: 'invalid_request_error', message: 'Invalid API Key provided.' });
  res.locals.apiKeyHash = hashOfKey(match[1]!);
  res.set('Request-Id', `req_${randomUUID().replaceAll('-', '').slice(0, 14)}`);
  next();
};

function accountOf(req: Request): { processor: string; mid: string } {
  const named = /^Bearer (?:sk|rk)_(?:test|live)_([a-z0-9]+)/.exec(req.headers.authorization!)![1]!;
  const mid = req.headers['stripe-account'];
  const processor = (req.params.processor as string | undefined) ?? named;
  return { processor, mid: typeof mid === 'string' ? mid : 'default' };
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

async function retrieve(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const id = req.params.id as string;
  await ask(parts, req, res, [id], async () => shown(await intentOf(parts, req, id), expandOf(req)));
}

/** The one form of search that there is here: `metadata['prokura_payment']:'…'`, and whatever is ANDed to it. */
async function search(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const clauses = textIn(req, 'query').split(' AND ');
  const wanted = clauses.map((clause) => /^metadata\['([^']+)'\]:'([^']*)'$/.exec(clause));
  const reference = wanted.find((clause) => clause?.[1] === REFERENCE)?.[2];
  if (reference === undefined || wanted.includes(null)) {
    throw new WireProblem(400, 'parameter_invalid', `This search is not known here.`);
  }
  await ask(parts, req, res, [reference], async () => {
    const lagMs = parts.controls.timing.visibility_lag_ms;
    const ids = await searchPayments(parts.pool, { ...accountOf(req), reference, lagMs });
    const intents = await Promise.all(ids.map((id) => intentOf(parts, req, id)));
    const data = intents.filter((intent) =>
      wanted.every((clause) => (intent['metadata'] as Record<string, string>)[clause![1]!] === clause![2]),
    );
    return { object: 'search_result', url: '/v1/payment_intents/search', has_more: false, data };
  });
}

async function listRefunds(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const id = textIn(req, 'payment_intent');
  await ask(parts, req, res, [id], async () => {
    const { operations } = await paymentOf(parts, req, id);
    const data = operations.filter(({ type, state }) => type === 'refund' && state !== 'refused').map(renderRefund);
    return { object: 'list', url: '/v1/refunds', has_more: false, data: data.toReversed() };
  });
}

/** A question, with the faults of questions. A script may name the payment by either reference. */
async function ask(
  parts: SimulatorParts,
  req: Request,
  res: Response,
  names: string[],
  answer: () => Promise<object>,
): Promise<void> {
  const { processor } = accountOf(req);
  const known = await findPayment(parts.pool, { ...accountOf(req), processorReference: names[0]! });
  const references = [...names, ...(known?.operations.map(({ reference }) => reference) ?? [])];
  const fault = await parts.controls.takeScript(processor, 'query', references);
  if (strikeBefore(fault, res, STRIPE_VOICE)) return;
  const body = await answer();
  if (await strikeAfter(fault, res, parts.controls.timing.slow_ms, STRIPE_VOICE)) return;
  res.json(body);
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

async function paymentOf(parts: SimulatorParts, req: Request, id = String(req.params.id)) {
  const payment = await findPayment(parts.pool, { ...accountOf(req), processorReference: id });
  if (!payment) throw new WireProblem(404, 'resource_missing', `No such payment_intent: '${id}'`);
  return payment;
}

const intentOf = async (parts: SimulatorParts, req: Request, id: string) =>
  renderIntent(id, await paymentOf(parts, req, id));

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

const textOf = (value: unknown) => (typeof value === 'string' ? value : '');
const textIn = (req: Request, name: string) => textOf(req.query[name]);

const expandOf = (req: Request) =>
  Object.entries(req.query).flatMap(([name, value]) =>
    name.startsWith('expand') ? [value].flat().map((one) => textOf(one)) : [],
  );

/** `latest_charge` is an id unless it was asked for. */
function shown(intent: Record<string, unknown>, expand: string[] | undefined): Record<string, unknown> {
  const charge = intent['latest_charge'] as { id: string } | null;
  return expand?.includes('latest_charge') ? intent : { ...intent, latest_charge: charge?.id ?? null };
}
