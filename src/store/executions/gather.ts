import type { Circumstances } from '../../domain/circumstances.ts';
import type { DecisionContext } from '../../domain/decision-context.ts';
import type { HistoryFact, PolicyRules } from '../../domain/policy.ts';
import type { Tenant } from '../../domain/types.ts';
import { zonesOf } from '../../domain/scope/hours.ts';
import type { Db } from '../pool.ts';
import { TRUST_STATE } from '../agent-trust.ts';
import { midsSql, ROUTING_SQL } from '../routing/gather.ts';
import { clocksAt } from './clocks.ts';

export interface GatherQuestion {
  tenant: Tenant;
  agentId: string | null;
  /** A principal's id, or the organization's own. */
  principalId: string | null;
  delegationId?: string;
  merchantRef: string;
  currency: string;
  now: Date;
  /** The Idempotency-Key, when a decision under it may exist already. */
  key?: string;
  /** Judge by this policy instead of the active one. */
  policyId?: string;
  /** Judge by these rules, which are no policy's. */
  inline?: { rules: PolicyRules; history: HistoryFact[] };
  /** The caller's session, for what a policy asks of it. */
  sessionId?: string;
  /** What the intent and its circumstances name, for what is new about them. */
  circumstances?: Circumstances;
  /** The execution that is decided again: it does not count against itself. */
  exceptExecution?: string;
  /** Printed ids of what the request was made with: `key_…`, `client_…`. */
  credentials?: string[];
  /** Names of the signed mandates that were presented. */
  mandateKeys?: string[];
}

export interface Gathered extends DecisionContext {
  /** The execution decided under `key` before. */
  prior: {
    id: string;
    decision: string;
    stage: string;
    reason_code: string | null;
    /** End of the wait that its stage has; null for stages without one. */
    wait_until: string | null;
  } | null;
  /** What holds the key, when something does. */
  claimed: boolean;
  /** The clock of the database when it answered, Unix milliseconds. */
  databaseMs: number;
}

/**
 * Reads everything a decision needs in one round trip. Counts are bounded (LIMIT), so that a busy agent does not make
 * its own decisions slow: a velocity rule needs to know "at least its limit", not how far beyond.
 */
export async function gatherContext(db: Db, question: GatherQuestion): Promise<Gathered> {
  const { tenant, now, circumstances = {} } = question;
  const { rows } = await db.query<{ gathered: Omit<Gathered, 'nowMs' | 'clocks'> }>({
    name: 'gather-context',
    text: SQL,
    values: [
      tenant.orgId,
      tenant.mode,
      question.agentId,
      question.principalId,
      question.delegationId ?? null,
      question.merchantRef,
      question.currency,
      now,
      question.key ?? null,
      question.policyId ?? null,
      question.inline ? JSON.stringify(question.inline) : null,
      question.sessionId ?? null,
      question.exceptExecution ?? null,
      circumstances.deviceId ?? null,
      circumstances.channel ?? null,
      circumstances.country ?? null,
      question.mandateKeys ?? [],
      question.credentials ?? [],
    ],
  });
  const { gathered } = rows[0]!;
  const zones = gathered.delegations.flatMap((delegation) => zonesOf(delegation.scope.hours));
  return { ...gathered, nowMs: now.getTime(), clocks: clocksAt(now, zones) };
}

const SQL = `
WITH RECURSIVE chain AS (
  SELECT d.* FROM delegations d
   WHERE d.org_id = $1 AND d.mode = $2 AND d.agent_id = $3
     AND d.principal_id IS NOT DISTINCT FROM (CASE WHEN $4 = $1 THEN NULL ELSE $4 END)::uuid
     AND ($5::uuid IS NULL AND d.status = 'active' AND d.expires_at > $8 OR d.id = $5)
  UNION
  SELECT p.* FROM delegations p JOIN chain c ON p.id = c.parent_id
), policy AS (
  SELECT id, name, version, rules, history FROM policies
   WHERE org_id = $1 AND mode = $2 AND $11::jsonb IS NULL
     AND CASE WHEN $10::uuid IS NULL THEN status = 'active' ELSE id = $10 END
  UNION ALL
  SELECT '00000000-0000-0000-0000-000000000000', 'inline', 0, $11->'rules', $11->'history' WHERE $11 IS NOT NULL
), observed AS (
  SELECT id, name, version, rules, history FROM policies
   WHERE org_id = $1 AND mode = $2 AND observing_since IS NOT NULL AND $10::uuid IS NULL AND $11::jsonb IS NULL
)
SELECT jsonb_build_object(
  'prior', (SELECT jsonb_build_object('id', e.id, 'decision', e.decision, 'stage', e.stage,
                                      'reason_code', e.reasons->0->>'code',
                                      'wait_until', CASE e.stage WHEN 'approved' THEN e.token_expires_at
                                        WHEN 'challenged' THEN e.challenge_expires_at
                                        WHEN 'in_review' THEN e.review_expires_at END)
              FROM executions e JOIN idempotency_keys k ON k.execution_id = e.id
             WHERE k.org_id = $1 AND k.mode = $2 AND k.key = $9),
  'claimed', EXISTS (SELECT 1 FROM idempotency_keys k WHERE k.org_id = $1 AND k.mode = $2 AND k.key = $9),
  'databaseMs', floor(extract(epoch FROM clock_timestamp()) * 1000),
  'agent', (SELECT jsonb_build_object('id', a.id, 'status', a.status,
                                      'createdAtMs', floor(extract(epoch FROM a.created_at) * 1000),
                                      'trust', (${TRUST_STATE} WHERE t.agent_id = a.id))
              FROM agents a WHERE a.org_id = $1 AND a.mode = $2 AND a.id = $3),
  'principal', CASE WHEN $4 = $1
    THEN (SELECT jsonb_build_object('id', o.id, 'kind', 'organization', 'status', o.status, 'stepUp', '[]'::jsonb)
            FROM organizations o WHERE o.id = $1)
    ELSE (SELECT jsonb_build_object('id', p.id, 'kind', 'principal', 'status', p.status,
                                    'stepUp',
              CASE WHEN p.totp_secret_sealed IS NULL THEN '[]'::jsonb ELSE '["totp"]' END ||
              CASE WHEN EXISTS (SELECT 1 FROM principal_passkeys k WHERE k.principal_id = p.id AND k.removed_at IS NULL)
                   THEN '["webauthn"]'::jsonb ELSE '[]' END)
            FROM principals p WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $4) END,
  'delegations', COALESCE((SELECT jsonb_agg(jsonb_build_object(
      'id', c.id, 'parentId', c.parent_id, 'principalId', c.principal_id, 'agentId', c.agent_id, 'scope', c.scope,
      'agentStatus', (SELECT a.status FROM agents a WHERE a.id = c.agent_id), 'status', c.status, 'notBeforeMs', floor(extract(epoch FROM c.not_before) * 1000),
      'expiresAtMs', floor(extract(epoch FROM c.expires_at) * 1000),
      'createdAtMs', floor(extract(epoch FROM c.created_at) * 1000),
      'budgetWindow', c.budget_window, 'budgetSpent', c.budget_spent) ORDER BY c.id) FROM chain c), '[]'),
  'freezes', COALESCE((SELECT jsonb_agg(jsonb_build_object('kind', s.target_kind, 'target', s.target))
      FROM stops s WHERE s.org_id = $1 AND s.mode = $2 AND s.kind = 'freeze' AND s.lifted_at IS NULL
       AND CASE s.target_kind
             WHEN 'organization' THEN true
             WHEN 'agent' THEN s.target = ($3::uuid)::text OR s.target IN (SELECT c.agent_id::text FROM chain c)
             WHEN 'principal' THEN s.target = ($4::uuid)::text OR s.target IN (SELECT c.principal_id::text FROM chain c)
             WHEN 'merchant' THEN s.target = $6
           END), '[]'),
  'credentialRevoked', EXISTS (SELECT 1 FROM stops s WHERE s.org_id = $1 AND s.mode = $2 AND s.kind = 'revocation'
      AND s.target_kind = 'credential' AND s.target = ANY ($18::text[])),
  'policy', (SELECT to_jsonb(policy) - 'history' FROM policy),
  'observedPolicy', (SELECT to_jsonb(observed) - 'history' FROM observed),
  'history', (SELECT history_answers(jsonb_agg(DISTINCT f), $1, $2, $3, $4, $6, $7, $12, $8, $13)
                FROM (SELECT history FROM policy UNION ALL SELECT history FROM observed) p,
                     jsonb_array_elements(p.history) f),
  'behaviour', (SELECT jsonb_build_object('events', count(*), 'score', LEAST(100, COALESCE(floor(max(
        b.points * (1 - extract(epoch FROM $8 - b.occurred_at) / 86400))), 0))) FROM (
      SELECT e.points, e.occurred_at FROM behaviour_events e WHERE e.org_id = $1 AND e.mode = $2 AND e.agent_id = $3
         AND e.points >= 75 AND e.occurred_at > $8 - interval '1 day' AND e.received_at > COALESCE((
           SELECT w.counted_since FROM agent_watches w WHERE w.org_id = $1 AND w.mode = $2 AND w.agent_id = $3),
           '-infinity')
       ORDER BY e.occurred_at DESC LIMIT 100) b),
  'certificate', (SELECT jsonb_build_object('status',
      CASE WHEN c.status = 'active' AND c.expires_at <= $8 THEN 'expired' ELSE c.status END)
      FROM certificates c WHERE c.org_id = $1 AND c.mode = $2 AND c.agent_id = $3
     ORDER BY c.status = 'active' DESC, c.id DESC LIMIT 1),
  'mids', ${midsSql('$8')},
  'routing', ${ROUTING_SQL},
  'velocityCount', COALESCE((SELECT velocity_count(rules->'velocity', $1, $2, $3, $4, $6, $8, $13) FROM policy), 0),
  'observedVelocityCount',
    COALESCE((SELECT velocity_count(rules->'velocity', $1, $2, $3, $4, $6, $8, $13) FROM observed), 0),
  'features', risk_features($1, $2, $3, $4, $6, $7, $14, $15, $16, $8, $13),
  'riskConfig', (SELECT jsonb_build_object('version', r.version, 'config', r.config) FROM risk_configs r
                  WHERE r.org_id = $1 AND r.mode = $2 ORDER BY r.version DESC LIMIT 1),
  'mandateUses', (SELECT jsonb_object_agg(u.mandate_key, jsonb_build_object('spentMinor', u.spent_minor,
      'occurrences', u.occurrences, 'lastAt', extract(epoch FROM u.last_at), 'assessmentId', u.assessment_id,
      'executionId', u.execution_id))
      FROM mandate_uses u WHERE u.org_id = $1 AND u.mode = $2 AND u.mandate_key = ANY ($17::text[])),
  'exposureCaps', COALESCE((SELECT jsonb_agg(jsonb_build_object('party', x.party, 'capMinor', x.cap_minor,
      'openMinor', CASE WHEN x.cap_minor IS NULL THEN 0 ELSE open_exposure($1, $2, x.party, x.party_id, $7) END))
      FROM (SELECT c.party, c.party_id, max(c.cap_minor) FILTER (WHERE c.currency = $7) AS cap_minor
              FROM exposure_caps c WHERE c.org_id = $1 AND c.mode = $2 AND c.party_id IN ($3, $4) GROUP BY 1, 2) x), '[]')
) AS gathered`;
