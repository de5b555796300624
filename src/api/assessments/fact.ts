import type { AssessmentRecord } from '../../domain/assessments/outcome.ts';
import { riskLevelOf } from '../../domain/assessments/outcome.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Fact } from '../../store/facts.ts';

/** `assessment.completed` for every assessment, and beside it what it was when it is not an approval. */
const EVENTS = {
  approve: ['assessment.completed'],
  review: ['assessment.completed', 'assessment.flagged'],
  deny: ['assessment.completed', 'assessment.denied'],
} as const;

/** The audit entry and the events of an assessment. */
export function assessmentFact(made: {
  tenant: Tenant;
  actor: string;
  contentHash: string;
  mandateId: string;
  agentId: string | null;
  record: Pick<
    AssessmentRecord,
    'id' | 'kind' | 'decision' | 'score' | 'level' | 'reasons' | 'policyVersion' | 'createdAt'
  >;
}): Fact {
  const { tenant, actor, contentHash, agentId, record } = made;
  const subject = toTypeId('asmt', record.id);
  const reasons = record.reasons.map(({ code }) => code);
  const agent = agentId === null ? {} : { agent_id: toTypeId('agt', agentId) };
  const data = {
    org_id: toTypeId('org', tenant.orgId),
    assessment_id: subject,
    kind: record.kind,
    decision: record.decision,
    score: record.score,
    risk_level: riskLevelOf(record),
    reasons,
    ...agent,
    timestamp: record.createdAt,
  };
  return {
    tenant,
    at: new Date(record.createdAt),
    type: 'assessment.decision',
    actor,
    subject,
    body: {
      kind: record.kind,
      decision: record.decision,
      score: record.score,
      reasons,
      mandate_hash: contentHash,
      policy_version: record.policyVersion,
      ...agent,
    },
    events: EVENTS[record.decision].map((type) => ({ type, subject, agentId: agentId ?? undefined, data })),
  };
}
