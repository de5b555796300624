import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../journeys/journey.ts';
import { install, type Installation, type ServiceProcess } from './processes.ts';

let t: Installation;
let workers: ServiceProcess[];
beforeAll(async () => {
  t = await install();
  workers = await Promise.all([t.startWorker(), t.startWorker()]);
}, 60_000);
afterAll(() => t.close());

async function newAgent(): Promise<string> {
  const { body } = await t.post<{ data: { id: string } }>('/v1/agents', { name: 'Watched', model_hash: 'sha256:00' });
  return body.data.id;
}
const anomaly = (agentId: string, n: number) =>
  t.post('/v1/events', { agentId, actionType: 'transaction_anomaly', eventId: `anomaly-${n}` });
const suspended = (agentId: string) =>
  eventually(
    () => t.client.get<{ data: { status: string } }>(`/v1/agents/${agentId}`),
    ({ data }) => data.status === 'suspended',
    40_000,
  );
/** What must have happened once. */
async function acts(agentId: string) {
  const { rows } = await t.database.pool.query<{ entries: number; halted: number; freezes: number }>(
    `SELECT (SELECT count(*) FROM audit_entries a WHERE a.type = 'agent.revoked_for_behaviour'
                AND a.body->'events' IS NOT NULL AND a.seq IN (SELECT sequence FROM events WHERE agent_id = $1)) AS entries,
            (SELECT count(*) FROM events e WHERE e.type = 'agent.halted' AND e.agent_id = $1) AS halted,
            (SELECT count(*) FROM stops s WHERE s.target = $1::text) AS freezes`,
    [agentId],
  );
  return rows[0]!;
}
const ONCE = { entries: 1, halted: 1, freezes: 1 };

describe('fifty high events at once, and two workers', () => {
  it('end the agent’s authority once', async () => {
    const agentId = await newAgent();
    const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => anomaly(agentId, n)));
    expect(answers.map(({ status }) => status)).toEqual(Array(50).fill(201));
    await suspended(agentId);
    // Whatever looks were owed are looked.
    await eventually(
      async () => (await t.database.pool.query('SELECT 1 FROM agent_watches WHERE told_at IS NOT NULL')).rowCount,
      (owed) => owed === 0,
      20_000,
    );
    expect(await acts(agentId)).toEqual(ONCE);
  }, 60_000);
});

describe('workers killed between the third event and the act', () => {
  it('the next one does it, once', async () => {
    const agentId = await newAgent();
    await anomaly(agentId, 1);
    await anomaly(agentId, 2);
    await Promise.all(workers.map((worker) => worker.kill()));
    await anomaly(agentId, 3);
    // The control: nobody is there who could have done it.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await acts(agentId)).toEqual({ entries: 0, halted: 0, freezes: 0 });
    workers = [await t.startWorker()];
    await suspended(agentId);
    expect(await acts(agentId)).toEqual(ONCE);
  }, 90_000);

  it('also when whoever stored the event died before it could tell anybody', async () => {
    const agentId = await newAgent();
    await anomaly(agentId, 1);
    await anomaly(agentId, 2);
    await Promise.all(workers.map((worker) => worker.kill()));
    // As the transaction of the third event leaves it, and nothing after that.
    await t.database.pool.query(
      `WITH third AS (
         INSERT INTO behaviour_events (id, org_id, mode, agent_id, action_type, occurred_at, received_at, points, failed,
                                       factors, details)
         SELECT gen_random_uuid(), org_id, mode, agent_id, action_type, now(), now(), 90, false, '[]', '{}'
           FROM behaviour_events WHERE agent_id = $1 LIMIT 1)
       UPDATE agent_watches SET told_at = now() WHERE agent_id = $1`,
      [agentId],
    );
    workers = [await t.startWorker()];
    await suspended(agentId);
    expect(await acts(agentId)).toEqual(ONCE);
  }, 90_000);
});
