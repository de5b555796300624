/**
 * What counting costs and saves: reading what a score needs from the counters, beside looking the same up in the
 * executions of an agent; and committing a decision with and without counting it. Milliseconds as seen by one
 * connection on an otherwise idle database, medians of rounds that take turns, and their ratio.
 *
 *   node --import tsx bench/risk.ts [--rounds 30]
 */
import { parseArgs } from 'node:util';
import { addDelegation, approve, type World } from '../test/store/world.ts';
import { newId } from '../src/trust/new-id.ts';
import { insertAgent } from '../src/store/agents.ts';
import { createOrganization } from '../src/store/organizations.ts';
import { upsertPrincipal } from '../src/store/principals.ts';
import { migrate } from '../src/store/migrate.ts';
import { createPool } from '../src/store/pool.ts';
import { setStage } from './stage.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '30' } } });
const rounds = Number(values.rounds);
const PER_ROUND = 20;
const HISTORIES = [0, 1_000, 20_000];

const FEATURES = `SELECT risk_features($1, $2, $3, $4, 'mrc_shop', 'EUR', NULL, 'chatpay', NULL, now(), NULL)`;
/** The same counts by looking at the rows, over exact windows and without bounds. */
const SCAN = `SELECT
  (SELECT count(*) FROM executions WHERE org_id = $1 AND mode = $2 AND agent_id = $3 AND created_at > now() - interval '1 hour'),
  (SELECT count(*) FROM executions WHERE org_id = $1 AND mode = $2 AND agent_id = $3 AND created_at > now() - interval '1 hour'
     AND decision = 'deny'),
  (SELECT count(*) FROM executions WHERE org_id = $1 AND mode = $2 AND agent_id = $3 AND created_at > now() - interval '1 day'),
  (SELECT sum(amount_minor) FROM executions WHERE org_id = $1 AND mode = $2 AND agent_id = $3
     AND created_at > now() - interval '1 day' AND currency = 'EUR' AND decision = 'approved'),
  (SELECT jsonb_agg(x.sum) FROM (SELECT sum(amount_minor) FROM executions WHERE org_id = $1 AND mode = $2 AND agent_id = $3
     AND created_at > now() - interval '30 days' AND currency = 'EUR' AND decision = 'approved'
     GROUP BY date_trunc('day', created_at)) x),
  (SELECT count(*) FROM executions WHERE org_id = $1 AND mode = $2 AND principal_id = $4
     AND created_at > now() - interval '1 hour'),
  (SELECT jsonb_build_array(count(*) FILTER (WHERE captured > 0), count(*) FILTER (WHERE phase = 'failed'),
     count(*) FILTER (WHERE refunded > 0)) FROM payments WHERE org_id = $1 AND mode = $2 AND merchant_ref = 'mrc_shop'
     AND created_at > now() - interval '91 days'),
  EXISTS (SELECT 1 FROM executions WHERE org_id = $1 AND mode = $2 AND agent_id = $3 AND merchant_ref = 'mrc_shop'
     AND decision = 'approved')`;

const median = (numbers: number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

/** An organization with an agent that may pay. */
async function makeWorld(): Promise<World> {
  const tenant = { orgId: await createOrganization(pool, { name: 'Bench' }), mode: 'test' as const };
  const [principalId, agentId] = [newId(), newId()];
  await upsertPrincipal(pool, tenant, principalId, { externalRef: 'bench', type: 'person', name: 'Ada' });
  await insertAgent(pool, tenant, { id: agentId, principalId, name: 'Agent', status: 'active' });
  const delegationId = await addDelegation({ pool, tenant, principalId, agentId });
  return { database: undefined as never, pool, tenant, principalId, agentId, delegationId, mids: [] };
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  for (let i = 0; i < PER_ROUND; i += 1) await run();
  return (performance.now() - began) / PER_ROUND;
}

async function compare(
  what: string,
  one: () => Promise<unknown>,
  other: () => Promise<unknown>,
  switched?: (to: 0 | 1) => Promise<unknown>,
) {
  const found: [number, number][] = [];
  for (let round = -2; round < rounds; round += 1) {
    await switched?.(0);
    const first = await timed(one);
    await switched?.(1);
    const second = await timed(other);
    if (round >= 0) found.push([first, second]);
  }
  const [a, b] = [median(found.map(([x]) => x)), median(found.map(([, y]) => y))];
  const ratio = median(found.map(([x, y]) => x / y));
  console.log(`${what.padEnd(58)} ${a.toFixed(3)} ms beside ${b.toFixed(3)} ms, ratio ${ratio.toFixed(2)}`);
}

/** An agent with so many executions over the last thirty days, the most of them today. */
async function agentWith(w: World, executions: number): Promise<string> {
  const agentId = newId();
  await insertAgent(w.pool, w.tenant, { id: agentId, principalId: w.principalId, name: 'Busy', status: 'active' });
  const model = await approve(w, { agentId });
  await w.pool.query('ALTER TABLE executions DISABLE TRIGGER executions_count_new');
  await w.pool.query(
    `INSERT INTO executions SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid(),
       'workflow_id', gen_random_uuid(), 'created_at', now() - interval '30 days' * power(random(), 4)))).*
       FROM executions e, generate_series(1, $2) WHERE e.id = $1`,
    [model, executions],
  );
  await w.pool.query('ALTER TABLE executions ENABLE TRIGGER executions_count_new');
  await w.pool.query(
    `INSERT INTO risk_counts (org_id, mode, subject_kind, subject, width, bucket, currency, decisions, approved, approved_minor)
     SELECT org_id, mode, 'agent', agent_id::text, width, risk_bucket(width, created_at), currency, count(*), count(*),
            sum(amount_minor)
       FROM executions, unnest(ARRAY['5 min', '1 hour', '1 day']) width
      WHERE agent_id = $1 AND created_at > now() - risk_window(width) GROUP BY 1, 2, 4, 5, 6, 7 ON CONFLICT DO NOTHING`,
    [agentId],
  );
  await w.pool.query('ANALYZE executions, risk_counts');
  return agentId;
}

const stage = await setStage(() => undefined);
const url = await stage.database('risk');
await migrate(url, () => undefined);
// One connection: what is set holds for all of it.
const pool = createPool(url, 1);
await pool.query('SET statement_timeout = 0');
try {
  const w = await makeWorld();
  for (const executions of HISTORIES) {
    const agentId = await agentWith(w, executions);
    const args = [w.tenant.orgId, w.tenant.mode, agentId, w.principalId];
    await compare(
      `reading, ${executions} executions of the agent: counters, scan`,
      () => pool.query({ name: 'features', text: FEATURES, values: args }),
      () => pool.query({ name: 'scan', text: SCAN, values: args }),
    );
  }
  const busy = newId();
  await insertAgent(pool, w.tenant, { id: busy, principalId: w.principalId, name: 'Deciding', status: 'active' });
  await compare(
    'committing a decision: counted, not counted',
    () => approve(w, { agentId: busy }),
    () => approve(w, { agentId: busy }),
    (to) => pool.query(`ALTER TABLE executions ${to === 0 ? 'ENABLE' : 'DISABLE'} TRIGGER executions_count_new`),
  );
} finally {
  await pool.end();
  await stage.stop();
}
