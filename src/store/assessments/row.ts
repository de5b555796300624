import type { Kind } from '../../domain/assessments/kinds.ts';
import type { AssessedAgent, AssessmentRecord, OutcomeConfidences, Verdict } from '../../domain/assessments/outcome.ts';
import type { ReviewStatus } from '../../domain/review/vote.ts';
import type { Mode, Reason, RiskLevel, RiskSignal } from '../../domain/types.ts';
import type { Refinement } from '../reviews/row.ts';

/** A row of `assessments` as `assessment_record` gives it. */
export interface AssessmentRow {
  id: string;
  mode: Mode;
  content_hash: string;
  mandate_id: string;
  kind: Kind;
  decision: Verdict;
  score: number;
  level: RiskLevel;
  agent_id: string | null;
  policy_version: number | null;
  reasons: Reason[];
  signals: RiskSignal[];
  confidences: OutcomeConfidences;
  agent: AssessedAgent | null;
  risk_payload_jws: string;
  kid: string;
  audit_id: string;
  refinement: string | null;
  /** Of one that waits, or waited, for a person; its times are texts of the database. */
  review: { status: ReviewStatus; closed_at: string | null; refinement: Refinement } | null;
  a2a: Record<string, unknown> | null;
  latency_ms: number;
  created_at: string;
  sequence: number;
  anchored: boolean;
}

export function recordOf(row: AssessmentRow): AssessmentRecord {
  return {
    id: row.id,
    mode: row.mode,
    kind: row.kind,
    decision: row.decision,
    score: row.score,
    level: row.level,
    reasons: row.reasons,
    signals: row.signals,
    confidences: row.confidences,
    policyVersion: row.policy_version,
    riskPayloadJws: row.risk_payload_jws,
    kid: row.kid,
    auditId: row.audit_id,
    sequence: row.sequence,
    anchored: row.anchored,
    refinement: row.review && refinementOf(row.review.refinement),
    review: row.review && {
      status: row.review.status,
      ...(row.review.closed_at === null ? {} : { closedAt: new Date(row.review.closed_at).toISOString() }),
    },
    agent: row.agent,
    latencyMs: row.latency_ms,
    createdAt: new Date(row.created_at).toISOString(),
  };
}

/** What of the second look is told with the outcome; who wants more reads the review. */
function refinementOf({ status, score, findings, model }: Refinement): AssessmentRecord['refinement'] {
  if (status === 'none') return null;
  return {
    status,
    ...(score === undefined ? {} : { score }),
    ...(model === undefined ? {} : { model }),
    ...(findings === undefined ? {} : { findings: findings.filter(({ points }) => points > 0) }),
  };
}
