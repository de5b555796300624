import type { OperationStep, RequestRef } from '../../domain/messages.ts';
import type { Tenant } from '../../domain/types.ts';
import type { QueryOutcome } from '../../processors/port.ts';
import { findKey } from '../../store/executions/read.ts';
import { findOperation } from '../../store/payments/read.ts';
import { authorityOfExecution, freezeOnExecution } from '../../store/stops/read.ts';
import { KEY_TAKEN } from '../answer-under-key.ts';
import type { ActivityDeps } from '../deps.ts';
import type { ExecutionRef } from '../types.ts';
import { evidenceOf, note, operationOf, perform, record, sendingOf, type Operation } from './perform.ts';
import { refuse } from './refuse.ts';
import { ask } from './send.ts';
import { stepOf } from './step-of.ts';

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
    return refuse(deps, tenant, request, 'idempotency_conflict', KEY_TAKEN);
  }
  return takeUp(deps, tenant, operationId, { actor: request.actor, reply: request });
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

/**
 * Whether an operation that its processor does not know may be sent (again). Under a freeze nothing leaves but voids,
 * until it is lifted. Without the authority that it was approved under, an authorization or an increment never leaves
 * again; what follows an authorization that stands (capture, refund) is not undone by a revocation.
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

/** Six days, a day less than Adyen keeps a key at least: after that the same key may be another operation. */
const REPEATABLE_MS = 6 * 86_400_000;

/** Where the processor answers no question, the same operation under the same key is the question, while it is kept. */
export function mayRepeat(found: QueryOutcome, { sentAt }: Operation, now: Date): boolean {
  if (found.status !== 'unanswered' || !found.repeat) return false;
  return now.getTime() - sentAt.getTime() < REPEATABLE_MS;
}
