import type { ProblemCode } from '../../domain/errors.ts';
import type { RefundInput, RefundStep } from '../../domain/messages.ts';
import { refundable } from '../../domain/payment.ts';
import { actionWithin } from '../../domain/scope/actions.ts';
import type { Intent } from '../../domain/types.ts';
import { explain } from '../../policy-language/pipeline.ts';
import { gatherContext } from '../../store/executions/gather.ts';
import { findExecution, findKey } from '../../store/executions/read.ts';
import { findOperation, findPayment } from '../../store/payments/read.ts';
import { findRefundChallenge } from '../../store/refunds/challenge.ts';
import { findReview } from '../../store/reviews/read.ts';
import { freezeOnExecution } from '../../store/stops/read.ts';
import { atSoundTime } from '../decision/clock.ts';
import type { ActivityDeps } from '../deps.ts';
import { standingOf } from '../review/assessment.ts';
import { followUp } from './follow-up.ts';
import { askPrincipal } from './refund-challenge.ts';
import { askPerson, keepRefusal, type Question } from './refund-review.ts';
import { refundStopped } from './refund-stopped.ts';
import { refuse } from './refuse.ts';

const ACTION = 'payment.refund';

/**
 * A governed refund: the delegation behind the payment must have granted refunds (it need not be live any more: money
 * goes back under the organization's own credential), and the active policy is asked with the action `payment.refund`.
 * Where it wants the principal (a step-up) or an operator (a review), they are asked first; their yes takes that need
 * away, and nothing else. An operator's word is enough for both, and is asked where the principal has nothing to confirm
 * with.
 */
export async function refundPayment(deps: ActivityDeps, asked: RefundInput): Promise<RefundStep> {
  const { tenant, request } = asked;
  const key = await findKey(deps.pool, tenant, request.key);
  const known = key?.fingerprint === request.fingerprint;
  // What this step, or an earlier sending of the request, has begun is not judged again: it may have been sent.
  const review = known ? await findReview(deps.pool, tenant, asked.operationId) : undefined;
  if (review?.status === 'open') return { kind: 'waits', waitMs: standingOf(review, deps.now()).waitMs };
  if (review && review.status !== 'approved') return ended(deps, asked);
  const challenge = known && !review ? await findRefundChallenge(deps.pool, tenant, asked.operationId) : undefined;
  if (challenge?.status === 'open') {
    const waitMs = Math.max(0, Date.parse(challenge.expires_at) - deps.now().getTime());
    return { kind: 'waits', waitMs, challenge: true };
  }
  if (challenge && challenge.status !== 'passed') return ended(deps, asked);
  const proof = review ? 'review' : challenge ? 'challenge' : undefined;
  const approved = proof !== undefined;
  // What was looked at is what is made, whatever could be refunded by now.
  const input = { ...asked, amountMinor: review?.amount_minor ?? challenge?.amount_minor ?? asked.amountMinor };
  const begun = known && (!approved || (await findOperation(deps.pool, tenant, input.operationId)) !== undefined);
  const found = begun ? undefined : await judge(deps, input, proof);
  const step =
    found && 'question' in found
      ? found.ask === 'principal'
        ? await askPrincipal(deps, input, found.question)
        : await askPerson(deps, input, found.question, approved)
      : found
        ? await refuse(deps, tenant, request, found.code, found.detail)
        : await followUp(deps, 'refund', { ...input, final: false, ownKey: approved ? input.operationId : undefined });
  if (approved && step.kind === 'refused') await keepRefusal(deps.pool, input, step.code as ProblemCode, step.detail);
  return step;
}

/** Denied, out of time or stopped: the key holds the answer. */
async function ended(deps: ActivityDeps, input: RefundInput): Promise<RefundStep> {
  const stopped = await refundStopped(deps, input);
  return { kind: 'refused', ...(stopped ?? { code: 'review_closed', detail: 'The refund was not approved.' }) };
}

async function judge(
  deps: ActivityDeps,
  { tenant, paymentId, amountMinor, reason }: RefundInput,
  proof: 'challenge' | 'review' | undefined,
): Promise<{ code: ProblemCode; detail: string } | { ask: 'principal' | 'operator'; question: Question } | undefined> {
  const [payment, execution] = await Promise.all([
    findPayment(deps.pool, tenant, paymentId),
    findExecution(deps.pool, tenant, paymentId),
  ]);
  if (!payment || !execution) return { code: 'not_found', detail: 'There is no such payment.' };
  const intent: Intent = { ...execution.intent, action: ACTION, amountMinor: amountMinor ?? refundable(payment) };
  // An empty or excessive amount is the reservation's to refuse, with the figure that is left.
  if (intent.amountMinor === 0 || intent.amountMinor > refundable(payment)) return undefined;
  const gathered = await gatherContext(deps.pool, {
    tenant,
    agentId: execution.agent_id,
    principalId: execution.principal_id,
    delegationId: execution.delegation_id ?? undefined,
    merchantRef: execution.intent.merchantRef,
    currency: execution.intent.currency,
    now: deps.now(),
    sessionId: execution.context.session_id,
  }).then(atSoundTime);
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
  const explanations = explain(question, gathered);
  const failed = explanations.filter(({ outcome, rule }) => outcome !== 'pass' && rule !== 'velocity');
  const asks = ({ effect }: (typeof failed)[number]) => effect === 'challenge' || effect === 'review';
  const denial = failed.find((explanation) => !asks(explanation));
  if (denial) return { code: 'policy_denied', detail: `${denial.rule}: ${denial.message}` };
  const review = failed.find(({ effect }) => effect === 'review');
  const wanted = review ?? failed[0];
  const stepUp = gathered.principal?.stepUp ?? [];
  if (!wanted || proof === 'review' || (proof === 'challenge' && !review)) return undefined;
  return {
    ask: !review && stepUp.length > 0 ? 'principal' : 'operator',
    question: {
      payment,
      intent: { ...intent, ...(reason === undefined ? {} : { description: reason }) },
      stepUp,
      amountMinor: intent.amountMinor,
      rule: wanted.rule,
      message: wanted.message,
      explanations,
      delegationId: execution.delegation_id,
    },
  };
}
