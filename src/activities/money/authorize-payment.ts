import { activityInfo } from '@temporalio/activity';
import type { OperationStep, PayRequest } from '../../domain/messages.ts';
import { establishAuthority } from '../../domain/authority.ts';
import type { ProblemCode } from '../../domain/errors.ts';
import { FAILURES, type FailureClass } from '../../domain/failures.ts';
import type { Tenant } from '../../domain/types.ts';
import { findExecution } from '../../store/executions/read.ts';
import { isKeyTaken } from '../../store/idempotency.ts';
import { findPayment } from '../../store/payments/read.ts';
import { planStands } from '../../store/payments/route-plans.ts';
import { reserveAuthorization, reserveNextAttempt } from '../../store/payments/reserve.ts';
import { freezeOnExecution, frozenProcessors } from '../../store/stops/read.ts';
import { KEY_TAKEN } from '../answer-under-key.ts';
import type { ActivityDeps } from '../deps.ts';
import { gatherAgain } from '../decision/rejudge.ts';
import type { ExecutionRef } from '../types.ts';
import { perform } from './perform.ts';
import { takeUpOwn } from './take-up.ts';
import { refuse } from './refuse.ts';
import { abandon } from './standing.ts';
import type { PaymentMethod } from './send.ts';

/** One attempt to authorize: reserve, send, record. The first spends the approval, later ones go to the next MID. */
export async function authorizePayment(
  deps: ActivityDeps,
  ref: ExecutionRef,
  pay: PayRequest,
  attempt: number,
): Promise<OperationStep> {
  const { tenant, executionId } = ref;
  const { request, operationId } = pay;
  const who = { actor: request.actor, reply: request };
  if (activityInfo().attempt > 1) {
    const before = await takeUpOwn(deps, tenant, operationId, request);
    if (before) return before;
  }
  const at = deps.now();
  // Later attempts go by the row: what a message carries, sealed, may outlive the key that sealed it.
  const pinned = attempt > 1 ? undefined : (JSON.parse(deps.sealer.open(pay.sealedMethod)) as PaymentMethod).processor;
  let reserved;
  try {
    reserved =
      attempt > 1
        ? await reserveNextAttempt(deps.pool, {
            tenant,
            paymentId: executionId,
            operationId,
            attempt,
            at,
            actor: request.actor,
          })
        : await reserveAuthorization(deps.pool, {
            tenant,
            operationId,
            key: request.key,
            fingerprint: request.fingerprint,
            at,
            executionId,
            workflowId: activityInfo().workflowExecution!.workflowId,
            amountMinor: pay.amountMinor ?? null,
            currency: pay.currency ?? null,
            routePlanId: pay.routePlanId ?? null,
            processor: pinned ?? null,
            capture: pay.capture,
            merchantReference: pay.merchantReference ?? null,
            methodSealed: pay.sealedMethod,
            acceptPartial: pay.acceptPartial,
            onExpiry: pay.onExpiry,
            actor: request.actor,
          });
  } catch (error) {
    if (!isKeyTaken(error)) throw error;
    // Ours, from a run that died after its commit; or another request's.
    const before = await takeUpOwn(deps, tenant, operationId, request);
    return before ?? refuse(deps, ref.tenant, request, 'idempotency_conflict', KEY_TAKEN);
  }
  if (!reserved) {
    const before = await takeUpOwn(deps, tenant, operationId, request);
    if (before) return before;
    if (attempt > 1) return endBetweenAttempts(deps, ref, pay);
    const { code, detail } = await whyNot(deps, ref, pay, at, pinned);
    return refuse(deps, tenant, request, code, detail);
  }
  return perform(deps, {
    tenant,
    payment: reserved.payment,
    account: reserved.account,
    id: operationId,
    type: 'authorize',
    amountMinor: reserved.amountMinor,
    attempt,
    final: false,
    sentAt: at,
    ...who,
  });
}

/** No further attempt may be made: frozen, or no account is left. The payment has failed, for certain. */
async function endBetweenAttempts(
  deps: ActivityDeps,
  { tenant, executionId }: ExecutionRef,
  { request, operationId }: PayRequest,
): Promise<OperationStep> {
  const frozen = (await freezeOnExecution(deps.pool, tenant, executionId)) !== undefined;
  const decline = frozen ? NOT_SENT_FROZEN : await lastDecline(deps, tenant, executionId);
  const payment = await abandon(
    deps,
    { tenant, executionId },
    {
      reason: frozen ? 'frozen between two attempts' : 'no account is left for another attempt',
      decline,
      key: request.key,
      operationId,
    },
  );
  if (payment) {
    await deps.replies.announce(deps.pool, tenant, request, {
      fingerprint: request.fingerprint,
      status: 402,
      body: { payment, operation_id: operationId },
    });
  }
  return { kind: 'failed', class: decline.class, code: decline.code, failover: false };
}

interface Decline {
  class: FailureClass;
  code: string;
  retryable: boolean;
}

const NOT_SENT_FROZEN: Decline = { class: 'not_sent', code: 'frozen', retryable: false };

/** What the attempts that were made came to: that none is left to ask makes it no other answer. */
async function lastDecline(deps: ActivityDeps, tenant: Tenant, paymentId: string): Promise<Decline> {
  const last = (await findPayment(deps.pool, tenant, paymentId))?.attempts.at(-1);
  const cls = (last?.class ?? 'not_sent') as FailureClass;
  return { class: cls, code: last?.code ?? 'no_route', retryable: FAILURES[cls].retryable };
}

/** Which of the conditions of the reservation did not hold. */
async function whyNot(
  deps: ActivityDeps,
  { tenant, executionId }: ExecutionRef,
  pay: PayRequest,
  at: Date,
  pinned: string | undefined,
): Promise<{ code: ProblemCode; detail: string }> {
  const row = await findExecution(deps.pool, tenant, executionId);
  if (!row) return { code: 'not_found', detail: 'There is no such execution.' };
  if (row.token_used_at || row.stage === 'authorizing') {
    return { code: 'execution_token_used', detail: 'The execution token was already used.' };
  }
  const kind = await freezeOnExecution(deps.pool, tenant, executionId);
  if (kind !== undefined) return { code: 'frozen', detail: `Frozen: the ${kind}.` };
  if (row.stage === 'challenged') {
    return { code: 'challenge_required', detail: 'The principal has not answered the challenge yet.' };
  }
  if (row.stage === 'in_review') {
    return { code: 'risk_elevated', detail: 'An operator has not approved the execution yet.' };
  }
  if (row.stage !== 'approved' || !row.token_expires_at || new Date(row.token_expires_at) <= at) {
    return { code: 'execution_token_expired', detail: 'The approval has lapsed or was withdrawn.' };
  }
  if (pay.amountMinor !== undefined && pay.amountMinor > row.intent.amountMinor) {
    return { code: 'amount_exceeds_approved', detail: 'The amount exceeds what was approved.' };
  }
  if (pay.currency !== undefined && pay.currency !== row.intent.currency) {
    return { code: 'amount_exceeds_approved', detail: `${row.intent.currency} was approved, not ${pay.currency}.` };
  }
  if (pay.routePlanId && !(await planStands(deps.pool, tenant, { id: pay.routePlanId, executionId, at }))) {
    const detail = 'route_plan_id names no plan of this execution, or one that has expired: route it anew.';
    return { code: 'invalid_request', detail };
  }
  const context = await gatherAgain(deps.pool, { ref: { tenant }, row }, at);
  const { who } = establishAuthority(
    row.intent,
    { agentId: row.agent_id, principalId: row.principal_id, delegationId: row.delegation_id ?? undefined },
    context,
  );
  if (who[0]) return { code: 'invalid_scope', detail: `${who[0].message}.` };
  const frozen = await frozenProcessors(deps.pool, tenant);
  const wanted = row.route_plan.candidates.filter(({ processor }) => pinned === undefined || processor === pinned);
  if (wanted.length > 0 && wanted.every(({ processor }) => frozen.includes(processor))) {
    return { code: 'frozen', detail: 'Frozen: every processor that could take this payment.' };
  }
  return { code: 'route_unavailable', detail: 'No account of the route plan can take this payment now.' };
}
