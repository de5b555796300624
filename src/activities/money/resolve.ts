import type { OperationStep } from '../../domain/messages.ts';
import { completeOperation } from '../../store/payments/complete.ts';
import { findOperation } from '../../store/payments/read.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { ActivityDeps } from '../deps.ts';
import type { OperationRef } from '../types.ts';
import { mayLeave, mayRepeat, operationOf, perform, record, sendingOf, takeUp } from './perform.ts';
import { ask } from './send.ts';

const ACTOR = 'system:resolution';

/**
 * Asks the processor once what became of an operation. Found: recorded. Not found: believed when it was not found
 * before, at least the visibility lag ago; then the same operation goes out again, to the same MID and under the same
 * key, so that a late first request and the second are one. No answer: it stays unknown.
 */
export async function resolveOperation(deps: ActivityDeps, ref: OperationRef): Promise<OperationStep> {
  const view = await findOperation(deps.pool, ref.tenant, ref.operationId);
  if (!view) throw new Error(`operation ${ref.operationId} is missing`);
  const { operation: row } = view;
  if (row.status === 'succeeded' || row.status === 'declined' || row.status === 'not_sent') {
    return (await takeUp(deps, ref.tenant, ref.operationId, { actor: ACTOR, reply: ref.reply }))!;
  }
  const operation = operationOf(view, ref.tenant, { actor: ACTOR, reply: ref.reply });
  const found = await ask(deps, sendingOf(operation));
  if (found.status === 'unanswered') {
    // What was received is waited for; what may never have arrived is repeated, which the processor does once.
    if (row.status === 'pending') return { kind: 'pending' };
    const repeats = mayRepeat(found, operation, deps.now()) && (await mayLeave(deps, operation));
    return repeats ? perform(deps, operation) : { kind: 'unknown' };
  }
  if (found.status === 'found') {
    // Still open there too: nothing new to write down.
    if (found.outcome.status === 'unknown' || found.outcome.status === 'pending') return { kind: found.outcome.status };
    return record(deps, operation, found.outcome);
  }
  const now = deps.now();
  const since = row.absent_since === null ? undefined : new Date(row.absent_since);
  if (since && now.getTime() - since.getTime() >= ref.visibilityLagMs) {
    return (await mayLeave(deps, operation)) ? perform(deps, operation) : { kind: 'unknown' };
  }
  if (!since) await record(deps, operation, { status: 'unknown', reason: 'not found at the processor' }, now);
  return { kind: 'unknown' };
}

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
    sent_at: operation.sent_at,
  };
  await completeOperation(deps.pool, {
    operationId: operation.id,
    status: 'needs_review',
    delta: {},
    release: false,
    entries: [],
    absentSince: operation.absent_since === null ? null : new Date(operation.absent_since),
    ...(operation.type === 'authorize' ? { phase: 'needs_review' as const } : {}),
    needsAttention: `The outcome of a ${operation.type} at ${payment.processor} is unknown past its deadline`,
    fact: {
      tenant: ref.tenant,
      at,
      type: 'payment.needs_review',
      actor: ACTOR,
      subject,
      body: told,
      events: [
        {
          type: 'payment.needs_review',
          subject,
          executionId: payment.execution_id,
          agentId: payment.agent_id ?? undefined,
          data: { org_id: toTypeId('org', ref.tenant.orgId), timestamp: at.toISOString(), ...told },
        },
      ],
    },
  });
}
