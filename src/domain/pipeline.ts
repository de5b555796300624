import {
  budgetCharges,
  establishAuthority,
  registeredAuthority,
  type Authority,
  type BudgetCharge,
} from './authority.ts';
import { decide, type Verdict } from './decide.ts';
import type { DecisionContext } from './decision-context.ts';
import { checkExposure } from './exposure.ts';
import { freezeReasons } from './freeze.ts';
import { evaluateRules, type Explanation, type PolicyTools } from './policy.ts';
import { scoreRisk } from './risk.ts';
import { mandateReasons, type MandateEvidence } from './mandates/evidence.ts';
import { planRoute, type RoutePlan, type RouteWanted } from './routing.ts';
import { trustAt } from './trust-score.ts';
import type { Intent, IntentContext, Reason, Risk } from './types.ts';

/** An intent with the circumstances it is judged in. */
export interface Question {
  intent: Intent;
  context: IntentContext;
  agentId: string;
  principalId: string;
  delegationId?: string;
  /** Id of the execution, which its payment has as well; routing draws from it. */
  executionId?: string;
  /** What became of the mandate that was presented; absent when none was. */
  mandate?: MandateEvidence;
  /**
   * What stands behind the agent. `delegation`, when absent: as every intent that is carried out here. `registration`:
   * nobody ever delegated to it, and it is judged as a registered agent of its principal. `nobody`: no registered agent
   * could be found, which is never approved without a person.
   */
  standing?: 'delegation' | 'registration' | 'nobody';
  /** Failed checks of who the agent is, made before. */
  identity?: Reason[];
}

/** What the pipeline found out, step by step; the commit stores it, a simulation prints it. */
export interface Judgement extends Verdict {
  authority: Authority;
  explanations: Explanation[];
  risk: Risk;
  charges: BudgetCharge[];
  plan: RoutePlan;
}

/**
 * The one decision pipeline: who → what → may it → how risky → verdict. Live, simulated and repeated decisions all
 * come through here; only what is done with the judgement differs. Pure: the time is `context.nowMs`.
 */
export function judge(
  question: Question,
  context: DecisionContext,
  options: { proof?: 'challenge' | 'review'; risk?: Risk; tools?: PolicyTools } = {},
): Judgement {
  const { intent } = question;
  const { standing = 'delegation', identity = [] } = question;
  const authority =
    standing === 'delegation' ? establishAuthority(intent, question, context) : registeredAuthority(standing, context);
  const explanations = explain(question, context, options.tools);
  const risk = options.risk ?? assess(question, context);
  const verdict = decide({
    frozen: freezeReasons(
      context.freezes ?? [],
      { agentId: question.agentId, principalId: question.principalId, merchantRef: intent.merchantRef },
      authority.chain,
    ),
    who: [
      ...identity,
      ...(context.credentialRevoked ? [CREDENTIAL_REVOKED] : []),
      ...authority.who,
      ...checkExposure(context.exposureCaps, intent),
    ],
    scopeFailures: authority.scopeFailures,
    stepUp: authority.stepUp,
    review: standing === 'nobody' ? [UNREGISTERED] : [],
    mandate: question.mandate && mandateReasons(question.mandate, context),
    screening: context.screening,
    explanations,
    risk,
    challengePossible: (context.principal?.stepUp.length ?? 0) > 0,
    proof: options.proof,
  });
  return {
    ...verdict,
    authority,
    explanations,
    risk,
    charges: budgetCharges(authority.chain, intent, context.nowMs),
    plan: planRoute(context.mids, routeWanted(question), context.routing, context.nowMs),
  };
}

/** What routing is asked for an intent; tokens are the one method so far. */
export function routeWanted({ intent, context, agentId, executionId = '' }: Question): RouteWanted {
  const { action, amountMinor, currency, merchantRef, merchantCategory, channel } = intent;
  return {
    paymentId: executionId,
    method: 'token',
    agentId,
    country: context.country ?? intent.country,
    action,
    amountMinor,
    currency,
    merchantRef,
    merchantCategory,
    channel,
  };
}

/** Step 4 alone: the score of an intent in its circumstances. */
export function assess({ intent, context: said }: Question, context: DecisionContext): Risk {
  const { agent, nowMs, features, certificate, behaviour, screening } = context;
  // What is new is a sign only where something else was before: of a new agent everything is new.
  const known = (seen: boolean | null) => (features.anySeen && seen !== null ? seen : undefined);
  const facts = {
    ...features,
    intent,
    context: said,
    agentKnown: agent !== null,
    agentAgeMs: agent ? nowMs - agent.createdAtMs : undefined,
    agentTrust: agent ? trustAt(agent.trust ?? undefined, nowMs) : undefined,
    deviceSeen: known(features.deviceSeen),
    channelSeen: known(features.channelSeen),
    countrySeen: known(features.countrySeen),
    certificate: certificate ?? undefined,
    behaviour,
    screening,
  };
  return scoreRisk(facts, context.riskConfig ?? undefined);
}

/** Step 3 alone. Without an active policy nothing is forbidden by policy: scope and risk still are. */
export function explain(
  { intent, context: said }: Question,
  context: DecisionContext,
  tools?: PolicyTools,
): Explanation[] {
  const { agent, principal, policy, nowMs } = context;
  if (!policy) return [];
  const facts = {
    intent,
    said,
    nowMs,
    country: said.country ?? intent.country,
    velocityCount: context.velocityCount,
    agent: agent
      ? {
          id: agent.id,
          ageMs: nowMs - agent.createdAtMs,
          trust: trustAt(agent.trust ?? undefined, nowMs),
          behaviour: context.behaviour?.score,
          certificate: context.certificate === null ? 'none' : context.certificate?.status,
        }
      : undefined,
    principal: principal ? { id: principal.id, kind: principal.kind } : undefined,
    merchantSeen: context.features.merchantSeen,
    history: context.history,
  };
  return evaluateRules(policy.rules, facts, tools, policy.version === 0 ? undefined : policy.id);
}

const UNREGISTERED: Reason = {
  code: 'agent_unregistered',
  category: 'identity',
  message: 'No registered agent stands behind it: what it says of itself earns no trust',
};

const CREDENTIAL_REVOKED: Reason = {
  code: 'credential_revoked',
  category: 'identity',
  message: 'The credential that the request was made with, or the key that signed it, was revoked',
};
