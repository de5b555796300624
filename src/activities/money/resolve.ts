import type { OperationStep } from '../../domain/messages.ts';
import { isOutcomeKnown } from '../../domain/payment/resolution.ts';
import { completeOperation } from '../../store/payments/complete.ts';
import { openConflict } from '../../store/payments/conflicts.ts';
import { paymentEvent } from '../../store/payments/event.ts';
import { definiteEvidence } from '../../store/payments/evidence.ts';
import { findOperation, type OperationView } from '../../store/payments/read.ts';
import { closeResolution, findResolution } from '../../store/payments/resolutions.ts';
import { inTransaction } from '../../store/pool.ts';
import type { ProcessorOutcome } from '../../processors/port.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { ActivityDeps } from '../deps.ts';
import type { OperationRef } from '../types.ts';
import { evidenceOf, note, operationOf, perform, record, sendingOf, type Operation } from './perform.ts';
import { mayLeave, mayRepeat, takeUp } from './take-up.ts';
import { ask } from './send.ts';

const ACTOR = 'system:resolution';

/**
 * Asks the processor once what became of an operation. Found: recorded. Not found: believed when it was not found
 * before, at least the visibility lag ago; then the same operation goes out again, to the same MID and under the same
 * key, so that a late first request and the second are one; or, when nothing may leave under its authority any more, it
 * has failed. No answer: a settlement line or a person's word decides, else it stays unknown.
 */
export async function resolveOperation(deps: ActivityDeps, ref: OperationRef): Promise<OperationStep> {
  const view = await findOperation(deps.pool, ref.tenant, ref.operationId);
  if (!view) throw new Error(`operation ${ref.operationId} is missing`);
  const { operation: row } = view;
  const operation = operationOf(view, ref.tenant, { actor: ACTOR, reply: ref.reply });
  if (isOutcomeKnown(row.status)) {
    await endReview(deps, operation, row.status === 'succeeded' ? 'succeeded' : 'failed');
    return (await takeUp(deps, ref.tenant, ref.operationId, { actor: ACTOR, reply: ref.reply }))!;
  }
  const found = await ask(deps, sendingOf(operation));
  await note(deps, operation, [evidenceOf('query', found, deps.now())]);
  // What the processor says counts before what anybody else says of it.
  const said = found.status === 'found' && isDefinite(found.outcome) ? found.outcome : undefined;
  const step = said ? await record(deps, operation, said) : await decideOtherwise(deps, operation, view);
  if (step) {
    const ended = step.kind === 'succeeded' || step.kind === 'failed' ? step.kind : undefined;
    if (row.status === 'needs_review') await endReview(deps, operation, ended);
    return step;
  }
  // Still open there too: nothing new to write down.
  if (found.status === 'found') return { kind: found.outcome.status === 'pending' ? 'pending' : 'unknown' };
  if (found.status === 'unanswered') {
    // What was received is waited for; what may never have arrived is repeated, which the processor does once.
    if (row.status === 'pending') return { kind: 'pending' };
    const repeats = mayRepeat(found, operation, deps.now()) && (await mayLeave(deps, operation)) === 'yes';
    return repeats ? perform(deps, operation) : { kind: 'unknown' };
  }
  const now = deps.now();
  const since = row.absent_since === null ? undefined : new Date(row.absent_since);
  if (since && now.getTime() - since.getTime() >= ref.visibilityLagMs) return leaveOrEnd(deps, operation);
  if (!since) await record(deps, operation, { status: 'unknown', reason: 'not found at the processor' }, now);
  return { kind: 'unknown' };
}

function isDefinite({ status }: ProcessorOutcome): boolean {
  return status === 'succeeded' || status === 'failed';
}

/** Proven absent: sent again, while it may be. */
async function leaveOrEnd(deps: ActivityDeps, operation: Operation): Promise<OperationStep> {
  const leave = await mayLeave(deps, operation);
  if (leave === 'yes') return perform(deps, operation);
  // A hold is not renewed once a freeze is lifted: what was not sent is over, and the freeze can void what is held.
  if (leave === 'frozen' && !operation.renews) return { kind: 'unknown' };
  const message = `${leave === 'frozen' ? 'It was frozen' : 'The authority was withdrawn'} before anything was sent.`;
  return record(
    deps,
    operation,
    { status: 'failed', class: 'not_sent', code: leave === 'frozen' ? 'frozen' : 'authority_withdrawn', message },
    null,
    true,
  );
}

/** The processor does not say: what settlement lines and, while nothing contradicts it, a person say. */
async function decideOtherwise(
  deps: ActivityDeps,
  operation: Operation,
  { payment, operation: row }: OperationView,
): Promise<OperationStep | undefined> {
  const { tenant, id } = operation;
  const definite = await definiteEvidence(deps.pool, tenant, id);
  const line = definite.find(({ source }) => source === 'settlement');
  // A line does not name the processor's reference, without which a held authorization cannot be used.
  if (line && (operation.type !== 'authorize' || payment.processor_reference !== null)) {
    return record(deps, operation, {
      status: 'succeeded',
      processorReference: payment.processor_reference!,
      // A line proves that it was done. Less or more than was asked is a difference for reconciliation, and only an
      // authorization can have been granted for less.
      amountMinor:
        operation.type === 'authorize' ? Math.min(line.amount_minor!, operation.amountMinor) : operation.amountMinor,
      ...(operation.type === 'authorize' ? { captured: true } : {}),
    });
  }
  const resolution = row.status === 'needs_review' ? await findResolution(deps.pool, tenant, id) : undefined;
  if (!resolution) return undefined;
  const against = definite.find(({ says }) => says !== resolution.outcome);
  if (against) {
    await endReview(deps, operation, undefined);
    return undefined;
  }
  const by = { ...operation, actor: resolution.actor };
  return resolution.outcome === 'succeeded'
    ? record(deps, by, {
        status: 'succeeded',
        processorReference:
          resolution.processor_reference ?? (row.renews ? row.processor_reference : payment.processor_reference)!,
        amountMinor: resolution.amount_minor ?? operation.amountMinor,
        ...(operation.type === 'authorize' && payment.capture_mode === 'automatic' ? { captured: true } : {}),
      })
    : record(
        deps,
        by,
        { status: 'failed', class: 'hard_decline', code: 'resolved_as_failed', message: 'An operator said so.' },
        null,
        true,
      );
}

/**
 * A person's word has been heard. Where the processor said another thing first, or evidence came after the word, a
 * conflict is opened beside what is recorded.
 * @param ended how the operation is recorded to have ended; undefined when it is open, and the word gives way
 */
async function endReview(
  deps: ActivityDeps,
  { tenant, id, payment }: Operation,
  ended: 'succeeded' | 'failed' | undefined,
): Promise<void> {
  const at = deps.now();
  await inTransaction(deps.pool, async (db) => {
    const resolution = await findResolution(db, tenant, id);
    if (!resolution) return;
    const stands = ended ?? 'needs_review';
    const conflict = { paymentId: payment.id, operationId: id, stands };
    const against = (await definiteEvidence(db, tenant, id)).find(({ says }) => says !== resolution.outcome);
    if (ended !== resolution.outcome) {
      await openConflict(db, tenant, { ...conflict, told: resolution.outcome, source: 'operator' }, at);
    } else if (against && against.says !== ended) {
      const { source, detail } = against;
      const told = against.says as 'succeeded' | 'failed';
      await openConflict(db, tenant, { ...conflict, told, source, detail: detail ?? undefined }, at);
    }
    await closeResolution(db, tenant, id, at);
  });
}

const NAMED = {
  authorize: 'an authorization',
  increment: 'an increment',
  capture: 'a capture',
  void: 'a void',
  refund: 'a refund',
} as const;

/** Past the deadline a person is asked; the reservation stays, and so does the question to the processor. */
export async function escalateOperation(deps: ActivityDeps, ref: OperationRef): Promise<void> {
  const view = await findOperation(deps.pool, ref.tenant, ref.operationId);
  if (!view) throw new Error(`operation ${ref.operationId} is missing`);
  const { operation, payment } = view;
  if (operation.status !== 'unknown' && operation.status !== 'pending') return;
  const subject = toTypeId('pay', payment.id);
  const at = deps.now();
  const told = {
    payment_id: subject,
    operation_id: toTypeId('op', operation.id),
    type: operation.type,
    amount_minor: operation.amount_minor,
    processor: payment.processor,
    sent_at: new Date(operation.sent_at).toISOString(),
  };
  await completeOperation(deps.pool, {
    operationId: operation.id,
    status: 'needs_review',
    delta: {},
    release: false,
    entries: [],
    absentSince: operation.absent_since === null ? null : new Date(operation.absent_since),
    ...(operation.type === 'authorize' && !operation.renews ? { phase: 'needs_review' as const } : {}),
    needsAttention: `The outcome of ${NAMED[operation.type]} at ${payment.processor} is unknown past its deadline`,
    fact: {
      tenant: ref.tenant,
      at,
      type: 'payment.needs_review',
      actor: ACTOR,
      subject,
      body: told,
      events: [paymentEvent(payment, 'payment.needs_review', at, told)],
    },
  });
}
