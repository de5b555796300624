import { seedDemo } from '../../src/store/demo-seed.ts';
import { migrate } from '../../src/store/migrate.ts';
import { createPool } from '../../src/store/pool.ts';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { newId } from '../../src/trust/new-id.ts';
import type { Stage } from '../stage.ts';

/** Who pays in a run: one organization, one principal, many agents with a delegation each. */
export interface Organization {
  orgId: string;
  apiKey: string;
  principalId: string;
  agentIds: string[];
}

/**
 * Enough that none acts often: past five actions an hour an agent's risk rises, past fifty each is challenged, and a
 * run would measure challenges.
 */
const AGENTS = 4_000;

/** A migrated database with an organization whose every lifecycle is approved. */
export async function prepareDatabase(stage: Stage): Promise<{ databaseUrl: string; organization: Organization }> {
  const databaseUrl = await stage.database('prokura');
  await migrate(databaseUrl, () => undefined);
  return { databaseUrl, organization: await seedOrganization(databaseUrl, stage) };
}

/** Agents and delegations are written directly, in bulk. */
async function seedOrganization(databaseUrl: string, stage: Stage): Promise<Organization> {
  const { PROKURA_DATA_KEY: dataKey } = stage.keys;
  const { org_id, api_key } = await seedDemo(databaseUrl, { simulatorUrl: stage.processorUrl, dataKey });
  const orgId = parseId(org_id, 'org')!;
  const principalId = newId();
  const agentIds = Array.from({ length: AGENTS }, () => newId());
  const delegationIds = agentIds.map(() => newId());
  const scope = { actions: ['payment.authorize'] };
  const pool = createPool(databaseUrl, 1);
  try {
    await pool.query(
      `INSERT INTO principals (id, org_id, mode, external_ref, type, name) VALUES ($1, $2, 'test', 'bench', 'person', 'Bench')`,
      [principalId, orgId],
    );
    await pool.query(
      `INSERT INTO agents (id, org_id, mode, principal_id, name, model_hash, created_at)
       SELECT id, $2, 'test', $3, 'bench', 'sha256:bench', now() - interval '30 days' FROM unnest($1::uuid[]) AS id`,
      [agentIds, orgId, principalId],
    );
    await pool.query(
      `INSERT INTO delegations (id, org_id, mode, principal_id, agent_id, scope, expires_at)
       SELECT id, $3, 'test', $4, agent_id, $5, now() + interval '1 day'
       FROM unnest($1::uuid[], $2::uuid[]) AS pair (id, agent_id)`,
      [delegationIds, agentIds, orgId, principalId, JSON.stringify(scope)],
    );
    await pool.query('ANALYZE');
  } finally {
    await pool.end();
  }
  return {
    orgId: org_id,
    apiKey: api_key,
    principalId: toTypeId('prn', principalId),
    agentIds: agentIds.map((id) => toTypeId('agt', id)),
  };
}
