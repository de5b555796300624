import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { insertExecution, insertPayment } from './executions-fixture.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

const EXPOSURE = '/v1/identities/exposure';
const CAPS = `${EXPOSURE}/caps`;
const uuidOf = (id: string) => parseId(id, 'del', 'agt', 'prn')!;

let principal_id: string;
let agent_id: string;
beforeEach(async () => {
  const person = { external_ref: randomUUID(), type: 'person', name: 'Ada' };
  principal_id = (await t.api('POST', '/v1/identities/principals', person)).body.principal_id;
  agent_id = await agent();
});

async function agent(): Promise<string> {
  return toTypeId('agt', (await t.api('POST', '/v1/agents', { name: 'a', principal_id })).body.data.id);
}

async function delegate(more: object = {}): Promise<string> {
  const body = { principal_id, agent_id, scope: scopeOf(), expires_at: END, ...more };
  const answer = await t.api('POST', '/v1/identities/delegations', body);
  expect({ status: answer.status, errors: answer.body.errors }).toEqual({ status: 201, errors: undefined });
  return answer.body.delegation_id;
}
const END = new Date(Date.now() + 3_600_000).toISOString();
const scopeOf = (total?: number) => ({
  actions: ['payment.*'],
  currencies: ['EUR'],
  sub_delegation: { max_depth: 2 },
  ...(total === undefined ? {} : { max_total: { amount: total, currency: 'EUR' } }),
});

/** Ten major units of EUR in that stage; a payment with these counters when there are some. */
async function open(
  stage: 'approved' | 'challenged' | 'in_review' | 'authorizing',
  counters?: { authorized: number; captured: number },
  agentId = agent_id,
) {
  const { id } = await insertExecution(t, { stage, agentId: uuidOf(agentId), principalId: uuidOf(principal_id) });
  if (!counters) return;
  await insertPayment(t, id, counters);
  await t.database.pool.query('UPDATE payments SET agent_id = $2, principal_id = $3 WHERE id = $1', [
    id,
    uuidOf(agentId),
    uuidOf(principal_id),
  ]);
}

const read = async (query = `principal_id=${principal_id}`) => (await t.api('GET', `${EXPOSURE}?${query}`)).body;
const money = (amount: number) => ({ amount, amount_minor: amount * 100 });

describe('exposure', () => {
  it('adds up what is unspent, waits, is approved, under way and held, per party and currency', async () => {
    const root = await delegate({ scope: scopeOf(100) });
    const other = await agent();
    const child = await delegate({ scope: scopeOf(40), agent_id: other, parent_delegation_id: root });
    await t.database.pool.query('UPDATE delegations SET budget_spent = 2500 WHERE id = $1', [uuidOf(root)]);
    await open('approved');
    await open('challenged');
    await open('in_review');
    await open('authorizing', { authorized: 1000, captured: 300 });
    await open('authorizing', { authorized: 1000, captured: 1000 });
    await open('authorizing', { authorized: 1000, captured: 0 }, other);
    const answer = await read();
    expect(answer.principals).toEqual([
      {
        principal_id,
        liabilities: [
          {
            currency: 'EUR',
            // The root's alone: whatever the child spends is the root's too.
            unspent: money(75),
            waiting: money(20),
            approvals: money(10),
            pending: money(0),
            holds: money(17),
            mandates: money(0),
            total: money(122),
          },
        ],
        unlimited_delegations: [],
        caps: [],
      },
    ]);
    const byAgent = Object.fromEntries(
      answer.agents.map((one: { agent_id: string; liabilities: object[] }) => [one.agent_id, one.liabilities]),
    );
    expect(byAgent).toMatchObject({
      [agent_id]: [
        { unspent: money(75), waiting: money(20), approvals: money(10), holds: money(7), total: money(112) },
      ],
      [other]: [{ unspent: money(40), holds: money(10), total: money(50) }],
    });
    expect(answer.delegations).toMatchObject([
      { delegation_id: child, unlimited: false, remaining: money(40), parent_delegation_id: root },
      { delegation_id: root, unlimited: false, remaining: money(75) },
    ]);
  });

  it('lists a delegation without a total as unlimited, and one that is over not at all', async () => {
    const unlimited = await delegate();
    const revoked = await delegate({ scope: scopeOf(10) });
    await t.api('POST', '/v1/identities/revoke', { delegation_id: revoked, reason: 'left' });
    const answer = await read(`agent_id=${agent_id}`);
    expect(answer.agents).toEqual([{ agent_id, liabilities: [], unlimited_delegations: [unlimited], caps: [] }]);
    expect(answer.delegations).toMatchObject([{ delegation_id: unlimited, unlimited: true }]);
    expect(answer.delegations[0]).not.toHaveProperty('remaining');
  });

  it('shows what counts against a cap under whomever it was opened', async () => {
    await t.api('PUT', CAPS, { agent_id, caps: [{ amount: 25, currency: 'EUR' }] });
    await open('approved');
    const stranger = randomUUID();
    const { id } = await insertExecution(t, { stage: 'approved', agentId: uuidOf(agent_id) });
    await t.database.pool.query('UPDATE executions SET principal_id = $2 WHERE id = $1', [id, stranger]);
    const { agents } = await read(`principal_id=${principal_id}&agent_id=${agent_id}`);
    expect(agents).toMatchObject([
      { liabilities: [{ approvals: money(10) }], caps: [{ currency: 'EUR', ...money(25), open: money(20) }] },
    ]);
  });

  it('of another organization is not shown', async () => {
    await delegate();
    await open('approved');
    for (const { key } of [await t.stranger(), await t.stranger('live')]) {
      const answer = await t.api('GET', EXPOSURE, undefined, { authorization: `Bearer ${key}` });
      expect(answer.body).toMatchObject({ principals: [], agents: [], delegations: [] });
    }
    // The control: without a filter its own organization sees it.
    expect((await read('')).delegations.length).toBeGreaterThan(0);
  });
});

describe('caps on exposure', () => {
  it('replace those before, and none lifts them', async () => {
    const caps = [
      { amount: 25, currency: 'EUR' },
      { amount: '3000', currency: 'JPY' },
    ];
    const put = async (body: object) => (await t.api('PUT', CAPS, body)).body;
    expect(await put({ principal_id, caps })).toEqual({
      principal_id,
      caps: [
        { currency: 'EUR', amount: 25, amount_minor: 2500 },
        { currency: 'JPY', amount: 3000, amount_minor: 3000 },
      ],
    });
    await put({ principal_id, caps: [{ amount: 30, currency: 'EUR' }] });
    expect((await read()).principals[0].caps).toEqual([{ currency: 'EUR', ...money(30), open: money(0) }]);
    expect(await put({ principal_id, caps: [] })).toEqual({ principal_id, caps: [] });
    expect((await read()).principals).toEqual([]);
    const { data } = (await t.api('GET', `/v1/audit?subject=${principal_id}&type=identity.exposure_capped`)).body;
    expect(data).toHaveLength(3);
  });

  it('set at once by many are those of one of them', async () => {
    const amounts = [10, 20, 30, 40, 50];
    const answers = await Promise.all(
      amounts.map((amount) => t.api('PUT', CAPS, { agent_id, caps: [{ amount, currency: 'EUR' }] })),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    const [one] = (await read(`agent_id=${agent_id}`)).agents;
    expect(one.caps).toHaveLength(1);
    expect(amounts).toContain(one.caps[0].amount);
  });

  it('are set for the organization itself as a principal', async () => {
    const answer = await t.api('PUT', CAPS, { principal_id: t.tenant.orgId, caps: [{ amount: 5, currency: 'EUR' }] });
    expect(answer.body.principal_id).toMatch(/^org_/);
    await t.api('PUT', CAPS, { principal_id: t.tenant.orgId, caps: [] });
  });
});

describe('a request for caps', () => {
  const cap = { amount: 1, currency: 'EUR' };
  const cases: [what: string, body: () => object, status: number, member: string][] = [
    ['no party', () => ({ caps: [cap] }), 400, 'principal_id'],
    ['both parties', () => ({ principal_id, agent_id, caps: [cap] }), 400, 'principal_id'],
    ['no caps', () => ({ agent_id }), 400, 'caps'],
    ['caps that are null', () => ({ agent_id, caps: null }), 400, 'caps'],
    ['too many', () => ({ agent_id, caps: Array.from({ length: 51 }, () => cap) }), 400, 'caps'],
    ['an amount of nothing', () => ({ agent_id, caps: [{ ...cap, amount: 0 }] }), 400, 'caps.0.amount'],
    ['a negative amount', () => ({ agent_id, caps: [cap, { amount: -1, currency: 'USD' }] }), 400, 'caps.1.amount'],
    ['excess decimals', () => ({ agent_id, caps: [{ amount: '1.001', currency: 'EUR' }] }), 400, 'caps.0.amount'],
    ['no amount', () => ({ agent_id, caps: [{ currency: 'EUR' }] }), 400, 'caps.0.amount'],
    ['an unknown currency', () => ({ agent_id, caps: [{ ...cap, currency: 'XYZ' }] }), 400, 'caps.0.currency'],
    ['a currency twice', () => ({ agent_id, caps: [cap, cap] }), 400, 'caps.1.currency'],
    ['an unknown member', () => ({ agent_id, caps: [{ ...cap, window: '1d' }] }), 400, 'caps.0.window'],
    ['an id that is none', () => ({ agent_id: 'agt_nonsense', caps: [cap] }), 400, 'agent_id'],
    ['an unknown agent', () => ({ agent_id: randomUUID(), caps: [cap] }), 404, 'agent_id'],
    ['an unknown principal', () => ({ principal_id: randomUUID(), caps: [cap] }), 404, 'principal_id'],
  ];
  it.each(cases)('with %s is refused, and nothing is written', async (_, body, status, path) => {
    const before = await t.rowCounts();
    const answer = await t.api('PUT', CAPS, body());
    expect([answer.status, answer.body.errors[0].path]).toEqual([status, path]);
    expect(await t.rowCounts()).toEqual(before);
  });

  it('needs an Idempotency-Key, the scope, and the own organization', async () => {
    const body = { agent_id, caps: [cap] };
    expect((await t.api('PUT', CAPS, body, { 'idempotency-key': '' })).body.code).toBe('idempotency_key_required');
    const reader = await t.keyWith(['identities:read']);
    expect((await t.api('PUT', CAPS, body, { authorization: `Bearer ${reader}` })).status).toBe(403);
    const { key } = await t.stranger();
    expect((await t.api('PUT', CAPS, body, { authorization: `Bearer ${key}` })).status).toBe(404);
  });

  it.each([
    ['agent_id=nonsense', 'agent_id'],
    ['principal_id=agt_01h455vb4pex5vsknk084sn02q', 'principal_id'],
    ['currency=EUR', 'currency'],
  ])('is not GET ?%s', async (query, path) => {
    const answer = await t.api('GET', `${EXPOSURE}?${query}`);
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path }] } });
  });
});
