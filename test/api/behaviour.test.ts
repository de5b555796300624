import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toTypeId } from '../../src/domain/ids.ts';
import { startTestApi, type Answer, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi({ BEHAVIOUR_RETENTION_DAYS: '30' });
});
afterAll(() => t.close());

async function agent(more: object = {}): Promise<string> {
  const { body } = await t.api('POST', '/v1/agents', { name: 'Agent', model_hash: 'sha256:00', ...more });
  return (body as { data: { id: string } }).data.id;
}
const report = (body: object, headers?: Record<string, string>) => t.api('POST', '/v1/events', body, headers);
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();
const rows = async <T>(sql: string, values: unknown[]) => (await t.database.pool.query(sql, values)).rows as T[];
const withoutKey = { 'idempotency-key': '' };
const factorsOf = ({ body }: Answer) => body.data.factors.map((one: { factor: string }) => one.factor);

describe('POST /v1/events', () => {
  it('answers an event of the contract with its score, band and factors', async () => {
    const agentId = await agent();
    const chainId = randomUUID();
    const said = {
      agentId,
      actionType: 'tool_use',
      chainId,
      sessionId: 's1',
      occurredAt: ago(3),
      details: { tool: 'x' },
    };
    const { status, body, headers } = await report(said);
    expect(status).toBe(201);
    expect(body.data).toMatchObject({
      agent_id: agentId,
      action_type: 'tool_use',
      risk_score: 0.1,
      risk_band: 'low',
      occurred_at: said.occurredAt,
      details: { tool: 'x' },
      factors: [{ factor: 'action', points: 10 }],
      chain_id: chainId,
      session_id: 's1',
      revocation_check_queued: false,
    });
    expect(headers['content-type']).toMatch(/^application\/json/);
  });

  it('takes every word of the vocabularies, and the other form of the members', async () => {
    const agentId = await agent();
    for (const [word, type] of [
      ['message_verification_failed', 'authentication'],
      ['policy_violation', 'authorization'],
      ['decision_made', 'model_inference'],
      ['transaction', 'transaction'],
    ]) {
      const { status, body } = await report({ agent_id: agentId, action_type: word, payload: { a: 1 } });
      expect([status, body.data.action_type, body.data.details]).toEqual([201, type, { a: 1 }]);
      expect(body.data.reported_as).toBe(word === type ? null : word);
    }
  });

  it.each([
    ['an unknown action', { actionType: 'dancing' }, 400, 'actionType'],
    ['no agent', { agentId: undefined }, 400, 'agentId'],
    ['a chain that is no UUID', { chainId: 'chain-1' }, 400, 'chainId'],
    ['a time without a zone', { occurredAt: '2026-03-05T22:00:00' }, 400, 'occurredAt'],
    ['a time that is to come', { occurredAt: new Date(Date.now() + 600_000).toISOString() }, 400, 'occurredAt'],
    ['a time before all that is kept', { occurredAt: ago(31 * 24 * 60) }, 400, 'occurredAt'],
    ['a member that is not known', { severity: 'high' }, 400, 'severity'],
    ['details that are no object', { details: [1] }, 400, 'details'],
    ['details that are too long', { details: { text: 'x'.repeat(17_000) } }, 400, 'details'],
    ['an agent that nobody has', { agentId: randomUUID() }, 404, 'agentId'],
  ])('refuses %s, and stores nothing', async (_, wrong, status, member) => {
    const agentId = await agent();
    const before = await t.rowCounts();
    const answer = await report({ agentId, actionType: 'api_call', ...wrong });
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ error: expect.any(String), code: expect.any(String) });
    expect(answer.body.errors.map((one: { path: string }) => one.path)).toContain(member);
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(await t.rowCounts()).toEqual(before);
    expect((await report({ agentId, actionType: 'api_call' })).status).toBe(201);
  });

  it('stores an event once, whether its id is in the body or is the Idempotency-Key, also at once', async () => {
    const agentId = await agent();
    const event = { agentId, actionType: 'api_call', eventId: 'mine-1', occurredAt: ago(1) };
    const answers = await Promise.all(Array.from({ length: 12 }, () => report(event, withoutKey)));
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(201));
    expect(new Set(answers.map(({ body }) => body.data.id)).size).toBe(1);
    expect(answers.filter(({ headers }) => headers['idempotency-replayed'] === 'true')).toHaveLength(11);
    const key = { 'idempotency-key': randomUUID() };
    const other = { agentId, actionType: 'api_call' };
    expect((await report(other, key)).body.data.id).toBe((await report(other, key)).body.data.id);
    const stored = await rows(`SELECT id FROM behaviour_events WHERE agent_id = $1`, [agentId]);
    expect(stored).toHaveLength(2);
    // The controls: another event under the id is a conflict; the id of another agent is another id.
    const conflict = await report({ ...event, actionType: 'tool_use' }, withoutKey);
    expect([conflict.status, conflict.body.code]).toEqual([409, 'idempotency_conflict']);
    expect((await report({ ...event, agentId: await agent() }, withoutKey)).body.data.id).not.toBe(
      answers[0]!.body.data.id,
    );
  });

  it('counts by when events occurred, not by when they arrive', async () => {
    const agentId = await agent();
    const failure = (minutes: number) => ({ agentId, actionType: 'authentication_failure', occurredAt: ago(minutes) });
    await report(failure(200));
    await report(failure(203));
    // Late: it falls into the quarter of an hour of the two before.
    expect(factorsOf(await report(failure(199)))).toEqual(['action', 'failed', 'repeated_failures']);
    expect(factorsOf(await report(failure(150)))).toEqual(['action', 'failed']);
  });

  it('reads the financial scope and what was spent on the day', async () => {
    const scope = {
      max_single_trade_usd: 100,
      daily_limit_usd: 150,
      permitted_instruments: [],
      permitted_venues: [],
      leverage_permitted: false,
    };
    const agentId = await agent({ financial_scope: scope });
    const trade = (amount: number) => report({ agentId, actionType: 'transaction', details: { amount_usd: amount } });
    expect(factorsOf(await trade(90))).toEqual(['action']);
    expect(factorsOf(await trade(90))).toEqual(['action', 'daily_limit']);
    expect(factorsOf(await trade(101))).toEqual(['action', 'amount_over_limit', 'daily_limit']);
  });

  it('raises an alert from 0.75, and asks for a look from 0.85', async () => {
    const agentId = await agent();
    const subject = toTypeId('agt', agentId);
    const alerts = () =>
      rows<{ data: object }>(`SELECT data FROM events WHERE type = 'risk.alert' AND subject = $1`, [subject]);
    t.calls.watched = [];
    await report({ agentId, actionType: 'api_call', details: { risk_score: 0.74 } });
    expect(await alerts()).toEqual([]);
    await report({ agentId, actionType: 'api_call', details: { risk_score: 0.75 } });
    expect(await alerts()).toHaveLength(1);
    expect(t.calls.watched).toEqual([]);
    const { body } = await report({ agentId, actionType: 'api_call', details: { risk_score: 0.85 } });
    expect(body.data).toMatchObject({ risk_band: 'high', revocation_check_queued: true });
    expect(t.calls.watched).toEqual([agentId]);
    // Somebody was told and has not looked yet: nobody is told again.
    await report({ agentId, actionType: 'transaction_anomaly' });
    expect(t.calls.watched).toEqual([agentId]);
    const raised = await alerts();
    expect(raised).toHaveLength(3);
    expect(raised[0]!.data).toMatchObject({
      agent_id: subject,
      event: { risk_score: 0.75, factors: expect.any(Array) },
    });
    const entries = await t.api('GET', `/v1/audit?type=behaviour.alert&subject=${subject}`);
    expect(entries.body.data).toHaveLength(3);
  });
});

describe('POST /v1/events/batch', () => {
  it('stores all of them, counting for each other in their order', async () => {
    const agentId = await agent();
    const failure = { agentId, actionType: 'authentication_failure' };
    const { status, body } = await t.api('POST', '/v1/events/batch', { events: [failure, failure, failure] });
    expect(status).toBe(201);
    expect(body).toMatchObject({ stored: 3, duplicates: 0 });
    expect(body.data.map((one: { risk_score: number }) => one.risk_score)).toEqual([0.35, 0.35, 0.45]);
  });

  it('stores none when one cannot be stored, and names it', async () => {
    const agentId = await agent();
    const good = { agentId, actionType: 'api_call' };
    const before = await t.rowCounts();
    for (const [bad, status, path] of [
      [{ agentId, actionType: 'dancing' }, 400, 'events.1.actionType'],
      [{ agentId: randomUUID(), actionType: 'api_call' }, 404, 'events.1.agentId'],
      [{ ...good, occurredAt: '2099-01-01T00:00:00Z' }, 400, 'events.1.occurredAt'],
    ] as const) {
      const answer = await t.api('POST', '/v1/events/batch', { events: [good, bad] });
      expect([answer.status, answer.body.errors[0].path]).toEqual([status, path]);
    }
    for (const events of [[], Array.from({ length: 1_001 }, () => good)]) {
      expect((await t.api('POST', '/v1/events/batch', { events })).status).toBe(400);
    }
    expect(await t.rowCounts()).toEqual(before);
  });

  it('stores none when two of its events disagree about an id, and names the later one', async () => {
    const agentId = await agent();
    const before = await t.rowCounts();
    const events = [
      { agentId, actionType: 'api_call', eventId: 'one' },
      { agentId, actionType: 'tool_call', eventId: 'two' },
      { agentId, actionType: 'transaction_anomaly', eventId: 'one' },
    ];
    const { status, body } = await t.api('POST', '/v1/events/batch', { events });
    expect([status, body.code, body.errors[0].path]).toEqual([409, 'idempotency_conflict', 'events.2.eventId']);
    expect(await t.rowCounts()).toEqual(before);
    // Control: they agree.
    events.pop();
    expect((await t.api('POST', '/v1/events/batch', { events: [...events, events[0]] })).body).toMatchObject({
      stored: 2,
      data: [{ duplicate: false }, { duplicate: false }, { duplicate: true }],
    });
  });

  it('stores all or none of each, when batches that disagree about ids come at once', async () => {
    const agentId = await agent();
    const batch = (actionType: string) =>
      t.api('POST', '/v1/events/batch', {
        events: Array.from({ length: 40 }, (_, i) => ({ agentId, actionType, eventId: `x${i}`, occurredAt: ago(2) })),
      });
    const kinds = ['api_call', 'tool_use', 'authentication', 'transaction', 'model_inference', 'data_access'];
    const answers = await Promise.all(kinds.map(batch));
    expect(answers.map(({ status }) => status).filter((status) => status !== 409)).toEqual([201]);
    const { body } = await t.api('GET', `/v1/events?agent_id=${agentId}&limit=100`);
    expect(new Set(body.data.map((one: { action_type: string }) => one.action_type)).size).toBe(1);
    expect(body.data).toHaveLength(40);
  });

  it('is repeated without storing twice, by ids or by the key, and knows repeats within itself', async () => {
    const agentId = await agent();
    const one = { agentId, actionType: 'api_call', eventId: 'a', occurredAt: ago(1) };
    const first = await t.api('POST', '/v1/events/batch', { events: [one, one, { ...one, eventId: 'b' }] });
    expect(first.body).toMatchObject({ stored: 2, duplicates: 1 });
    expect(first.body.data[0].id).toBe(first.body.data[1].id);
    const again = await t.api('POST', '/v1/events/batch', { events: [{ ...one, eventId: 'c' }, one] });
    expect(again.body).toMatchObject({ stored: 1, duplicates: 1 });
    const key = { 'idempotency-key': randomUUID() };
    const unnamed = {
      events: [
        { agentId, actionType: 'tool_call' },
        { agentId, actionType: 'tool_call' },
      ],
    };
    expect((await t.api('POST', '/v1/events/batch', unnamed, key)).body).toMatchObject({ stored: 2 });
    expect((await t.api('POST', '/v1/events/batch', unnamed, key)).body).toMatchObject({ stored: 0, duplicates: 2 });
  });

  it('does not deadlock when the same events come in opposite orders at once', async () => {
    const agentId = await agent();
    const events = Array.from({ length: 100 }, (_, i) => ({
      agentId,
      actionType: 'api_call',
      eventId: `x${i}`,
      occurredAt: ago(2),
    }));
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        t.api('POST', '/v1/events/batch', { events: i % 2 === 0 ? events : [...events].reverse() }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(201));
    expect(answers.reduce((sum, { body }) => sum + body.stored, 0)).toBe(100);
  });
});

describe('GET /v1/events', () => {
  it('lists newest first, page by page without losing any, by every filter', async () => {
    const agentId = await agent();
    const chainId = randomUUID();
    for (const i of [3, 1, 2, 5, 4]) {
      await report({
        agentId,
        actionType: i === 5 ? 'transaction_anomaly' : 'api_call',
        occurredAt: ago(i),
        sessionId: i < 3 ? 'one' : 'two',
        ...(i === 1 && { chainId }),
      });
    }
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await t.api('GET', `/v1/events?agent_id=${agentId}&limit=2${cursor ? `&cursor=${cursor}` : ''}`);
      seen.push(...page.body.data.map((one: { occurred_at: string }) => one.occurred_at));
      cursor = page.body.next_cursor;
      expect(page.body.has_next_page).toBe(cursor !== null);
    } while (cursor);
    expect(seen).toHaveLength(5);
    expect(seen).toEqual([...seen].sort().reverse());
    const count = async (filter: string) =>
      (await t.api('GET', `/v1/events?agent_id=${agentId}&${filter}`)).body.data.length;
    expect(await count('band=high')).toBe(1);
    expect(await count('action_type=api_call')).toBe(4);
    expect(await count('session_id=one')).toBe(2);
    expect(await count(`chain_id=${chainId}`)).toBe(1);
    expect(await count(`before=${ago(3.5)}`)).toBe(2);
    expect(await count(`from=${ago(3.5)}`)).toBe(3);
    expect((await t.api('GET', '/v1/events?limit=101')).status).toBe(400);
  });

  it('groups by session and by chain', async () => {
    const [a, b] = [await agent(), await agent()];
    const chainId = randomUUID();
    await report({ agentId: a, actionType: 'api_call', chainId, sessionId: 'g1', occurredAt: ago(9) });
    await report({ agentId: b, actionType: 'transaction_anomaly', chainId, sessionId: 'g2', occurredAt: ago(8) });
    const chains = (await t.api('GET', '/v1/events/groups?by=chain')).body.data;
    const chain = chains.find((one: { id: string }) => one.id === chainId);
    expect(chain).toMatchObject({ events: 2, risk_score: 0.85, high_events: 1 });
    expect(new Set(chain.agents)).toEqual(new Set([a, b]));
    const sessions = (await t.api('GET', `/v1/events/groups?by=session&agent_id=${a}`)).body.data;
    expect(sessions).toMatchObject([{ id: 'g1', events: 1, high_events: 0 }]);
  });
});

describe('GET /v1/audit-log', () => {
  it('shows the entries of the trail through the fields of the contract, each once', async () => {
    await agent();
    const trail = (await t.api('GET', '/v1/audit?limit=200')).body.data;
    const seen: { id: string; event_type: string }[] = [];
    let before: string | null = null;
    do {
      const page = await t.api('GET', `/v1/audit-log?limit=7${before ? `&before=${encodeURIComponent(before)}` : ''}`);
      expect(page.status).toBe(200);
      seen.push(...page.body.data);
      before = page.body.next_cursor;
      // It is a date-time, as the parameter that takes it.
      expect(before === null || !Number.isNaN(Date.parse(before))).toBe(true);
    } while (before && seen.length < 200);
    expect(seen.map(({ id }) => toTypeId('ae', id))).toEqual(
      trail.map((one: { entry_id: string }) => one.entry_id).slice(0, seen.length),
    );
    expect(seen.length).toBe(trail.length);
  });

  it('filters by event type, actor type and moment', async () => {
    const agentId = await agent();
    const registered = (await t.api('GET', '/v1/audit-log?event_type=agent.registered&limit=1')).body.data[0];
    expect(registered).toMatchObject({
      event_type: 'agent.registered',
      actor_type: 'user',
      affected_id: agentId,
      metadata: { subject: toTypeId('agt', agentId) },
    });
    await t.database.pool.query(
      `SELECT record_fact($1, 'test', $2, now(), 'x.y', 'system:test', 'x', '{"reason": "because"}', '', '', '[]')`,
      [t.tenant.orgId, randomUUID()],
    );
    const types = async (filter: string) =>
      (await t.api('GET', `/v1/audit-log?limit=100&${filter}`)).body.data.map(
        (one: { actor_type: string }) => one.actor_type,
      );
    expect(new Set(await types('actor_type=system'))).toEqual(new Set(['system']));
    expect(new Set(await types('actor_type=user'))).toEqual(new Set(['user']));
    expect(await types('actor_type=agent')).toEqual([]);
    expect((await t.api('GET', '/v1/audit-log?actor_type=system')).body.data[0].description).toBe('x y: because');
    expect(await types(`before=${encodeURIComponent(registered.created_at)}`)).not.toContain('system');
    for (const wrong of ['limit=0', 'limit=101', 'actor_type=god', 'before=yesterday', 'cursor=x']) {
      expect([wrong, (await t.api('GET', `/v1/audit-log?${wrong}`)).status]).toEqual([wrong, 400]);
    }
  });
});
