import type { BudgetCharge } from '../../domain/authority.ts';
import type { PresentedMandate } from '../../domain/mandates/evidence.ts';
import type { MandateUse } from '../../domain/mandates/usage.ts';
import type { Explanation, HistoryAnswers } from '../../domain/policy.ts';
import type { RoutePlan } from '../../domain/routing.ts';
import type { Decision, Intent, IntentContext, Reason, Risk, Tenant } from '../../domain/types.ts';
import { factArguments, type Fact } from '../facts.ts';
import type { Db } from '../pool.ts';

export interface DecisionRecord {
  tenant: Tenant;
  executionId: string;
  workflowId: string;
  runId: string;
  key: string;
  fingerprint: string;
  stage: string;
  decision: Decision;
  agentId: string;
  principalId: string;
  delegationId: string | null;
  /** Printed ids of what it was asked for with. */
  credentials: string[];
  intent: Intent;
  context: IntentContext;
  policyId: string | null;
  risk: Risk;
  reasons: Reason[];
  explanations: Explanation[];
  plan: RoutePlan & { id: string };
  riskPayloadJws: string;
  auditId: string;
  tokenExpiresAt: Date | null;
  challengeExpiresAt: Date | null;
  challengeAttempts: number | null;
  reviewExpiresAt: Date | null;
  charges: BudgetCharge[];
  /** When the facts were gathered, and what was answered of the past: a decision that lets something happen is refused
   * when this no longer holds. */
  gathered?: { at: Date; history?: HistoryAnswers };
  /** The mandate that it stands under, which an approval or a wait uses up. */
  mandate?: HeldMandate;
  /** What the watched policy would have decided. */
  observation?: Observation;
  answer: object;
  at: Date;
  fact: Fact;
}

/** A mandate with the id and the document that it is kept under. */
export interface HeldMandate {
  id: string;
  evidence: Omit<PresentedMandate, 'sealedDocument'>;
  document: string;
  /** What was gathered of its use. */
  uses: Record<string, MandateUse>;
}

/** A decision that was not taken. */
export interface Observation {
  policyId: string;
  decision: Decision;
  explanations: Explanation[];
}

/** Budget spent, key taken, authority withdrawn or frozen meanwhile: gather again and decide again. */
export class DecisionRaced extends Error {
  override readonly name = 'DecisionRaced';
}

/**
 * Commits a decision: idempotency key, running totals of the whole chain, use of the mandate, execution, audit entry, events — one
 * statement, one round trip, one commit. Totals are charged by conditional updates, in the order of ids, so that chains
 * with common ancestors do not block each other for good. When a total does not fit any more, or a cap on exposure
 * would be passed, nothing of the statement remains. What is no denial commits only while its authority stands:
 * `authority_stands` looks after the lock that orders it against stops, and before any row is locked.
 * @throws DecisionRaced when the facts that were judged no longer hold
 */
export async function commitDecision(db: Db, record: DecisionRecord): Promise<{ sequence: number }> {
  const { tenant } = record;
  const fact = factArguments({ ...record.fact, auditId: record.auditId });
  try {
    const { rows } = await db.query<{ sequence: number }>({
      name: 'commit-decision',
      text: SQL,
      values: [
        ...fact.values,
        record.key,
        record.fingerprint,
        record.executionId,
        record.workflowId,
        record.runId,
        record.stage,
        record.decision,
        record.agentId,
        record.principalId,
        record.delegationId,
        JSON.stringify(record.intent),
        JSON.stringify(record.context),
        record.intent.amountMinor,
        record.intent.currency,
        record.intent.merchantRef,
        record.policyId,
        JSON.stringify(record.risk),
        JSON.stringify(record.reasons),
        JSON.stringify(record.explanations),
        JSON.stringify(record.plan),
        record.riskPayloadJws,
        record.tokenExpiresAt,
        record.challengeExpiresAt === null ? null : 'open',
        record.challengeAttempts,
        record.challengeExpiresAt,
        record.reviewExpiresAt,
        record.charges.length > 0 || (record.mandate && record.decision !== 'deny') ? record.intent.amountMinor : 0,
        record.decision !== 'deny',
        JSON.stringify(record.answer),
        JSON.stringify(record.charges),
        record.gathered?.at ?? record.at,
        record.context.session_id ?? null,
        JSON.stringify(record.gathered?.history ?? {}),
        record.observation?.policyId ?? null,
        record.observation?.decision ?? null,
        JSON.stringify(record.observation?.explanations ?? []),
        record.mandate ? JSON.stringify(record.mandate.evidence) : null,
        JSON.stringify(record.mandate?.uses ?? {}),
        record.mandate?.id ?? null,
        record.mandate?.document ?? null,
        record.credentials,
      ],
    });
    if (!rows[0]) throw new Error(`no audit head for organization ${tenant.orgId}`);
    return rows[0];
  } catch (error) {
    if (isRaced(error)) throw new DecisionRaced('the decision was overtaken', { cause: error });
    throw error;
  }
}

const UNIQUE_VIOLATION = '23505';
const REFUSED = 'PK001';
const DEADLOCK = '40P01';

export function isRaced(error: unknown): boolean {
  const code = (error as { code?: string }).code;
  return code === UNIQUE_VIOLATION || code === REFUSED || code === DEADLOCK;
}

const SQL = `
WITH standing AS MATERIALIZED (
  SELECT CASE WHEN $18::text = 'deny' THEN true
              WHEN NOT authority_stands($1, $2, $19, $20, $21, $26) THEN refuse('withdrawn')
              WHEN credentials_stand($1, $2, $52) THEN true
              ELSE refuse('withdrawn') END AS ok
), charge AS (
  SELECT c.* FROM standing, jsonb_to_recordset($41::jsonb)
    AS c("delegationId" uuid, "window" bigint, "amountMinor" bigint, "limitMinor" bigint)
   WHERE standing.ok
), held AS (
  SELECT d.id FROM delegations d WHERE d.id IN (SELECT "delegationId" FROM charge) ORDER BY d.id FOR NO KEY UPDATE
), charged AS (
  UPDATE delegations d
     SET budget_spent = CASE WHEN d.budget_window = c."window" THEN d.budget_spent ELSE 0 END + c."amountMinor",
         budget_window = c."window"
    FROM charge c JOIN held h ON h.id = c."delegationId"
   WHERE d.id = h.id AND d.status = 'active' AND d.budget_window <= c."window"
     AND CASE WHEN d.budget_window = c."window" THEN d.budget_spent ELSE 0 END + c."amountMinor" <= c."limitMinor"
  RETURNING d.id
), fits AS (
  SELECT CASE WHEN (SELECT count(*) FROM charged) = (SELECT count(*) FROM charge) THEN true
              ELSE refuse('budget') END AS ok
), document AS (
  INSERT INTO mandates (id, org_id, mode, content_hash, kind, type, signed, document, mandate_keys, agent_id,
    principal_id, merchant_ref, amount_minor, currency, expires_at, created_at)
  SELECT $50::uuid, $1, $2, $48::jsonb->>'contentHash', 'ap2_payment', $48->>'type', true, $51::json,
         ARRAY(SELECT o->>'mandate_key' FROM jsonb_array_elements($48->'opens') o) || array_remove(ARRAY[$48->>'leafKey'], NULL),
         $19, $20, $26, $24, $25, to_timestamp(($48->>'expiresAt')::float8), $4
    FROM fits WHERE fits.ok AND $48 IS NOT NULL
  ON CONFLICT (org_id, mode, content_hash) DO UPDATE SET content_hash = excluded.content_hash
  RETURNING id
), taken AS MATERIALIZED (
  SELECT CASE WHEN $48 IS NULL OR $18 = 'deny' THEN true
              ELSE take_mandate($1, $2, NULL, $14, $19, $20, $48, $49, $4) END AS ok
    FROM fits LEFT JOIN document ON true WHERE fits.ok
), key AS (
  INSERT INTO idempotency_keys (org_id, mode, key, fingerprint, status, execution_id, created_at)
  SELECT $1, $2, $12, $13, 200, $14, $4 FROM taken, standing WHERE taken.ok AND standing.ok
  RETURNING key
), execution AS (
  INSERT INTO executions (id, org_id, mode, workflow_id, run_id, stage, decision, agent_id, principal_id, delegation_id,
    intent, context, amount_minor, currency, merchant_ref, policy_id, risk, reasons, explanations, route_plan,
    risk_payload_jws, audit_id, token_expires_at, challenge_status, challenge_attempts_left, challenge_expires_at,
    review_expires_at, budget_minor, budget_charges, answer, mandate, created_at, updated_at)
  SELECT $14, $1, $2, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $3,
         $33, $34, $35, $36, $37, $38, $41::jsonb, $40, $48, $4, $4
    FROM key
  RETURNING id
), fact AS (
  SELECT record_fact($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS sequence FROM execution
)
SELECT sequence,
       CASE WHEN $39::boolean THEN refuse_over_exposure($1, $2, $19, $20, $25) END AS exposure,
       CASE WHEN $39::boolean THEN policy_still_holds($1, $2, $27, $14, $19, $20, $26, $25, $43, $42, $44) END AS policy,
       CASE WHEN $45::uuid IS NOT NULL THEN note_observation($45, $14, $18, $46, $4, $47)::text END AS observed
  FROM fact`;
