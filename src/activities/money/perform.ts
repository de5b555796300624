import type { OperationStep, PaymentStage, RequestRef } from '../../domain/messages.ts';
import { paymentStatus } from '../../domain/payment.ts';
import { operationIdOfAttempt, operationIdOfGiveBack, operationIdOfRest } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import type { ProcessorOutcome, QueryOutcome } from '../../processors/port.ts';
import { completeOperation } from '../../store/payments/complete.ts';
import { noteAbsence, noteEvidence, type Evidence } from '../../store/payments/evidence.ts';
import { findOperation, type OperationView } from '../../store/payments/read.ts';
import type { AccountRow, PaymentRow } from '../../store/payments/row.ts';
import type { ActivityDeps } from '../deps.ts';
import type { ExecutionRef } from '../types.ts';
import { findKey } from '../../store/executions/read.ts';
import { authorityOfExecution, freezeOnExecution } from '../../store/stops/read.ts';
import { PARTIAL_APPROVAL } from './known.ts';
import { completionOf } from './outcome.ts';
import { refuse } from './refuse.ts';
import { ask, send, type Sending } from './send.ts';

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

/** Six days, a day less than Adyen keeps a key at least: after that the same key may be another operation. */
const REPEATABLE_MS = 6 * 86_400_000;

/** Where the processor answers no question, the same operation under the same key is the question, while it is kept. */
export function mayRepeat(found: QueryOutcome, { sentAt }: Operation, now: Date): boolean {
  if (found.status !== 'unanswered' || !found.repeat) return false;
  return now.getTime() - sentAt.getTime() < REPEATABLE_MS;
}

export async function note(
  deps: ActivityDeps,
  { tenant, payment, id }: Operation,
  evidence: Evidence[],
): Promise<void> {
  await noteEvidence(deps.pool, tenant, { paymentId: payment.id, operationId: id }, evidence);
}

/**
 * Whether an operation that its processor does not know may be sent (again). Under a freeze nothing leaves but voids,
 * until it is lifted. Without the authority that it was approved under, an authorization or an increment never leaves again; what
 * follows an authorization that stands (capture, refund) is not undone by a revocation.
 */
export async function mayLeave(
  deps: ActivityDeps,
  { tenant, type, payment }: Operation,
): Promise<'yes' | 'frozen' | 'withdrawn'> {
  if (type === 'void') return 'yes';
  if ((await freezeOnExecution(deps.pool, tenant, payment.execution_id)) !== undefined) return 'frozen';
  if (type !== 'authorize' && type !== 'increment') return 'yes';
  return (await authorityOfExecution(deps.pool, tenant, payment.execution_id)) ? 'yes' : 'withdrawn';
}

/**
 * Takes up an operation that an earlier run of the same step had reserved: that run may have died before, during or
 * after the call. The processor is asked first; only what it does not know is sent again, at the same MID and under
 * the same key.
 */
export async function takeUp(
  deps: ActivityDeps,
  tenant: Tenant,
  operationId: string,
  request: Pick<Operation, 'actor' | 'reply'>,
): Promise<OperationStep | undefined> {
  const view = await findOperation(deps.pool, tenant, operationId);
  if (!view) return undefined;
  const operation = operationOf(view, tenant, request);
  if (view.operation.status !== 'sent') return stepOf(view.operation.status, view.payment, operationId, view.operation);
  const found = await ask(deps, sendingOf(operation));
  await note(deps, operation, [evidenceOf('query', found, deps.now())]);
  if (found.status === 'found') return record(deps, operation, found.outcome);
  if (found.status === 'absent' || mayRepeat(found, operation, deps.now())) {
    const leave = await mayLeave(deps, operation);
    return leave === 'yes'
      ? perform(deps, operation)
      : record(deps, operation, { status: 'unknown', reason: `${leave} before it was sent` }, deps.now());
  }
  return record(deps, operation, { status: 'unknown', reason: found.reason });
}

/**
 * Takes up the operation of a request that was begun before under its key: by a run of this step that died, or by an
 * earlier sending of the same request. Another request under the key is refused; undefined when the key is free.
 */
export async function takeUpOwn(
  deps: ActivityDeps,
  tenant: Tenant,
  operationId: string,
  request: RequestRef,
): Promise<OperationStep | undefined> {
  const key = await findKey(deps.pool, tenant, request.key);
  if (!key) return undefined;
  if (key.fingerprint !== request.fingerprint) {
    return refuse(deps, tenant, request, 'idempotency_conflict', 'The key was used for another request.');
  }
  return takeUp(deps, tenant, operationId, { actor: request.actor, reply: request });
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

/** The stage that a payment's counters put the lifecycle in. */
export function stageOfPayment(row: PaymentRow): PaymentStage {
  const status = paymentStatus(row, row.phase, row.closed_by ?? undefined);
  switch (status) {
    case 'refunded':
      return 'captured';
    case 'pending':
      return 'auth_unknown';
    case 'authorizing':
    case 'auth_unknown':
    case 'failed':
    case 'needs_review':
    case 'authorized':
    case 'partially_captured':
    case 'captured':
    case 'voided':
    case 'expired':
      return status;
  }
}

function stepOf(
  status: string,
  row: PaymentRow,
  operationId: string,
  failure?: { failure_class: string | null; failure_code: string | null },
): OperationStep {
  if (status === 'unknown' || status === 'pending') return { kind: status, processor: row.processor ?? undefined };
  if (status === 'needs_review') return { kind: 'unknown' };
  if (status === 'succeeded') {
    return {
      kind: 'succeeded',
      stage: stageOfPayment(row),
      processor: row.processor ?? undefined,
      authorizationExpiresAt: row.authorization_expires_at ?? undefined,
      giveBack: openGiveBack(row),
      renewal: renewalOf(row, operationId),
    };
  }
  return {
    kind: 'failed',
    class: (failure?.failure_class ?? 'not_sent') as Extract<OperationStep, { kind: 'failed' }>['class'],
    code: failure?.failure_code ?? 'unknown',
    // A later attempt may be under way, or over: whoever asks about this one again goes on to that.
    failover: row.phase === 'authorizing' || wasFollowed(row, operationId),
  };
}

/** Whether another attempt came after this one, by the step that made it or by an earlier run of it. */
function wasFollowed({ operations }: PaymentRow, operationId: string): boolean {
  return operations[operationIdOfAttempt(operationId, 2)] !== undefined;
}

/** The operation that gives back what nobody accepts of a payment, or wants any more, while its outcome is open. */
function openGiveBack({ operations }: PaymentRow): string | undefined {
  return Object.keys(operations)
    .flatMap((id) => [operationIdOfGiveBack(id), operationIdOfRest(id)])
    .find((id) => operations[id] && !['succeeded', 'declined', 'not_sent', 'reversed'].includes(operations[id].status));
}

/** What became of an authorization that renews a hold; one that was granted in part carries its code. */
function renewalOf({ operations }: PaymentRow, operationId: string): 'stands' | 'in_part' | undefined {
  const operation = operations[operationId];
  if (!operation?.renews || operation.type !== 'authorize') return undefined;
  return operation.code === PARTIAL_APPROVAL ? 'in_part' : 'stands';
}

/** Carries out the operation that was reserved to give back what nobody accepts; its outcome answers the request. */
export async function giveBack(
  deps: ActivityDeps,
  { tenant }: ExecutionRef,
  request: RequestRef,
  operationId: string,
): Promise<OperationStep> {
  const step = await takeUp(deps, tenant, operationId, { actor: request.actor, reply: request });
  if (!step) throw new Error(`operation ${operationId} is missing`);
  return step;
}

export function sendingOf({ payment, account, ...operation }: Operation): Sending {
  const { id, type, amountMinor, beyondMinor, final, renews, processorReference } = operation;
  return { payment, account, operation: { id, type, amountMinor, beyondMinor, final, renews, processorReference } };
}
