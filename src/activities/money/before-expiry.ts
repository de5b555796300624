import { toTypeId } from '../../domain/ids.ts';
import type { OperationStep } from '../../domain/messages.ts';
import { capturable } from '../../domain/payment.ts';
import { recordFact } from '../../store/facts.ts';
import { paymentEvent } from '../../store/payments/event.ts';
import { holdPayment, noteWarning } from '../../store/payments/hold.ts';
import { inTransaction } from '../../store/pool.ts';
import type { ActivityDeps } from '../deps.ts';
import type { ExecutionRef } from '../types.ts';
import { followUp } from './follow-up.ts';
import { renewalsLeft } from './reauthorize.ts';

const ACTOR = 'system:timer';

/**
 * The hold ends soon, and something of it is not captured: an event tells it, once, and where it will be let go the
 * payment needs attention. Answers whether what is left is to be captured, or authorized anew, by itself.
 */
export async function warnOfExpiry(
  deps: ActivityDeps,
  ref: ExecutionRef,
): Promise<{ capture: boolean; reauthorize?: true }> {
  return inTransaction(deps.pool, async (db) => {
    const payment = await holdPayment(db, ref.tenant, ref.executionId);
    if (!payment) throw new Error(`payment ${ref.executionId} is missing`);
    const amountMinor = capturable(payment);
    if (payment.phase !== 'open' || payment.decline || amountMinor === 0) return { capture: false };
    const capture = payment.on_expiry === 'capture';
    const renew = payment.on_expiry === 'reauthorize' && renewalsLeft(deps, payment) > 0;
    const due = { capture, ...(renew ? { reauthorize: true as const } : {}) };
    if (payment.expiry_warned_at !== null) return due;
    const at = deps.now();
    const ends = payment.authorization_expires_at;
    await noteWarning(db, payment.id, !capture && !renew, at);
    const told = {
      amount_minor: amountMinor,
      currency: payment.currency,
      on_expiry: payment.on_expiry === 'reauthorize' && !renew ? 'release' : payment.on_expiry,
      ...(ends && { expires_at: new Date(ends).toISOString() }),
    };
    await recordFact(db, {
      tenant: ref.tenant,
      at,
      type: 'payment.expiring',
      actor: ACTOR,
      subject: toTypeId('pay', payment.id),
      body: told,
      events: [paymentEvent(payment, 'payment.expiring', at, told)],
    });
    return due;
  });
}

/** Captures what is left of a hold that is about to end. Nobody waits for the answer; the operation is its own key. */
export async function captureAtExpiry(
  deps: ActivityDeps,
  { tenant, executionId }: ExecutionRef,
  operationId: string,
): Promise<OperationStep> {
  const request = { key: operationId, fingerprint: 'capture before the hold ends', actor: ACTOR, replyTo: '' };
  return followUp(deps, 'capture', { tenant, paymentId: executionId, operationId, final: true, request });
}
