import { Pool } from 'pg';
import { selfCommand } from '../../src/cli/paths.ts';
import { status } from '../../src/cli/start/programs.ts';
import { type Log, step } from '../../src/cli/output.ts';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { newId } from '../../src/trust/new-id.ts';
import { prepareDatabase, type Organization } from '../prokura/seed.ts';
import { serviceRole } from '../prokura/service.ts';
import type { Stage } from '../stage.ts';

/** The demo organization has the first two. */
export const PROCESSORS = ['alpha', 'beta', 'gamma', 'delta'] as const;

/** The service, the simulator with its four processors, and an organization whose agents can be made to wait. */
export interface FreezeStage {
  url: string;
  simulatorUrl: string;
  organization: Organization;
  /** Delegations that demand a step-up, one for each agent. */
  cautious: { agentId: string; delegationId: string }[];
  /** The delegation of each agent that demands none. */
  plain: string[];
  pool: Pool;
}

export async function setFreezeStage(stage: Stage, log: Log): Promise<FreezeStage> {
  const { databaseUrl, organization } = await prepareDatabase(stage);
  const simulatorUrl = `http://127.0.0.1:${await stage.port()}`;
  const { command, args } = selfCommand(['simulator']);
  await step(log, 'simulator', async () =>
    stage.start({
      name: 'simulator',
      command,
      args,
      env: {
        PROKURA_SUPERVISED: '1',
        DATABASE_URL: await stage.database('simulator'),
        PORT: new URL(simulatorUrl).port,
      },
      endsWithStdin: true,
      stopWithinMs: 10_000,
      readyWithinMs: 60_000,
      ready: async () => (await status(`${simulatorUrl}/health`)) === 200,
    }),
  );
  const pool = new Pool({ connectionString: databaseUrl, max: 4 });
  const plain = await plainDelegations(pool, organization);
  const cautious = await prepareOrganization(pool, organization, simulatorUrl);
  const url = `http://127.0.0.1:${await stage.port()}`;
  await step(log, 'service', () =>
    stage.start(serviceRole({ role: 'serve', name: 'service', url, databaseUrl, stage, fast: false })),
  );
  return { url, simulatorUrl, organization, cautious, plain, pool };
}

async function prepareOrganization(
  pool: Pool,
  { orgId, principalId, agentIds }: Organization,
  simulatorUrl: string,
): Promise<FreezeStage['cautious']> {
  const org = parseId(orgId, 'org')!;
  await pool.query(`UPDATE mids SET base_url = $1 WHERE org_id = $2`, [simulatorUrl, org]);
  for (const [index, processor] of PROCESSORS.slice(2).entries()) {
    await pool.query(
      `INSERT INTO mids (id, org_id, mode, processor, mid, kind, priority, base_url, api_key_sealed)
       SELECT $1, org_id, mode, $2, $2 || '-demo', kind, $3, base_url, api_key_sealed FROM mids
        WHERE org_id = $4 AND processor = 'alpha'`,
      [newId(), processor, 30 + index, org],
    );
  }
  // Nobody answers a challenge here: that there is an authenticator is enough.
  await pool.query(`UPDATE principals SET totp_secret_sealed = 'unused' WHERE id = $1`, [parseId(principalId, 'prn')]);
  const cautious = agentIds.map((agentId) => ({ agentId, delegationId: newId() }));
  await pool.query(
    `INSERT INTO delegations (id, org_id, mode, principal_id, agent_id, scope, expires_at)
     SELECT id, $3, 'test', $4, agent_id, $5, now() + interval '1 day' FROM unnest($1::uuid[], $2::uuid[]) AS pair (id, agent_id)`,
    [
      cautious.map(({ delegationId }) => delegationId),
      cautious.map(({ agentId }) => parseId(agentId, 'agt')),
      org,
      parseId(principalId, 'prn'),
      JSON.stringify({ actions: ['payment.authorize'], stepUpAbove: { amountMinor: 1, currency: 'USD' } }),
    ],
  );
  return cautious;
}

async function plainDelegations(pool: Pool, { agentIds }: Organization): Promise<string[]> {
  const { rows } = await pool.query<{ id: string; agentId: string }>(
    'SELECT id, agent_id AS "agentId" FROM delegations',
  );
  const byAgent = new Map(rows.map(({ id, agentId }) => [agentId, toTypeId('del', id)]));
  return agentIds.map((agentId) => byAgent.get(parseId(agentId, 'agt')!)!);
}
