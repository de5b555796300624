import { toTypeId } from '../../domain/ids.ts';
import { postings } from '../../domain/ledger.ts';
import type { PaymentStage } from '../../domain/messages.ts';
import { capturable } from '../../domain/payment.ts';
import { returnBudget } from '../../store/budget-return.ts';
import { recordFact } from '../../store/facts.ts';
import { closeHold, holdPayment, noteAttention, postEntry } from '../../store/payments/hold.ts';
import { paymentEvent } from '../../store/payments/event.ts';
import { inTransaction } from '../../store/pool.ts';
import { openMissing } from '../../store/settlement/exceptions.ts';
import { newId } from '../../trust/new-id.ts';
import type { ActivityDeps } from '../deps.ts';
import type { ExecutionRef } from '../types.ts';
import { stageOfPayment } from './step-of.ts';

const ACTOR = 'system:timer';

/**
 * The hold's date has passed: what was not captured is released. Nothing is sent: the processor has let go by itself.
 * A capture, void, increment or renewal that is still under way keeps the hold open; the caller tries again.
 * @param until when the caller takes the hold to end, RFC 3339: one that was renewed since is told with its own end
 */
export async function expireHold(
  deps: ActivityDeps,
  ref: ExecutionRef,
  until?: string,
): Promise<{ stage: PaymentStage; authorizationExpiresAt?: string }> {
  return inTransaction(deps.pool, async (db) => {
    const payment = await holdPayment(db, ref.tenant, ref.executionId);
    if (!payment) throw new Error(`payment ${ref.executionId} is missing`);
    const amountMinor = capturable(payment);
    const ends = payment.authorization_expires_at;
    if (until !== undefined && ends !== null && Date.parse(ends) > Date.parse(until))
      return { stage: stageOfPayment(payment), authorizationExpiresAt: ends };
    // Closed before, by this step or otherwise; or something is still under way.
    if (amountMinor === 0 || payment.capture_pending > 0 || payment.void_pending || payment.increment_pending > 0)
      return { stage: stageOfPayment(payment) };
    const at = deps.now();
    const closed = await closeHold(db, payment.id, at);
    await returnBudget(db, ref.tenant, [payment.execution_id], closed.authorized - closed.released);
    const subject = toTypeId('pay', payment.id);
    await postEntry(db, ref.tenant, {
      kind: 'released',
      paymentId: payment.id,
      at,
      lines: postings({ type: 'released', mid: payment.mid_id!, amountMinor, currency: payment.currency }),
    });
    await recordFact(db, {
      tenant: ref.tenant,
      at,
      type: 'payment.hold_expired',
      actor: ACTOR,
      subject,
      body: { released_minor: amountMinor, currency: payment.currency },
      events: [
        paymentEvent(
          payment,
          'execution.expired',
          at,
          { released_minor: amountMinor, currency: payment.currency },
          toTypeId('exec', payment.execution_id),
        ),
      ],
    });
    return { stage: stageOfPayment(closed) };
  });
}

/** Settlement is overdue: the payment is marked missing, once, for an operator to find; lines that come later still count. */
export async function flagOverdueSettlement(deps: ActivityDeps, ref: ExecutionRef): Promise<void> {
  await inTransaction(deps.pool, async (db) => {
    // Held: a line that is being applied is counted first, and what it settles is not missing.
    const payment = await holdPayment(db, ref.tenant, ref.executionId);
    if (!payment || payment.settled >= payment.captured) return;
    const at = deps.now();
    const opened = await openMissing(db, ref.tenant, {
      id: newId(),
      paymentId: payment.id,
      capturedMinor: payment.captured,
      settledMinor: payment.settled,
      currency: payment.currency,
      at,
    });
    if (!opened) return;
    await noteAttention(db, payment.id, 'Settlement is overdue', 'missing', at);
    await recordFact(db, {
      tenant: ref.tenant,
      at,
      type: 'payment.settlement_overdue',
      actor: ACTOR,
      subject: toTypeId('pay', payment.id),
      body: { captured: payment.captured, settled: payment.settled, currency: payment.currency },
      events: [],
    });
  });
}
