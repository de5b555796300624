import { createHash, randomUUID } from 'node:crypto';
import { Router, type Request, type RequestHandler, type Response, json } from 'express';
import type { Pool } from 'pg';
import type { z } from 'zod';
import { MID_HEADER, type OperationType } from '../wire.ts';
import type { Clock } from './clock.ts';
import type { Controls } from './controls.ts';
import { answerNoOp, strikeAfter, strikeBefore } from './faults.ts';
import { messageOf } from './messages.ts';
import { claimFirstAttempt, queryPayment, runOperation, viewOf } from './operations.ts';
import { planOperation } from './plan.ts';
import { AuthorizationBody, CaptureBody, PaymentQuery, processorName, RefundBody, VoidBody } from './schemas.ts';
import { behaviourOf } from './tokens.ts';
import { parse, WireProblem } from './wire-problem.ts';

export interface SimulatorParts {
  pool: Pool;
  controls: Controls;
  clock: Clock;
  /** Whether anyone listens to notifications. */
  announces: boolean;
}

/** The account of a request that says none. */
const DEFAULT_MID = 'default';
const MAX_KEY_LENGTH = 255;
const STATUS = { succeeded: 200, pending: 202, declined: 402, refused: 409 } as const;

interface MoneyBody {
  reference?: string | undefined;
  amount_minor?: number;
  currency?: string | undefined;
  token?: string;
  capture?: 'manual' | 'automatic';
  final?: boolean;
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
  router.use(outage(parts.controls), requireKey);
  router.post('/authorizations', ...money('authorize', AuthorizationBody));
  router.post('/authorizations/:ref/captures', ...money('capture', CaptureBody));
  router.post('/authorizations/:ref/voids', ...money('void', VoidBody));
  router.post('/authorizations/:ref/refunds', ...money('refund', RefundBody));
  router.get('/payments', (req, res) => query(parts, req, res));
  return router;
}

/**
 * `refuse` cuts every connection before anything is read: to a client a reset, since all processors share one port (for
 * a refused connect, point the account at a closed port). `hang` never answers. Nothing is done in any of the modes.
 */
function outage(controls: Controls): RequestHandler {
  return (req, res, next) => {
    const processor = req.params.processor as string;
    if (!processorName.safeParse(processor).success) throw new WireProblem(404, 'not_found', 'No such processor.');
    switch (controls.outageOf(processor)) {
      case undefined:
        return next();
      case 'refuse':
        return void req.socket.destroy();
      case '503':
        return answerNoOp(res, 'unavailable');
      case 'hang':
    }
  };
}

/** Any key opens any account; its hash is kept with the effect, never the key. */
const requireKey: RequestHandler = (req, res, next) => {
  const match = /^Bearer (\S+)$/.exec(req.headers.authorization ?? '');
  if (!match) throw new WireProblem(401, 'unauthorized', 'Authorization: Bearer <api key> is required.');
  res.locals.apiKeyHash = createHash('sha256').update(match[1]!).digest('hex').slice(0, 16);
  next();
};

async function moveMoney(
  { pool, controls, clock, announces }: SimulatorParts,
  req: Request,
  res: Response,
  type: OperationType,
  body: MoneyBody,
): Promise<void> {
  const processor = req.params.processor as string;
  const pathReference = req.params.ref as string | undefined;
  const operationId = requireIdempotencyKey(req);
  const behaviour = body.token === undefined ? {} : behaviourOf(body.token, processor);
  if (!behaviour) throw new WireProblem(422, 'invalid_token', messageOf('invalid_token'));

  const references = [operationId, body.reference, pathReference].filter((reference) => reference !== undefined);
  const scripted = await controls.takeScript(processor, type, references);
  let fault = scripted ?? behaviour.fault;
  if (!scripted && behaviour.firstAttemptOnly && behaviour.fault) {
    const first = await claimFirstAttempt(pool, body.reference ?? operationId, behaviour.fault);
    if (!first) fault = undefined;
  }
  if (strikeBefore(fault, res)) return;

  const { mid = midOf(req), ...content } = body;
  const plan = planOperation(body.amount_minor ?? null, behaviour, fault, controls.timing, announces);
  const requestHash = createHash('sha256')
    .update(`${type} ${pathReference} ${JSON.stringify(content)}`)
    .digest('hex');
  const result = await runOperation(pool, {
    processor,
    mid,
    operation_id: operationId,
    type,
    request_hash: requestHash,
    reference: body.reference ?? null,
    processor_reference: pathReference ?? `${processor}_${randomUUID()}`,
    merchant_reference: body.merchant_reference ?? null,
    currency: body.currency ?? null,
    requested_minor: body.amount_minor ?? null,
    final: body.final ?? false,
    automatic: body.capture === 'automatic',
    api_key_hash: res.locals.apiKeyHash as string,
    ...plan,
  });
  if (result.missing !== undefined) {
    const status = result.missing === 'payment_pending' ? 409 : 404;
    throw new WireProblem(status, result.missing, messageOf(result.missing));
  }
  if (result.request_hash !== requestHash) {
    throw new WireProblem(409, 'idempotency_conflict', messageOf('idempotency_conflict'));
  }
  if (plan.decide_after_ms !== null) clock.wake(plan.decide_after_ms);
  else if (plan.notify_copies > 0) clock.wake(plan.notify_after_ms);

  // The fault of a token belongs to the deed, so a repetition is answered; a scripted one strikes the requests it counts.
  const strikes = scripted !== undefined || !result.replayed;
  if (strikes && (await strikeAfter(fault, res, controls.timing.slow_ms))) return;
  if (result.replayed) res.set('Idempotent-Replayed', 'true');
  res.status(STATUS[result.state]).json(viewOf(result));
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

function requireIdempotencyKey(req: Request): string {
  const key = req.headers['idempotency-key'];
  if (typeof key === 'string' && key.length > 0 && key.length <= MAX_KEY_LENGTH) return key;
  throw new WireProblem(400, 'idempotency_key_required', 'Idempotency-Key is required, 255 characters at most.');
}

function midOf(req: Request): string {
  const header = req.headers[MID_HEADER];
  return typeof header === 'string' && header.length > 0 ? header : DEFAULT_MID;
}
