import type { OperationStep, RequestRef } from '../../domain/messages.ts';
import type { Tenant } from '../../domain/types.ts';
import type { ProcessorOutcome, QueryOutcome } from '../../processors/port.ts';
import { completeOperation } from '../../store/payments/complete.ts';
import { noteAbsence, noteEvidence, type Evidence } from '../../store/payments/evidence.ts';
import { findOperation, type OperationView } from '../../store/payments/read.ts';
import type { AccountRow, PaymentRow } from '../../store/payments/row.ts';
import type { ActivityDeps } from '../deps.ts';
import { completionOf } from './outcome.ts';
import { ask, send, type Sending } from './send.ts';
import { stepOf } from './step-of.ts';

/** A reserved operation on its way to the processor, and who waits for it. */
export interface Operation {
  tenant: Tenant;
  payment: PaymentRow;
  account: AccountRow;
  id: string;
  type: Sending['operation']['type'];
  amountMinor: number;
  /** Of a capture, what was not held. */
  beyondMinor?: number;
  attempt: number;
  final: boolean;
  /** An authorization that renews a hold, or the void of the one that it replaced. */
  renews?: boolean;
  /** The authorization that it is about, where that may not be the payment's. */
  processorReference?: string;
  sentAt: Date;
  /** A person was asked how it ended: it stays so until it is known. */
  inReview?: boolean;
  actor: string;
  reply?: Pick<RequestRef, 'key' | 'replyTo' | 'fingerprint'>;
}

/** A stored operation as it can be performed, asked about or recorded. */
export function operationOf(
  { operation: row, payment, account }: OperationView,
  tenant: Tenant,
  request: Pick<Operation, 'actor' | 'reply'>,
): Operation {
  return {
    tenant,
    payment,
    account,
    id: row.id,
    type: row.type,
    amountMinor: row.amount_minor,
    beyondMinor: row.beyond_minor,
    attempt: row.attempt,
    final: row.final,
    renews: row.renews,
    processorReference: row.processor_reference ?? undefined,
    sentAt: new Date(row.sent_at),
    inReview: row.status === 'needs_review',
    ...request,
  };
}

/** What a processor said, as evidence of an operation. */
export function evidenceOf(source: Evidence['source'], said: ProcessorOutcome | QueryOutcome, at: Date): Evidence {
  switch (said.status) {
    case 'found':
      return evidenceOf(source, said.outcome, at);
    case 'succeeded':
      return {
        source,
        says: 'succeeded',
        processorReference: said.processorReference,
        amountMinor: said.amountMinor,
        at,
      };
    case 'pending':
      return { source, says: 'pending', processorReference: said.processorReference, at };
    case 'failed':
      return { source, says: 'failed', detail: said.code, at };
    case 'unknown':
    case 'unanswered':
      return { source, says: said.status, detail: said.reason, at };
    case 'absent':
      return { source, says: 'absent', at };
  }
}

/** Sends a reserved operation, asks at once when the answer was lost, and records what is known. */
export async function perform(deps: ActivityDeps, operation: Operation): Promise<OperationStep> {
  const sending = sendingOf(operation);
  const sent = await send(deps, sending);
  // "Duplicate" says that the processor has this operation already, not how it ended: fetch the original.
  const outcome: ProcessorOutcome =
    sent.status === 'failed' && sent.class === 'duplicate' ? { status: 'unknown', reason: sent.message } : sent;
  if (outcome.status !== 'unknown') return record(deps, operation, outcome);
  const lost = evidenceOf('answer', outcome, deps.now());
  const found = await ask(deps, sending);
  await note(deps, operation, [lost, evidenceOf('query', found, deps.now())]);
  if (found.status === 'found') return record(deps, operation, found.outcome);
  // "Not found" right after sending proves nothing: the request may still be on its way. It is noted, not believed.
  return record(deps, operation, outcome, found.status === 'absent' ? deps.now() : null);
}

export async function note(
  deps: ActivityDeps,
  { tenant, payment, id }: Operation,
  evidence: Evidence[],
): Promise<void> {
  await noteEvidence(deps.pool, tenant, { paymentId: payment.id, operationId: id }, evidence);
}

/** Commits an outcome, tells the waiting request, and says how it stands. */
export async function record(
  deps: ActivityDeps,
  operation: Operation,
  outcome: ProcessorOutcome,
  absentSince: Date | null = null,
  last = false,
): Promise<OperationStep> {
  const { tenant, payment, account, reply } = operation;
  if (operation.inReview && (outcome.status === 'unknown' || outcome.status === 'pending')) {
    await noteAbsence(deps.pool, tenant, operation.id, absentSince);
    return { kind: outcome.status };
  }
  const { completion, failover } = completionOf({
    tenant,
    payment,
    operation,
    midId: account.mid_id,
    outcome,
    actor: operation.actor,
    at: deps.now(),
    sentAt: operation.sentAt,
    key: reply?.key,
    absentSince,
    last,
    keepsRest: deps.processors[account.kind]?.keepsRest?.(account),
  });
  const row = await completeOperation(deps.pool, completion);
  if (!row) {
    // Completed before, by an earlier run of this step or by other evidence: that outcome stands.
    const view = await findOperation(deps.pool, tenant, operation.id);
    return stepOf(view!.operation.status, view!.payment, operation.id, view!.operation);
  }
  if (reply && completion.answer) {
    await deps.replies.announce(deps.pool, tenant, reply, {
      fingerprint: reply.fingerprint,
      status: completion.answer.status,
      body: { payment: row, operation_id: operation.id },
    });
  }
  if (outcome.status === 'failed') {
    return { kind: 'failed', class: outcome.class, code: outcome.code, failover };
  }
  return stepOf(completion.status, row, operation.id);
}

export function sendingOf({ payment, account, ...operation }: Operation): Sending {
  const { id, type, amountMinor, beyondMinor, final, renews, processorReference } = operation;
  return { payment, account, operation: { id, type, amountMinor, beyondMinor, final, renews, processorReference } };
}
