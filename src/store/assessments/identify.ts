import type { KnownAgent, KnownKey } from '../../domain/assessments/agent.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { AssessmentRow } from './row.ts';

export interface Identified {
  /** The assessment of the same content, when there is one. */
  prior: AssessmentRow | null;
  keys: (KnownKey & { jwk: Record<string, unknown> })[];
  agents: KnownAgent[];
}

/** Everything that is registered about a mandate's agent, and whether the mandate was assessed before: one round trip. */
export async function identifyPresented(
  db: Db,
  tenant: Tenant,
  asked: {
    contentHash: string;
    thumbprints: string[];
    agentIds: string[];
    dids: string[];
    /** The principal that the request names, or the organization. */
    principalId?: string;
    now: Date;
  },
): Promise<Identified> {
  const { rows } = await db.query<Identified>({
    name: 'identify-presented',
    text: `
WITH key AS (
  SELECT k.* FROM agent_keys k WHERE k.org_id = $1 AND k.mode = $2 AND k.thumbprint = ANY ($4)
), agent AS (
  SELECT a.* FROM agents a WHERE a.org_id = $1 AND a.mode = $2
     AND (a.id = ANY ($5) OR a.id IN (SELECT k.agent_id FROM key k))
  UNION
  SELECT a.* FROM agents a WHERE a.org_id = $1 AND a.mode = $2 AND a.did = ANY ($6)
)
SELECT assessment_record($1, $2, NULL, $3) AS prior,
       COALESCE((SELECT jsonb_agg(jsonb_build_object('thumbprint', k.thumbprint, 'agentId', k.agent_id, 'jwk', k.jwk,
           'live', k.status = 'active' AND (k.not_after IS NULL OR k.not_after > $8))) FROM key k), '[]') AS keys,
       COALESCE((SELECT jsonb_agg(jsonb_build_object('id', a.id, 'principalId', a.principal_id,
           'delegated', EXISTS (SELECT 1 FROM delegations d WHERE d.org_id = $1 AND d.mode = $2 AND d.agent_id = a.id
              AND d.principal_id IS NOT DISTINCT FROM NULLIF(COALESCE($7, a.principal_id, $1), $1))) ORDER BY a.id)
         FROM agent a), '[]') AS agents`,
    values: [
      tenant.orgId,
      tenant.mode,
      asked.contentHash,
      asked.thumbprints,
      asked.agentIds,
      asked.dids,
      asked.principalId ?? null,
      asked.now,
    ],
  });
  return rows[0]!;
}
