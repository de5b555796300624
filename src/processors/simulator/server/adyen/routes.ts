import { randomBytes, randomUUID } from 'node:crypto';
import { json, Router, type ErrorRequestHandler, type Request, type RequestHandler, type Response } from 'express';
import { z } from 'zod';
import { idsOf } from '../../../adyen/wire.ts';
import type { OperationType } from '../../wire.ts';
import type { Voice } from '../faults.ts';
import { messageOf } from '../messages.ts';
import { findPayment, loadOperationRow } from '../operations.ts';
import type { SimulatorParts } from '../parts.ts';
import { hashOfKey, perform, type MoneyRequest, type Performed } from '../perform.ts';
import { outage } from '../processor-routes.ts';
import { behaviourOf } from '../tokens.ts';
import { parse, WireProblem } from '../wire-problem.ts';
import { refusalOf } from './render.ts';

const text = z.string().min(1).max(255);
const amount = z.object({ value: z.int().min(0), currency: z.string().regex(/^[A-Z]{3}$/) });
const reference = z.string().min(1).max(80);

const PaymentBody = z.object({
  merchantAccount: text,
  amount,
  reference,
  paymentMethod: z.object({ type: z.literal('scheme'), storedPaymentMethodId: text }),
  shopperReference: z.string().min(3).max(256),
  shopperInteraction: z.enum(['Ecommerce', 'ContAuth', 'Moto']).optional(),
  recurringProcessingModel: text.optional(),
  returnUrl: text.optional(),
  captureDelayHours: z.int().min(0).optional(),
  additionalData: z
    .object({ manualCapture: z.enum(['true', 'false']), authorisationType: z.enum(['PreAuth', 'FinalAuth']) })
    .partial()
    .default({}),
  metadata: z.record(z.string().max(40), z.string().max(80)).optional(),
});
const ModificationBody = z.object({ merchantAccount: text, amount, reference });
const CancelBody = z.object({ merchantAccount: text, reference });

/** Whoever has this in the name of the merchant account captures several times; elsewhere every capture is the last. */
const MULTIPLE = 'Multi';
/** Whoever has this in it captures more than is held. */
const BEYOND = 'Over';

/** Checkout API v71: payments at once, modifications `received` and decided later, all of it told by webhook. */
export function adyenRoutes(parts: SimulatorParts): Router {
  const router = Router({ mergeParams: true });
  router.use(outage(parts.controls, VOICE), requireKey, json({ limit: '64kb' }));
  router.post('/payments', (req, res) => pay(parts, req, res));
  router.post('/payments/:psp/amountUpdates', (req, res) => update(parts, req, res));
  router.post('/payments/:psp/captures', (req, res) => modify(parts, req, res, 'capture'));
  router.post('/payments/:psp/refunds', (req, res) => modify(parts, req, res, 'refund'));
  router.post('/payments/:psp/cancels', (req, res) => modify(parts, req, res, 'void'));
  router.use(asAdyenError);
  return router;
}

const VOICE: Voice = {
  noOp: (res, fault) =>
    fault === 'rate_limited'
      ? sendError(res, 429, '29_000', 'Too many requests')
      : sendError(res, 503, '000', 'Temporarily unavailable'),
  broken: (res) => sendError(res, 500, '903', 'Internal error'),
  garbled: '{"pspReference": "8',
};

function sendError(res: Response, status: number, errorCode: string, message: string): void {
  const errorType = status === 401 || status === 403 ? 'security' : status < 500 ? 'validation' : 'internal';
  res.status(status).json({ status, errorCode, message, errorType });
}

const CODES: Readonly<Record<string, string>> = {
  idempotency_conflict: '704',
  invalid_token: '800',
  payment_not_found: '167',
  payment_pending: '167',
  invalid_request: '702',
};

const asAdyenError: ErrorRequestHandler = (error: unknown, _req, res, next) => {
  if (!(error instanceof WireProblem) || res.headersSent) return next(error);
  sendError(res, 422, CODES[error.body.code] ?? '702', error.body.message);
};

const requireKey: RequestHandler = (req, res, next) => {
  const key = req.headers['x-api-key'];
  if (typeof key !== 'string' || key === '') return sendError(res, 401, '000', 'HTTP Status Response - Unauthorized');
  res.locals.apiKeyHash = hashOfKey(key);
  next();
};

/** Sixteen characters, as Adyen's references have. */
const newPspReference = () => Array.from(randomBytes(16), (byte) => 'BCDFGHJKLMNPQRSTVWXZ23456789'[byte % 28]).join('');

async function pay(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const processor = req.params.processor as string;
  const wish = parse(PaymentBody, req.body ?? {});
  const behaviour = behaviourOf(wish.paymentMethod.storedPaymentMethodId, processor);
  if (!behaviour) throw new WireProblem(422, 'invalid_token', 'Contract not found');
  const request: MoneyRequest = {
    ...common(req, res, 'authorize', wish),
    processorReference: newPspReference(),
    automatic: wish.additionalData.manualCapture !== 'true',
    behaviour,
  };
  request.details = { ...request.details, adjustable: wish.additionalData.authorisationType === 'PreAuth' };
  await perform(parts, res, request, VOICE, (performed) => {
    const row = rowOf(performed);
    const refusal = row.code ? refusalOf(row.code) : undefined;
    const isPartial = row.state === 'succeeded' && row.amount_minor !== row.requested_minor;
    const approved = isPartial ? 'PartiallyAuthorised' : 'Authorised';
    res.json({
      pspReference: row.processor_reference,
      merchantReference: row.details?.['reference'],
      resultCode: row.state === 'succeeded' ? approved : row.state === 'pending' ? 'Received' : 'Refused',
      amount: { value: row.state === 'succeeded' ? row.amount_minor : row.requested_minor, currency: row.currency },
      ...(refusal ? { refusalReasonCode: refusal[0], refusalReason: refusal[1] } : {}),
    });
  });
}

async function modify(
  parts: SimulatorParts,
  req: Request,
  res: Response,
  type: 'capture' | 'void' | 'refund',
): Promise<void> {
  const wish = type === 'void' ? parse(CancelBody, req.body ?? {}) : parse(ModificationBody, req.body ?? {});
  const plain = common(req, res, type, wish);
  const beyond = type === 'capture' && wish.merchantAccount.includes(BEYOND) ? await beyondHold(parts, plain, req) : 0;
  const request: MoneyRequest = {
    ...plain,
    processorReference: String(req.params.psp),
    final: !wish.merchantAccount.includes(MULTIPLE),
    ...(beyond > 0 ? { details: { ...plain.details, beyond } } : {}),
    alwaysLater: true,
  };
  await perform(parts, res, request, VOICE, (performed) => {
    const row = rowOf(performed);
    res.status(201).json({
      merchantAccount: row.mid,
      paymentPspReference: row.processor_reference,
      reference: row.details?.['reference'],
      pspReference: row.details?.['psp_reference'],
      status: 'received',
      ...('amount' in wish ? { amount: wish.amount } : {}),
    });
  });
}

/** Of a capture, what is not held. */
async function beyondHold({ pool }: SimulatorParts, { processor, mid, amountMinor }: MoneyRequest, req: Request) {
  const payment = await findPayment(pool, { processor, mid, processorReference: String(req.params.psp) });
  const { authorized = 0, captured = 0, released = 0 } = payment?.counters ?? {};
  return (amountMinor ?? 0) - (authorized - captured - released);
}

/** The new sum of a hold; `received` as all modifications, and decided later. */
async function update(parts: SimulatorParts, req: Request, res: Response): Promise<void> {
  const wish = parse(ModificationBody, req.body ?? {});
  const { processor, psp } = req.params as { processor: string; psp: string };
  const key = { processor, mid: wish.merchantAccount, processorReference: psp };
  const plain = common(req, res, 'increment', wish);
  const before = await loadOperationRow(parts.pool, { ...key, operationId: plain.operationId });
  const payment = await findPayment(parts.pool, key);
  const held = payment?.counters?.authorized ?? 0;
  const isAdjustable = payment?.operations.some(({ details }) => details?.['adjustable'] === true);
  const added = before?.requested_minor ?? wish.amount.value - held;
  if (added <= 0) throw new WireProblem(422, 'invalid_request', 'The amount must be above what is authorised.');
  const request: MoneyRequest = {
    ...plain,
    processorReference: psp,
    amountMinor: added,
    details: { ...plain.details, amount: wish.amount.value },
    behaviour: isAdjustable ? {} : { declineCode: 'not_adjustable' },
    alwaysLater: true,
  };
  await perform(parts, res, request, VOICE, (performed) => {
    const row = rowOf(performed);
    res.status(201).json({
      merchantAccount: row.mid,
      paymentPspReference: row.processor_reference,
      reference: row.details?.['reference'],
      pspReference: row.details?.['psp_reference'],
      status: 'received',
      amount: wish.amount,
    });
  });
}

type Wish = { merchantAccount: string; reference: string; amount?: z.infer<typeof amount> };

function common(req: Request, res: Response, type: OperationType, wish: Wish): MoneyRequest {
  const key = req.headers['idempotency-key'];
  return {
    processor: req.params.processor as string,
    mid: wish.merchantAccount,
    type,
    operationId: typeof key === 'string' && key.length <= 64 ? key : randomUUID(),
    reference: idsOf(wish.reference)?.reference ?? wish.reference,
    processorReference: '',
    merchantReference: wish.reference,
    currency: wish.amount?.currency,
    amountMinor: wish.amount?.value,
    final: false,
    automatic: false,
    behaviour: {},
    content: [type, req.params.psp, req.body],
    apiKeyHash: res.locals.apiKeyHash as string,
    details: { wire: 'adyen', reference: wish.reference, psp_reference: newPspReference() },
    alwaysTells: true,
  };
}

function rowOf(performed: Performed) {
  if (performed.missing === undefined) return performed;
  const message = performed.missing === 'payment_not_found' ? 'Original pspReference required for this operation' : '';
  throw new WireProblem(422, performed.missing, message || messageOf(performed.missing));
}
