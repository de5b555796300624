import { toTypeId } from '../../domain/ids.ts';
import type { StepUpMethod } from '../../domain/decision-context.ts';
import type { NextStep } from '../../domain/next-step.ts';
import type { Decision, Reason, Risk } from '../../domain/types.ts';

export interface AnswerFacts {
  executionId: string;
  decision: Decision;
  policyRef: string;
  /** Processor that the stored plan asks first. */
  routeHint?: string;
  auditId: string;
  risk: Risk;
  reasons: Reason[];
  nextStep?: NextStep;
  riskPayloadJws: string;
  tokenExpiresAt: Date | null;
  /** Names the key that the token is derived with. */
  tokenKey?: string;
  challengeExpiresAt: Date | null;
  /** What the principal can answer with. */
  stepUp?: StepUpMethod[];
  reviewExpiresAt: Date | null;
  publicUrl: string;
}

/**
 * The body of an authorize answer as it is stored: the execution token is left out, since it can be derived (ADR 0007)
 * and is put in when the answer is rendered; `token_key`, which says with what, is taken out then.
 */
export function authorizeAnswer(facts: AnswerFacts): Record<string, unknown> {
  const challengeId = toTypeId('chl', facts.executionId);
  return {
    decision: facts.decision === 'review' ? 'challenge' : facts.decision,
    execution_ref: toTypeId('exec', facts.executionId),
    policy_ref: facts.policyRef,
    ...(facts.tokenExpiresAt ? { execution_token_expires_at: facts.tokenExpiresAt.toISOString() } : {}),
    ...(facts.decision === 'approved' && facts.tokenKey ? { token_key: facts.tokenKey } : {}),
    ...(facts.decision === 'approved' && facts.routeHint ? { route_hint: facts.routeHint } : {}),
    audit_ref: toTypeId('aud', facts.auditId),
    risk: {
      score: facts.risk.score,
      level: facts.risk.level,
      model_version: facts.risk.modelVersion,
      signals: facts.risk.signals,
    },
    reasons: facts.reasons,
    ...(facts.nextStep ? { next_step: facts.nextStep } : {}),
    risk_payload_jws: facts.riskPayloadJws,
    ...(facts.challengeExpiresAt
      ? {
          challenge: {
            challenge_id: challengeId,
            methods: facts.stepUp ?? [],
            expires_at: facts.challengeExpiresAt.toISOString(),
            approval_url: `${facts.publicUrl}/approve/${challengeId}`,
          },
        }
      : {}),
    ...(facts.reviewExpiresAt ? { review: { expires_at: facts.reviewExpiresAt.toISOString() } } : {}),
  };
}
