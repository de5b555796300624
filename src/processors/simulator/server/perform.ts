import { createHash } from 'node:crypto';
import type { Response } from 'express';
import type { OperationType } from '../wire.ts';
import type { SimulatorParts } from './parts.ts';
import { strikeAfter, strikeBefore, type Voice } from './faults.ts';
import { claimFirstAttempt, runOperation, type RunResult } from './operations.ts';
import { planOperation } from './plan.ts';
import type { TokenBehaviour } from './tokens.ts';

/** One request that moves money, freed of its wire format. */
export interface MoneyRequest {
  processor: string;
  mid: string;
  type: OperationType;
  /** The idempotency key. */
  operationId: string;
  reference: string | undefined;
  /** Of the payment; for an authorization the one that it will have. */
  processorReference: string;
  merchantReference?: string | undefined;
  currency: string | undefined;
  amountMinor: number | undefined;
  final: boolean;
  automatic: boolean;
  behaviour: TokenBehaviour;
  /** What the same key must come with again. */
  content: unknown;
  apiKeyHash: string;
  details?: Record<string, unknown>;
  /** Decided after the answer, whatever the fault. */
  alwaysLater?: boolean;
  /** Announced, whatever the fault. */
  alwaysTells?: boolean;
}

export type Performed = RunResult | { missing: 'idempotency_conflict' };

/**
 * The way of every wire format: fault before, deed, fault after, answer. `answer` is called at most once, and not when a
 * fault has taken the answer away.
 */
export async function perform(
  { pool, controls, clock, announces }: SimulatorParts,
  res: Response,
  request: MoneyRequest,
  voice: Voice,
  answer: (performed: Performed) => void | Promise<void>,
): Promise<void> {
  const { processor, mid, type, operationId, reference, processorReference, behaviour } = request;
  const references = [operationId, reference, processorReference].filter((name) => name !== undefined);
  const scripted = await controls.takeScript(processor, type, references);
  let fault = scripted ?? behaviour.fault;
  if (!scripted && behaviour.firstAttemptOnly && behaviour.fault) {
    const first = await claimFirstAttempt(pool, reference ?? operationId, behaviour.fault);
    if (!first) fault = undefined;
  }
  if (strikeBefore(fault, res, voice)) return;

  const isHeard = announces || controls.endpointOf(processor) !== undefined;
  const plan = planOperation(request.amountMinor ?? null, behaviour, fault, controls.timing, isHeard, request);
  const requestHash = createHash('sha256').update(JSON.stringify(request.content)).digest('hex');
  const result = await runOperation(pool, {
    processor,
    mid,
    operation_id: operationId,
    type,
    request_hash: requestHash,
    reference: reference ?? null,
    processor_reference: processorReference,
    merchant_reference: request.merchantReference ?? null,
    currency: request.currency ?? null,
    requested_minor: request.amountMinor ?? null,
    final: request.final,
    automatic: request.automatic,
    api_key_hash: request.apiKeyHash,
    ...(request.details ? { details: request.details } : {}),
    ...plan,
  });
  if (result.missing !== undefined) return answer(result);
  if (result.request_hash !== requestHash) return answer({ missing: 'idempotency_conflict' });
  if (plan.decide_after_ms !== null) clock.wake(plan.decide_after_ms);
  else if (plan.notify_copies > 0) clock.wake(plan.notify_after_ms);

  // The fault of a token belongs to the deed, so a repetition is answered; a scripted one strikes the requests it counts.
  const strikes = scripted !== undefined || !result.replayed;
  if (strikes && (await strikeAfter(fault, res, controls.timing.slow_ms, voice))) return;
  if (result.replayed) res.set('Idempotent-Replayed', 'true');
  return answer(result);
}

/** Told apart from others, never kept itself. */
export function hashOfKey(apiKey: string): string {
  return createHash('sha256').update(apiKey).digest('hex').slice(0, 16);
}
