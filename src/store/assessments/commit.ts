import type { IdentityProof } from '../../domain/assessments/confidences.ts';
import type { AssessmentRecord } from '../../domain/assessments/outcome.ts';
import type { MandateEvidence, OpenMandateSeen } from '../../domain/mandates/evidence.ts';
import type { MandateUse } from '../../domain/mandates/usage.ts';
import type { Explanation, HistoryAnswers } from '../../domain/policy.ts';
import type { Intent, IntentContext, Tenant } from '../../domain/types.ts';
import { DecisionRaced, isRaced } from '../executions/commit-decision.ts';
import { factArguments, type Fact } from '../facts.ts';
import type { Db } from '../pool.ts';
import type { AssessmentRow } from './row.ts';

/** An assessment about to be committed: its record as far as it is known, and what it was made of. */
export interface NewAssessment extends Omit<AssessmentRecord, 'sequence' | 'anchored' | 'mode'> {
  tenant: Tenant;
  contentHash: string;
  modelVersion: string;
  agentProof: IdentityProof;
  agentId: string | null;
  principalId: string | null;
  delegationId: string | null;
  intent: Intent;
  context: IntentContext;
  policyId: string | null;
  explanations: Explanation[];
  a2a: object | null;
  mandate: {
    id: string;
    type: string;
    signed: boolean;
    document: object;
    evidence: MandateEvidence;
    opens: OpenMandateSeen[];
  };
  uses: Record<string, MandateUse>;
  gathered: { at: Date; history?: HistoryAnswers };
  fact: Fact;
}

/**
 * Commits an assessment: mandate, idempotency by its content, what it uses up, audit entry and events, in one
 * statement. Of requests with the same content that come at once one is committed, and the others get it.
 * @returns `prior` when another one was first, else the place in the audit trail
 * @throws DecisionRaced when the facts that were judged no longer hold
 */
export async function commitAssessment(
  db: Db,
  record: NewAssessment,
): Promise<{ sequence: number; mandateId: string } | { prior: AssessmentRow }> {
  const { tenant, mandate } = record;
  const { leafKey, expiresAt, charges } = mandate.evidence;
  const used = { leafKey, expiresAt, charges, opens: mandate.opens };
  const fact = factArguments({ ...record.fact, auditId: record.auditId });
  try {
    const { rows } = await db.query<{
      sequence: number | null;
      mandate_id: string | null;
      prior: AssessmentRow | null;
    }>({
      name: 'commit-assessment',
      text: SQL,
      values: [
        ...fact.values,
        record.id,
        record.contentHash,
        mandate.id,
        record.kind,
        mandate.type,
        mandate.signed,
        JSON.stringify(mandate.document),
        [...mandate.opens.map(({ mandate_key }) => mandate_key), ...(leafKey === undefined ? [] : [leafKey])],
        record.agentId,
        record.principalId,
        record.delegationId,
        record.intent.merchantRef,
        record.intent.amountMinor,
        record.intent.currency,
        expiresAt === undefined ? null : new Date(expiresAt * 1000),
        record.decision,
        record.score,
        record.level,
        JSON.stringify(record.intent),
        JSON.stringify(record.context),
        record.policyId,
        record.policyVersion,
        JSON.stringify(record.reasons),
        JSON.stringify(record.signals),
        record.modelVersion,
        JSON.stringify(record.explanations),
        JSON.stringify(record.confidences),
        record.agent === null ? null : JSON.stringify(record.agent),
        record.riskPayloadJws,
        record.kid,
        record.a2a === null ? null : JSON.stringify(record.a2a),
        JSON.stringify(used),
        record.latencyMs,
        JSON.stringify(record.uses),
        record.gathered.at,
        JSON.stringify(record.gathered.history ?? {}),
        record.context.session_id ?? null,
        record.agentProof,
      ],
    });
    const { sequence, mandate_id, prior } = rows[0]!;
    if (sequence !== null) return { sequence, mandateId: mandate_id! };
    if (prior === null) throw new Error(`no audit head for organization ${tenant.orgId}`);
    return { prior };
  } catch (error) {
    if (isRaced(error)) throw new DecisionRaced('the assessment was overtaken', { cause: error });
    throw error;
  }
}

const SQL = `
WITH standing AS MATERIALIZED (
  SELECT CASE WHEN $27::text = 'deny' THEN true
              WHEN $20::uuid IS NULL AND freeze_on($1, $2, NULL, $21, NULL, $23, NULL) IS NULL THEN true
              WHEN $20 IS NOT NULL AND authority_stands($1, $2, $20, $21, $22, $23) THEN true
              ELSE refuse('withdrawn') END AS ok
), document AS (
  INSERT INTO mandates (id, org_id, mode, content_hash, kind, type, signed, document, mandate_keys, agent_id,
    principal_id, merchant_ref, amount_minor, currency, expires_at, created_at)
  SELECT $14, $1, $2, $13, $15, $16, $17, $18, $19, $20, $21, $23, $24, $25, $26, $4 FROM standing WHERE ok
  ON CONFLICT (org_id, mode, content_hash) DO UPDATE SET content_hash = excluded.content_hash
  RETURNING id
), claimed AS (
  INSERT INTO assessments (id, org_id, mode, content_hash, mandate_id, kind, decision, score, level, agent_id,
    principal_id, delegation_id, intent, context, merchant_ref, amount_minor, currency, policy_id, policy_version,
    reasons, signals, model_version, explanations, confidences, agent, risk_payload_jws, kid, audit_id, a2a, mandate,
    latency_ms, agent_proof, created_at)
  SELECT $12, $1, $2, $13, document.id, $15, $27, $28, $29, $20, $21, $22, $30, $31, $23, $24, $25, $32, $33, $34, $35,
         $36, $37, $38, $39, $40, $41, $3, $42, $43, $44, $49, $4
    FROM document
  ON CONFLICT (org_id, mode, content_hash) DO NOTHING
  RETURNING id, mandate_id
), taken AS MATERIALIZED (
  SELECT claimed.mandate_id, CASE WHEN $27 = 'deny' THEN true
         ELSE take_mandate($1, $2, $12, NULL, $20, $21, $43, $45, $4) END AS ok
    FROM claimed
), fact AS MATERIALIZED (
  SELECT taken.mandate_id, record_fact($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS sequence FROM taken WHERE taken.ok
)
SELECT fact.sequence, fact.mandate_id,
       CASE WHEN fact.sequence IS NULL THEN assessment_record($1, $2, NULL, $13) END AS prior,
       CASE WHEN fact.sequence IS NOT NULL AND $27 <> 'deny'
            THEN policy_still_holds($1, $2, $32, $12, $20, $21, $23, $25, $48, $46, $47) END AS policy
  FROM (SELECT) one LEFT JOIN fact ON true`;
