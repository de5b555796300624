import { activityInfo } from '@temporalio/activity';
import { toTypeId } from '../../domain/ids.ts';
import type { AuthorizeInput } from '../../domain/messages.ts';
import type { Judgement } from '../../domain/pipeline.ts';
import type { DecisionContext } from '../../domain/decision-context.ts';
import { judge } from '../../policy-language/pipeline.ts';
import { commitDecision, DecisionRaced } from '../../store/executions/commit-decision.ts';
import type { FactEvent } from '../../store/facts.ts';
import { newId } from '../../trust/new-id.ts';
import { KEY_TAKEN, refusal } from '../answer-under-key.ts';
import type { ActivityDeps } from '../deps.ts';
import type { Assessment, DecidedExecution } from '../types.ts';
import { authorizeAnswer } from './answer.ts';
import { credentialsOf, decidedBefore, gatherFor } from './assess-risk.ts';
import { keptExplanations, observe } from './observe.ts';
import { CHALLENGE_ATTEMPTS, datesOf, decided, nextStepFor, policyRef, signVerdict, stageOf } from './verdict.ts';

/**
 * Second step of a decision: judge, sign, commit. When the commit was overtaken (a budget was spent meanwhile, or the
 * key taken), the facts are gathered anew and judged again; a decision that exists already is never made twice.
 */
export async function evaluatePolicy(
  deps: ActivityDeps,
  input: AuthorizeInput,
  assessment: Assessment,
): Promise<DecidedExecution> {
  if (assessment.prior) return assessment.prior;
  const handed = deps.handover.get(input.executionId);
  deps.handover.delete(input.executionId);
  for (let context = handed, risk = assessment.risk; ; context = undefined, risk = undefined) {
    if (!context) {
      const gathered = await gatherFor(deps, input);
      if (gathered.prior) return decidedBefore(gathered.prior, deps.now());
      if (gathered.claimed) return keyTaken(deps, input);
      context = gathered;
    }
    try {
      return await commit(deps, input, context, judge(input, context, { risk }));
    } catch (error) {
      if (!(error instanceof DecisionRaced)) throw error;
    }
  }
}

/** Another kind of request holds the key: nothing is decided, and whoever waits is told of the conflict. */
async function keyTaken(deps: ActivityDeps, input: AuthorizeInput): Promise<DecidedExecution> {
  const conflict = refusal({ fingerprint: '' }, 'idempotency_conflict', KEY_TAKEN);
  await deps.replies.announce(deps.pool, input.tenant, input.request, conflict);
  return { executionId: input.executionId, decision: 'deny', stage: 'denied', reasonCode: 'idempotency_conflict' };
}

async function commit(
  deps: ActivityDeps,
  input: AuthorizeInput,
  context: DecisionContext,
  judgement: Judgement,
): Promise<DecidedExecution> {
  const { tenant, executionId, intent } = input;
  const { decision, authority } = judgement;
  const now = deps.now();
  const auditId = newId();
  const dates = datesOf(decision, input.timers, now);
  const nextStep = nextStepFor(executionId, { intent, judgement, context }, dates);
  const jws = await signVerdict(
    deps,
    { subject: toTypeId('exec', executionId), orgId: tenant.orgId, intent, policy: context.policy, nextStep, now },
    judgement,
  );
  const answer = authorizeAnswer({
    executionId,
    decision,
    policyRef: policyRef(context.policy),
    routeHint: judgement.plan.candidates[0] && toTypeId('prx', judgement.plan.candidates[0].midId),
    auditId,
    risk: judgement.risk,
    reasons: judgement.reasons,
    nextStep,
    riskPayloadJws: jws,
    ...dates,
    stepUp: context.principal?.stepUp,
    publicUrl: deps.publicUrl,
    tokenKey: deps.tokenKey,
  });
  const { workflowExecution } = activityInfo();
  await commitDecision(deps.pool, {
    tenant,
    executionId,
    workflowId: workflowExecution!.workflowId,
    runId: workflowExecution!.runId,
    key: input.request.key,
    fingerprint: input.request.fingerprint,
    stage: stageOf(decision),
    decision,
    agentId: input.agentId,
    principalId: input.principalId,
    delegationId: authority.chain.at(-1)?.id ?? null,
    credentials: credentialsOf(input),
    intent,
    context: input.context,
    policyId: context.policy?.id ?? null,
    risk: judgement.risk,
    reasons: judgement.reasons,
    explanations: keptExplanations(judgement.explanations),
    plan: { id: newId(), ...judgement.plan },
    riskPayloadJws: jws,
    auditId,
    ...dates,
    challengeAttempts: decision === 'challenge' ? CHALLENGE_ATTEMPTS : null,
    // A denied intent spends nothing.
    charges: decision === 'deny' ? [] : judgement.charges,
    gathered: { at: new Date(context.nowMs), history: context.history },
    ...heldMandate(deps, input, context),
    observation: observe(input, context, judgement),
    answer,
    at: now,
    fact: {
      tenant,
      at: now,
      type: 'execution.decision',
      actor: input.request.actor,
      subject: toTypeId('exec', executionId),
      body: {
        decision,
        agent_id: toTypeId('agt', input.agentId),
        intent: { ...intent },
        policy_ref: policyRef(context.policy),
        reasons: judgement.reasons.map((reason) => reason.code),
        risk_score: judgement.risk.score,
        ...(input.mandate && { mandate_hash: input.mandate.contentHash }),
        ...(input.agentProof && {
          agent_proof: {
            key_id: toTypeId('key', input.agentProof.keyId),
            thumbprint: input.agentProof.thumbprint,
          },
        }),
      },
      events: decisionEvents(input, judgement, now),
    },
  });
  await deps.replies.announce(deps.pool, tenant, input.request, {
    fingerprint: input.request.fingerprint,
    status: 200,
    body: answer,
  });
  return decided(executionId, judgement, input.timers);
}

/** The mandate as it is kept with the decision. */
function heldMandate(deps: ActivityDeps, { mandate }: AuthorizeInput, { mandateUses }: DecisionContext) {
  if (!mandate) return {};
  const { sealedDocument, ...evidence } = mandate;
  return { mandate: { id: newId(), evidence, document: deps.sealer.open(sealedDocument), uses: mandateUses ?? {} } };
}

/** `execution.decision` for every decision, and `execution.challenged` beside it when a person is asked. */
export function decisionEvents(
  input: Pick<AuthorizeInput, 'tenant' | 'executionId' | 'agentId'>,
  { decision, reasons }: Pick<Judgement, 'decision' | 'reasons'>,
  at: Date,
): FactEvent[] {
  const subject = toTypeId('exec', input.executionId);
  const data = {
    org_id: toTypeId('org', input.tenant.orgId),
    decision: decision === 'review' ? 'challenge' : decision,
    execution_ref: subject,
    timestamp: at.toISOString(),
    reasons: reasons.map((reason) => reason.code),
  };
  const event = (type: string): FactEvent => ({
    type,
    subject,
    executionId: input.executionId,
    agentId: input.agentId,
    data,
  });
  return decision === 'challenge' || decision === 'review'
    ? [event('execution.decision'), event('execution.challenged')]
    : [event('execution.decision')];
}
