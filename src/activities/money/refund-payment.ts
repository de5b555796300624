import { activityInfo } from '@temporalio/activity';
import type { ProblemCode } from '../../domain/errors.ts';
import type { OperationStep, RefundInput } from '../../domain/messages.ts';
import { refundable } from '../../domain/payment.ts';
import { actionWithin } from '../../domain/scope/actions.ts';
import type { Intent } from '../../domain/types.ts';
import { explain } from '../../policy-language/pipeline.ts';
import { gatherContext } from '../../store/executions/gather.ts';
import { findExecution } from '../../store/executions/read.ts';
import { findPayment } from '../../store/payments/read.ts';
import { freezeOnExecution } from '../../store/stops/read.ts';
import type { ActivityDeps } from '../deps.ts';
import { followUp } from './follow-up.ts';
import { refuse } from './refuse.ts';

const ACTION = 'payment.refund';

/**
 * A governed refund: the delegation behind the payment must have granted refunds (it need not be live any more: money
 * goes back under the organization's own credential), and the active policy is asked with the action `payment.refund`.
 */
export async function refundPayment(deps: ActivityDeps, input: RefundInput): Promise<OperationStep> {
  const { tenant, request } = input;
  const refusal = activityInfo().attempt > 1 ? undefined : await mayNot(deps, input);
  if (refusal) return refuse(deps, tenant, request, refusal.code, refusal.detail);
  return followUp(deps, 'refund', { ...input, final: false });
}

async function mayNot(
  deps: ActivityDeps,
  { tenant, paymentId, amountMinor }: RefundInput,
): Promise<{ code: ProblemCode; detail: string } | undefined> {
  const [payment, execution] = await Promise.all([
    findPayment(deps.pool, tenant, paymentId),
    findExecution(deps.pool, tenant, paymentId),
  ]);
  if (!payment || !execution) return { code: 'not_found', detail: 'There is no such payment.' };
  const intent: Intent = { ...execution.intent, action: ACTION, amountMinor: amountMinor ?? refundable(payment) };
  // An empty or excessive amount is the reservation's to refuse, with the figure that is left.
  if (intent.amountMinor === 0) return undefined;
  const gathered = await gatherContext(deps.pool, {
    tenant,
    agentId: execution.agent_id,
    principalId: execution.principal_id,
    delegationId: execution.delegation_id ?? undefined,
    merchantRef: execution.intent.merchantRef,
    currency: execution.intent.currency,
    now: deps.now(),
    sessionId: execution.context.session_id,
  });
  const kind = await freezeOnExecution(deps.pool, tenant, paymentId);
  if (kind !== undefined) return { code: 'frozen', detail: `Frozen: the ${kind}. No refund is sent.` };
  const granted = gathered.delegations.every(({ scope }) =>
    scope.actions.some((action) => actionWithin(ACTION, action)),
  );
  if (gathered.delegations.length === 0 || !granted) {
    return { code: 'invalid_scope', detail: `The delegation behind this payment does not grant ${ACTION}.` };
  }
  const question = {
    intent,
    context: execution.context,
    agentId: execution.agent_id,
    principalId: execution.principal_id,
  };
  const failed = explain(question, gathered).find(
    (explanation) => explanation.outcome !== 'pass' && explanation.rule !== 'velocity',
  );
  if (!failed) return undefined;
  if (failed.effect === 'challenge' || failed.effect === 'review') {
    return { code: 'challenge_required', detail: `${failed.rule}: ${failed.message}` };
  }
  return { code: 'policy_denied', detail: `${failed.rule}: ${failed.message}` };
}
