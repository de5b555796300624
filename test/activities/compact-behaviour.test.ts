import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compactBehaviour } from '../../src/activities/behaviour/compact.ts';
import type { ActivityDeps } from '../../src/activities/deps.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';

let t: TestApi;
let agentId: string;
beforeAll(async () => {
  t = await startTestApi();
  const { body } = await t.api('POST', '/v1/agents', { name: 'Agent', model_hash: 'sha256:00' });
  agentId = (body as { data: { id: string } }).data.id;
});
afterAll(() => t.close());

const DAY_MS = 86_400_000;
const compact = (behaviourRetentionDays: number) =>
  compactBehaviour({ pool: t.deps.pool, now: () => new Date(), behaviourRetentionDays } as ActivityDeps);

async function store(n: number, daysAgo: number, points = 10): Promise<void> {
  const at = new Date(Date.now() - daysAgo * DAY_MS);
  await t.deps.pool.query(
    `INSERT INTO behaviour_events (id, org_id, mode, agent_id, action_type, occurred_at, received_at, points, failed,
                                   factors, details)
     SELECT gen_random_uuid(), $1, 'test', $2, CASE WHEN g % 2 = 0 THEN 'api_call' ELSE 'tool_use' END, $3, $3, $4,
            g % 2 = 0, '[]', '{}' FROM generate_series(1, $5::int) g`,
    [t.tenant.orgId, agentId, at, points, n],
  );
}
async function totals() {
  const { rows } = await t.deps.pool.query<{ kept: number; events: number; failed: number; high: number }>(
    `SELECT (SELECT count(*) FROM behaviour_events WHERE agent_id = $1) AS kept, COALESCE(sum(events), 0)::bigint AS events,
            COALESCE(sum(failed), 0)::bigint AS failed, COALESCE(sum(high), 0)::bigint AS high
       FROM behaviour_days WHERE agent_id = $1`,
    [agentId],
  );
  return rows[0]!;
}

describe('the compaction of behaviour events', () => {
  it('turns what is older than it is kept into daily rows, and loses and doubles nothing, also when two do it at once', async () => {
    await store(4_500, 40);
    await store(300, 39, 90);
    await store(20, 29);
    // The control: for ever is for ever.
    expect(await compact(0)).toMatchObject({ events: 0, more: false });
    const passes = await Promise.all([compact(30), compact(30)]);
    let sum = passes.reduce((total, { events }) => total + events, 0);
    for (let more = true; more;) {
      const pass = await compact(30);
      sum += pass.events;
      more = pass.events > 0;
    }
    expect(sum).toBe(4_800);
    expect(await totals()).toEqual({ kept: 20, events: 4_800, failed: 2_400, high: 300 });
    const { rows } = await t.deps.pool.query(`SELECT DISTINCT day FROM behaviour_days WHERE agent_id = $1`, [agentId]);
    expect(rows).toHaveLength(2);
    const trail = await t.api('GET', '/v1/audit?type=behaviour.compacted&limit=200');
    const recorded = trail.body.data.reduce(
      (total: number, one: { body: { events: number } }) => total + one.body.events,
      0,
    );
    expect(recorded).toBe(4_800);
  });

  it('adds what arrives late to the days that it belongs to', async () => {
    const before = await totals();
    await store(10, 40);
    await compact(30);
    expect(await totals()).toEqual({ ...before, events: before.events + 10, failed: before.failed + 5 });
  });

  it('leaves another organization’s events where they are', async () => {
    const stranger = await t.stranger();
    await t.deps.pool.query(
      `INSERT INTO behaviour_events (id, org_id, mode, agent_id, action_type, occurred_at, received_at, points, failed,
                                     factors, details)
       VALUES (gen_random_uuid(), $1, 'test', $2, 'api_call', now() - interval '1 hour', now(), 5, false, '[]', '{}')`,
      [stranger.tenant.orgId, randomUUID()],
    );
    await compact(1);
    const { rows } = await t.deps.pool.query('SELECT 1 FROM behaviour_events WHERE org_id = $1', [
      stranger.tenant.orgId,
    ]);
    expect(rows).toHaveLength(1);
  });

  it('shows in a report as if the events were there', async () => {
    const from = new Date(Date.now() - 60 * DAY_MS).toISOString();
    const { body } = await t.api('GET', `/v1/compliance/report?agent_id=${agentId}&from=${from}`);
    const events = body.data.sections.find((one: { name: string }) => one.name === 'events');
    const { events: reported, kept } = await totals();
    expect(events.summary.events).toBe(reported + kept);
    expect(events.summary['high risk']).toBe(300);
  });
});
