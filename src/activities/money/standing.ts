import { paymentEvent } from '../../store/payments/event.ts';
import { findPayment } from '../../store/payments/read.ts';
import { abandonAuthorization, openOperations } from '../../store/payments/standing.ts';
import { inTransaction } from '../../store/pool.ts';
import { toTypeId } from '../../domain/ids.ts';
import { returnBudget } from '../../store/budget-return.ts';
import { recordFact } from '../../store/facts.ts';
import { keepAnswer } from '../../store/idempotency.ts';
import type { PaymentRow } from '../../store/payments/row.ts';
import type { ActivityDeps } from '../deps.ts';
import type { ExecutionRef, PaymentStanding } from '../types.ts';
import { stageOfPayment } from './step-of.ts';

/**
 * How a payment stands. One that was left between two attempts (the first failed for certain, the next was never
 * begun) has failed: nothing is under way, and the client that would wait for another attempt is gone.
 */
export async function standingOfPayment(deps: ActivityDeps, ref: ExecutionRef): Promise<PaymentStanding> {
  const open = await openOperations(deps.pool, ref.tenant, ref.executionId);
  if (open.length === 0) await abandon(deps, ref, { reason: 'left between two attempts' });
  const payment = await findPayment(deps.pool, ref.tenant, ref.executionId);
  if (!payment) throw new Error(`payment ${ref.executionId} is missing`);
  const stage = stageOfPayment(payment);
  return {
    stage: stage === 'authorizing' ? 'auth_unknown' : stage,
    authorizationExpiresAt: payment.authorization_expires_at ?? undefined,
    open,
    settled: payment.captured > 0 && payment.settled >= payment.captured,
  };
}

export interface Abandonment {
  reason: string;
  decline?: PaymentRow['decline'];
  /** The request whose answer this becomes: a declined payment. */
  key?: string;
  /** The attempt that was not made. */
  operationId?: string;
}

/** Ends a payment between two attempts. Undefined when it is not there, or not any more. */
export async function abandon(
  deps: ActivityDeps,
  { tenant, executionId }: Pick<ExecutionRef, 'tenant' | 'executionId'>,
  { reason, decline, key, operationId }: Abandonment,
): Promise<PaymentRow | undefined> {
  return inTransaction(deps.pool, async (db) => {
    const at = deps.now();
    const payment = await abandonAuthorization(db, tenant, executionId, at, decline);
    if (!payment) return undefined;
    await returnBudget(db, tenant, [executionId], 0);
    if (key !== undefined) await keepAnswer(db, tenant, key, 402, { payment, operation_id: operationId });
    const subject = toTypeId('pay', executionId);
    await recordFact(db, {
      tenant,
      at,
      type: 'payment.failed',
      actor: 'system:resolution',
      subject,
      body: { reason },
      events: [paymentEvent(payment, 'payment.failed', at, {})],
    });
    return payment;
  });
}
