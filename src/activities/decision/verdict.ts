import type { DecisionContext } from '../../domain/decision-context.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { LifecycleTimers } from '../../domain/messages.ts';
import type { Judgement } from '../../domain/pipeline.ts';
import { nextStepOf, type NextStep } from '../../domain/next-step.ts';
import type { Decision, Intent } from '../../domain/types.ts';
import { issuerOf } from '../../trust/issuer.ts';
import type { ActivityDeps } from '../deps.ts';
import type { DecidedExecution } from '../types.ts';

/** Wrong answers a principal may give. */
export const CHALLENGE_ATTEMPTS = 3;

const STAGES = { approved: 'approved', challenge: 'challenged', review: 'in_review', deny: 'denied' } as const;

export function stageOf(decision: Decision): (typeof STAGES)[Decision] {
  return STAGES[decision];
}

/** How long the stage may last before its timer ends it; undefined for terminal stages. */
export function waitOf(decision: Decision, timers: LifecycleTimers): number | undefined {
  switch (decision) {
    case 'approved':
      return timers.tokenMs;
    case 'challenge':
      return timers.challengeMs;
    case 'review':
      return timers.reviewMs;
    case 'deny':
      return undefined;
  }
}

/** Dates that follow from a decision; each is null unless the decision has it. */
export function datesOf(decision: Decision, timers: LifecycleTimers, now: Date) {
  const after = (ms: number) => new Date(now.getTime() + ms);
  return {
    tokenExpiresAt: decision === 'approved' ? after(timers.tokenMs) : null,
    challengeExpiresAt: decision === 'challenge' ? after(timers.challengeMs) : null,
    reviewExpiresAt: decision === 'review' ? after(timers.reviewMs) : null,
  };
}

export function policyRef(policy: DecisionContext['policy']): string {
  return policy ? toTypeId('pol', policy.id) : 'none';
}

/** What is signed of a decision. */
export interface VerdictFacts {
  /** TypeID of what was decided: an execution, an assessment. */
  subject: string;
  orgId: string;
  intent: Intent;
  policy: DecisionContext['policy'];
  nextStep?: NextStep;
  now: Date;
}

/**
 * The signed verdict (Risk Payload): compact JWS over the RFC 8785 form, verifiable with the published JWKS. A denial is
 * signed like an approval, so that whoever is refused can prove what was said, and why.
 * @throws SignerAway; then nothing is decided
 */
export async function signVerdict(
  deps: Pick<ActivityDeps, 'signer' | 'publicUrl' | 'issuer'>,
  facts: VerdictFacts,
  { decision, risk, reasons }: Pick<Judgement, 'decision' | 'risk' | 'reasons'>,
): Promise<string> {
  const { signer } = deps;
  return signer.signJws(
    {
      issuer: `${issuerOf(deps)}#${signer.kid}`,
      subject: facts.subject,
      org: toTypeId('org', facts.orgId),
      decision: decision === 'approved' ? 'approve' : decision === 'challenge' ? 'review' : decision,
      score: risk.score,
      model_version: risk.modelVersion,
      policy_version: facts.policy?.version,
      assessed_at: facts.now.toISOString(),
      reasons: reasons.map(({ code }) => code),
      next_step: facts.nextStep,
      intent: {
        action: facts.intent.action,
        amount_minor: facts.intent.amountMinor,
        currency: facts.intent.currency,
        merchant_ref: facts.intent.merchantRef,
      },
    },
    { typ: 'application/vc+jws' },
  );
}

/** The next step of an execution's decision, with what a challenge or a review is found by. */
export function nextStepFor(
  executionId: string,
  facts: Parameters<typeof nextStepOf>[0],
  dates: Pick<ReturnType<typeof datesOf>, 'challengeExpiresAt' | 'reviewExpiresAt'>,
): NextStep | undefined {
  const step = nextStepOf(facts);
  if (step?.action === 'ask_principal' && dates.challengeExpiresAt) {
    return {
      ...step,
      challenge_id: toTypeId('chl', executionId),
      expires_at: dates.challengeExpiresAt.toISOString(),
    };
  }
  if (step?.action === 'wait_for_review' && dates.reviewExpiresAt) {
    return { ...step, expires_at: dates.reviewExpiresAt.toISOString() };
  }
  return step;
}

/** What the workflow needs of a decision. */
export function decided(
  executionId: string,
  { decision, reasons }: Pick<Judgement, 'decision' | 'reasons'>,
  timers: LifecycleTimers,
): DecidedExecution {
  return {
    executionId,
    decision,
    stage: stageOf(decision),
    reasonCode: reasons[0]?.code,
    waitMs: waitOf(decision, timers),
  };
}
