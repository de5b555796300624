import { toTypeId } from '../ids.ts';
import type { TrustTier } from '../trust-score.ts';
import type { Decision, Mode, Reason, RiskLevel, RiskSignal } from '../types.ts';
import type { ReviewStatus } from '../review/vote.ts';
import type { Kind } from './kinds.ts';

export type Verdict = 'approve' | 'review' | 'deny';

/** Five members, each 0 to 1: how sure each part of the pipeline is that nothing is wrong. */
export interface OutcomeConfidences {
  agent_identity: number;
  mandate_validity: number;
  policy_adherence: number;
  behavioral_risk: number;
  recipient_risk: number;
}

/** The agent, and what it had earned at that moment. */
export interface AssessedAgent {
  id: string;
  /** 0 to 100. */
  score: number;
  tier: TrustTier;
}

/** What the second look came to: `score` 0 (usual) to 100, and what made it. */
export interface AssessedAgain {
  status: 'pending' | 'completed' | 'failed';
  score?: number;
  model?: string;
  findings?: { type: string; points: number; detail: string }[];
}

/** An assessment as it is stored: everything that its outcome is made of. */
export interface AssessmentRecord {
  id: string;
  mode: Mode;
  kind: Kind;
  decision: Verdict;
  score: number;
  level: RiskLevel;
  reasons: Reason[];
  signals: RiskSignal[];
  confidences: OutcomeConfidences;
  policyVersion: number | null;
  riskPayloadJws: string;
  kid: string;
  auditId: string;
  sequence: number;
  /** The seal of the audit trail covers it. */
  anchored: boolean;
  /** The second, slower look; null when none was ordered. */
  refinement: AssessedAgain | null;
  /** Of one that waits, or waited, for a person. */
  review: { status: ReviewStatus; closedAt?: string } | null;
  agent: AssessedAgent | null;
  latencyMs: number;
  /** RFC 3339 UTC. */
  createdAt: string;
}

/** Operators answer what a principal would be asked elsewhere: an assessment has nobody to challenge. */
export function verdictOf(decision: Decision): Verdict {
  if (decision === 'approved') return 'approve';
  return decision === 'deny' ? 'deny' : 'review';
}

/** Worst signal dominates; what is denied is always the highest. */
export function riskLevelOf({ decision, level }: Pick<AssessmentRecord, 'decision' | 'level'>) {
  if (decision === 'deny' || level === 'high') return 'highest';
  return level;
}

/** The published outcome object, from the record alone: the same for the first answer, a repeat and every reading. */
export function outcomeOf(record: AssessmentRecord, verifyUrl: string) {
  // Member by member: what the database gives back has lost their order.
  const { confidences } = record;
  return {
    object: 'assessment' as const,
    id: toTypeId('asmt', record.id),
    created: record.createdAt,
    livemode: record.mode === 'live',
    kind: record.kind,
    outcome: {
      decision: record.decision,
      risk_level: riskLevelOf(record),
      risk_score: record.score,
      reason: record.decision === 'approve' ? 'approved' : (record.reasons[0]?.code ?? record.decision),
      policy_version: record.policyVersion,
    },
    confidences: {
      agent_identity: confidences.agent_identity,
      mandate_validity: confidences.mandate_validity,
      policy_adherence: confidences.policy_adherence,
      behavioral_risk: confidences.behavioral_risk,
      recipient_risk: confidences.recipient_risk,
    },
    signals: record.signals.map(({ category, type, severity, points, detail }) => ({
      category,
      type,
      severity,
      points,
      detail,
    })),
    rejection_reasons: record.reasons.map(({ code, category, message }) => ({
      key: code,
      category,
      description: message,
    })),
    risk_payload: { jws: record.riskPayloadJws, kid: record.kid, alg: 'EdDSA' as const, verify_url: verifyUrl },
    audit: {
      entry_id: toTypeId('ae', record.auditId),
      sequence: record.sequence,
      status: record.anchored ? ('anchored' as const) : ('pending' as const),
    },
    refinement: record.refinement && {
      status: record.refinement.status,
      score: record.refinement.score,
      model: record.refinement.model,
      findings: record.refinement.findings?.map(({ type, points, detail }) => ({ type, points, detail })),
    },
    review: record.review && { status: record.review.status, closed_at: record.review.closedAt },
    agent: record.agent && {
      id: toTypeId('agt', record.agent.id),
      trust_score: record.agent.score,
      risk_tier: record.agent.tier,
    },
    latency_ms: record.latencyMs,
  };
}
