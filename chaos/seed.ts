import { parseId, toTypeId } from '../src/domain/ids.ts';
import { seedDemo } from '../src/store/demo-seed.ts';
import { createPool } from '../src/store/pool.ts';
import { newId } from '../src/trust/new-id.ts';
import type { Stage } from './stage.ts';

/** Who acts: one organization with many agents of long standing, and another one that has no business here. */
export interface Seed {
  orgId: string;
  apiKey: string;
  strangerKey: string;
  principalId: string;
  /** Each with one delegation, up to 500.00 EUR an action and 5,000.00 in all. */
  agents: { agentId: string; delegationId: string }[];
}

/** How far beyond a hold the accounts take a capture. */
export const OVERCAPTURE_PERCENT = 15;

/** So many that none acts often, which would be a risk and end in challenges. */
const AGENTS = 2_000;

/** Agents and delegations are written directly, in bulk. */
export async function seedCast({ databaseUrl, simulatorUrl, dataKey }: Stage): Promise<Seed> {
  const tenant = await seedDemo(databaseUrl, { simulatorUrl, dataKey });
  const stranger = await seedDemo(databaseUrl, { simulatorUrl, dataKey });
  const orgId = parseId(tenant.org_id, 'org')!;
  const principalId = newId();
  const agents = Array.from({ length: AGENTS }, () => ({ agentId: newId(), delegationId: newId() }));
  const scope = {
    actions: ['payment.authorize', 'payment.refund'],
    currencies: ['EUR'],
    maxAmountMinor: 500_00,
    maxTotal: { amountMinor: 5_000_00, currency: 'EUR', window: 'lifetime' },
  };
  const pool = createPool(databaseUrl, 1);
  try {
    await pool.query(
      `INSERT INTO principals (id, org_id, mode, external_ref, type, name) VALUES ($1, $2, 'test', 'chaos', 'person', 'Ada')`,
      [principalId, orgId],
    );
    await pool.query(
      `INSERT INTO agents (id, org_id, mode, principal_id, name, model_hash, created_at)
       SELECT id, $2, 'test', $3, 'chaos', 'sha256:chaos', now() - interval '30 days' FROM unnest($1::uuid[]) AS id`,
      [agents.map(({ agentId }) => agentId), orgId, principalId],
    );
    await pool.query(
      `INSERT INTO delegations (id, org_id, mode, principal_id, agent_id, scope, expires_at)
       SELECT id, $3, 'test', $4, agent_id, $5, now() + interval '1 day'
       FROM unnest($1::uuid[], $2::uuid[]) AS pair (id, agent_id)`,
      [
        agents.map(({ delegationId }) => delegationId),
        agents.map(({ agentId }) => agentId),
        orgId,
        principalId,
        JSON.stringify(scope),
      ],
    );
    await pool.query('UPDATE mids SET capabilities = $2 WHERE org_id = $1', [
      orgId,
      JSON.stringify({ overcapture: true, overcapture_percent: OVERCAPTURE_PERCENT }),
    ]);
    await pool.query('ANALYZE');
  } finally {
    await pool.end();
  }
  return {
    orgId,
    apiKey: tenant.api_key,
    strangerKey: stranger.api_key,
    principalId: toTypeId('prn', principalId),
    agents: agents.map(({ agentId, delegationId }) => ({
      agentId: toTypeId('agt', agentId),
      delegationId: toTypeId('del', delegationId),
    })),
  };
}
