import { randomUUID } from 'node:crypto';
import { Router, type Request, type RequestHandler, type Response, json } from 'express';
import type { z } from 'zod';
import { MID_HEADER, type OperationType } from '../wire.ts';
import type { Controls } from './controls.ts';
import { actOnDispute } from './disputes.ts';
import { listOfAccount } from './effects.ts';
import { PLAIN, strikeAfter, strikeBefore, type Voice } from './faults.ts';
import { messageOf } from './messages.ts';
import { queryPayment, viewOf } from './operations.ts';
import type { SimulatorParts } from './parts.ts';
import { hashOfKey, perform, type MoneyRequest } from './perform.ts';
import {
  AccountEffectsQuery,
  AuthorizationBody,
  CaptureBody,
  DisputeEvidenceBody,
  IncrementBody,
  PaymentQuery,
  processorName,
  RefundBody,
  VoidBody,
} from './schemas.ts';
import { behaviourOf } from './tokens.ts';
import { parse, WireProblem } from './wire-problem.ts';

/** The account of a request that says none. */
const DEFAULT_MID = 'default';
const MAX_KEY_LENGTH = 255;
const STATUS = { succeeded: 200, pending: 202, declined: 402, returned: 402, refused: 409 } as const;

interface MoneyBody {
  reference?: string | undefined;
  amount_minor?: number;
  currency?: string | undefined;
  token?: string;
  capture?: 'manual' | 'automatic';
  final?: boolean;
  beyond_minor?: number | undefined;
  merchant_reference?: string | undefined;
  mid?: string | undefined;
}

/** `/{processor}/v1/…`: every name that is well formed is a processor. */
export function processorRoutes(parts: SimulatorParts): Router {
  const router = Router({ mergeParams: true });
  const body = json({ limit: '64kb' });
  const money = (type: OperationType, schema: z.ZodType<MoneyBody>): RequestHandler[] => [
    body,
    (req, res) => moveMoney(parts, req, res, type, parse(schema, req.body ?? {})),
  ];
  router.use(outage(parts.controls, PLAIN), requireKey);
  router.post('/authorizations', ...money('authorize', AuthorizationBody));
  router.post('/authorizations/:ref/increments', ...money('increment', IncrementBody));
  router.post('/authorizations/:ref/captures', ...money('capture', CaptureBody));
  router.post('/authorizations/:ref/voids', ...money('void', VoidBody));
  router.post('/authorizations/:ref/refunds', ...money('refund', RefundBody));
  router.get('/payments', (req, res) => query(parts, req, res));
  router.get('/effects', (req, res) => listing(parts, req, res));
  router.post('/disputes/:id/evidence', body, (req, res) =>
    answerDispute(parts, req, res, 'evidence', parse(DisputeEvidenceBody, req.body ?? {})),
  );
  router.post('/disputes/:id/accept', body, (req, res) => answerDispute(parts, req, res, 'accept', {}));
  return router;
}

/**
 * `refuse` cuts every connection before anything is read: to a client a reset, since all processors share one port (for
 * a refused connect, point the account at a closed port). `hang` never answers. Nothing is done in any of the modes.
 */
export function outage(
  controls: Controls,
  voice: Voice,
  processorOf: (req: Request) => string = (req) => req.params.processor as string,
): RequestHandler {
  return (req, res, next) => {
    const processor = processorOf(req);
    if (!processorName.safeParse(processor).success) throw new WireProblem(404, 'not_found', 'No such processor.');
    switch (controls.outageOf(processor)) {
      case undefined:
        return next();
      case 'refuse':
        return void req.socket.destroy();
      case '503':
        return voice.noOp(res, 'unavailable');
      case 'hang':
    }
  };
}

/** Any key opens any account; its hash is kept with the effect, never the key. */
const requireKey: RequestHandler = (req, res, next) => {
  const match = /^Bearer (\S+)$/.exec(req.headers.authorization ?? '');
  if (!match) throw new WireProblem(401, 'unauthorized', 'Authorization: Bearer <api key> is required.');
  res.locals.apiKeyHash = hashOfKey(match[1]!);
  next();
};

async function moveMoney(
  parts: SimulatorParts,
  req: Request,
  res: Response,
  type: OperationType,
  body: MoneyBody,
): Promise<void> {
  const processor = req.params.processor as string;
  const pathReference = req.params.ref as string | undefined;
  const behaviour = body.token === undefined ? {} : behaviourOf(body.token, processor);
  const operationId = requireIdempotencyKey(req);
  if (!behaviour) throw new WireProblem(422, 'invalid_token', messageOf('invalid_token'));
  const { mid = midOf(req), ...content } = body;
  const request: MoneyRequest = {
    processor,
    mid,
    type,
    operationId,
    reference: body.reference,
    processorReference: pathReference ?? `${processor}_${randomUUID()}`,
    merchantReference: body.merchant_reference,
    currency: body.currency,
    amountMinor: body.amount_minor,
    final: body.final ?? false,
    ...(body.beyond_minor === undefined ? {} : { details: { beyond: body.beyond_minor } }),
    automatic: body.capture === 'automatic',
    behaviour,
    content: [type, pathReference, content],
    apiKeyHash: res.locals.apiKeyHash as string,
  };
  await perform(parts, res, request, PLAIN, (performed) => {
    if (performed.missing === undefined) {
      res.status(STATUS[performed.state]).json(viewOf(performed));
      return;
    }
    const status = performed.missing === 'payment_not_found' ? 404 : 409;
    throw new WireProblem(status, performed.missing, messageOf(performed.missing));
  });
}

async function query({ pool, controls }: SimulatorParts, req: Request, res: Response): Promise<void> {
  const processor = req.params.processor as string;
  const { reference } = parse(PaymentQuery, req.query);
  const fault = await controls.takeScript(processor, 'query', [reference]);
  if (strikeBefore(fault, res)) return;
  const lagMs = controls.timing.visibility_lag_ms;
  const view = await queryPayment(pool, { processor, mid: midOf(req), reference, lagMs });
  if (await strikeAfter(fault, res, controls.timing.slow_ms)) return;
  res.json(view);
}

async function listing({ pool, controls }: SimulatorParts, req: Request, res: Response): Promise<void> {
  const processor = req.params.processor as string;
  const page = parse(AccountEffectsQuery, req.query);
  const lagMs = controls.timing.visibility_lag_ms;
  res.json(await listOfAccount(pool, { processor, mid: midOf(req), ...page, lagMs }));
}

/** A repetition finds the dispute as the first request left it, and is answered the same. */
async function answerDispute(
  { pool }: SimulatorParts,
  req: Request,
  res: Response,
  kind: 'evidence' | 'accept',
  evidence: object,
): Promise<void> {
  const key = requireIdempotencyKey(req);
  const where = { processor: req.params.processor as string, mid: midOf(req), disputeId: req.params.id as string };
  const answer = await actOnDispute(pool, where, { kind, key, evidence });
  if (answer === 'dispute_not_found') throw new WireProblem(404, answer, messageOf(answer));
  if (typeof answer === 'string') throw new WireProblem(409, answer, messageOf(answer));
  res.json(answer);
}

function requireIdempotencyKey(req: Request): string {
  const key = req.headers['idempotency-key'];
  if (typeof key === 'string' && key.length > 0 && key.length <= MAX_KEY_LENGTH) return key;
  throw new WireProblem(400, 'idempotency_key_required', 'Idempotency-Key is required, 255 characters at most.');
}

function midOf(req: Request): string {
  const header = req.headers[MID_HEADER];
  return typeof header === 'string' && header.length > 0 ? header : DEFAULT_MID;
}
