import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { insertOauthClient, newClientSecret } from '../../src/store/oauth-clients.ts';
import { findUntold } from '../../src/store/stops/drive.ts';
import { viewStop } from '../../src/store/stops/read.ts';
import { insertExecution, insertPayment } from './executions-fixture.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

let principal_id: string;
let agent_id: string;
beforeEach(async () => {
  t.calls.driven.length = 0;
  const principal = { external_ref: randomUUID(), type: 'person', name: 'Ada' };
  principal_id = (await t.api('POST', '/v1/identities/principals', principal)).body.principal_id;
  agent_id = (await t.api('POST', '/v1/agents', { name: 'a', principal_id })).body.data.id;
});

const REVOKE = '/v1/identities/revoke';
const total = { amount: 100, currency: 'EUR' };
const scope = { actions: ['*'], currencies: ['EUR'], max_total: total, sub_delegation: { max_depth: 3 } };
const uuidOf = (id: string) => parseId(id, 'del', 'agt', 'prn', 'exec', 'pay')!;

async function anotherAgent(): Promise<string> {
  return (await t.api('POST', '/v1/agents', { name: 'b', principal_id })).body.data.id;
}

async function delegate(more: { parent_delegation_id?: string; [member: string]: unknown } = {}): Promise<string> {
  const answer = await t.api('POST', '/v1/identities/delegations', {
    principal_id,
    agent_id: more.parent_delegation_id === undefined ? agent_id : await anotherAgent(),
    scope,
    ttl_seconds: 900,
    ...more,
  });
  expect(answer.status).toBe(201);
  return answer.body.delegation_id;
}

const row = async (id: string) => (await t.database.pool.query('SELECT * FROM executions WHERE id = $1', [id])).rows[0];
const statusOf = async (id: string) => (await t.api('GET', `/v1/identities/delegations/${id}`)).body.status;

describe('revoking a delegation', () => {
  it('takes its sub-delegations with it, and leaves its parent and siblings', async () => {
    const root = await delegate();
    const [child, sibling] = [
      await delegate({ parent_delegation_id: root, ttl_seconds: 60 }),
      await delegate({ parent_delegation_id: root, ttl_seconds: 60 }),
    ];
    const grandchild = await delegate({ parent_delegation_id: child, ttl_seconds: 30 });
    const answer = await t.api('POST', REVOKE, { delegation_id: child, reason: 'left' });
    expect(answer).toMatchObject({
      status: 200,
      body: { revoked: [child, grandchild], affected_executions: [], open_authorizations: [] },
    });
    expect(await Promise.all([root, child, sibling, grandchild].map(statusOf))).toEqual([
      'active',
      'revoked',
      'active',
      'revoked',
    ]);
    const read = await t.api('GET', `/v1/identities/delegations/${child}`);
    expect(read.body).toMatchObject({ revocation_reason: 'left', revoked_at: answer.body.revoked_at });
    expect(read.body).not.toHaveProperty('delegation_token');
  });

  it('closes what waits under it at once, and tells the workflows afterwards', async () => {
    const root = await delegate();
    const child = await delegate({ parent_delegation_id: root, ttl_seconds: 60 });
    await t.database.pool.query('UPDATE delegations SET budget_spent = 2500 WHERE principal_id = $1', [
      uuidOf(principal_id),
    ]);
    const base = { agentId: agent_id, delegationId: uuidOf(child) };
    const approved = await insertExecution(t, { ...base, stage: 'approved', budgetMinor: 1000 });
    const challenged = await insertExecution(t, { ...base, stage: 'challenged' });
    const reviewed = await insertExecution(t, { ...base, stage: 'in_review' });
    const paying = await insertExecution(t, { ...base, stage: 'authorizing' });
    const elsewhere = await insertExecution(t, { ...base, delegationId: uuidOf(await delegate()), stage: 'approved' });

    const answer = await t.api('POST', REVOKE, { delegation_id: root, reason: 'stolen phone' });
    expect(answer.body.affected_executions).toHaveLength(3);
    expect(answer.body.affected_executions).toEqual(
      expect.arrayContaining([
        { execution_ref: toTypeId('exec', approved.id), outcome: 'lapsed' },
        { execution_ref: toTypeId('exec', challenged.id), outcome: 'denied' },
        { execution_ref: toTypeId('exec', reviewed.id), outcome: 'denied' },
      ]),
    );
    const lapsed = await row(approved.id);
    expect(lapsed).toMatchObject({
      stage: 'lapsed',
      decision: 'approved',
      budget_minor: 0,
    });
    expect(lapsed.token_expires_at.getTime()).toBeLessThanOrEqual(Date.now());
    expect(await row(challenged.id)).toMatchObject({
      stage: 'denied',
      decision: 'deny',
      challenge_status: 'cancelled',
      reasons: [{ code: 'invalid_scope' }],
    });
    expect(await row(reviewed.id)).toMatchObject({ stage: 'denied', decision: 'deny' });
    expect(await row(paying.id)).toMatchObject({ stage: 'authorizing' });
    expect(await row(elsewhere.id)).toMatchObject({ stage: 'approved' });
    const spent = await t.database.pool.query(
      'SELECT budget_spent AS n FROM delegations WHERE id = ANY ($1) ORDER BY id',
      [[root, child].map(uuidOf)],
    );
    expect(spent.rows).toEqual([{ n: 1500 }, { n: 1500 }]);
    expect(t.calls.driven).toHaveLength(1);
    const untold = await findUntold(t.database.pool, t.calls.driven[0]!.id, 10);
    expect(new Set(untold)).toEqual(
      new Set([approved, challenged, reviewed].map(({ id, workflowId }) => ({ id, workflowId, payment: false }))),
    );

    const events = await t.api('POST', '/v1/execution/events/query', { execution_ref: challenged.id });
    expect(events.body.data).toMatchObject([
      { type: 'execution.decision', data: { decision: 'deny', execution_ref: toTypeId('exec', challenged.id) } },
    ]);
    const expired = await t.api('POST', '/v1/execution/events/query', { execution_ref: approved.id });
    expect(expired.body.data).toMatchObject([{ type: 'execution.expired', data: { reason: 'stolen phone' } }]);
  });

  it('answers the same when it is repeated, under the same key or another', async () => {
    const delegation_id = await delegate();
    await insertExecution(t, { agentId: agent_id, delegationId: uuidOf(delegation_id), stage: 'approved' });
    const first = await t.api('POST', REVOKE, { delegation_id, reason: 'a' });
    const entries = (await t.rowCounts())['audit_entries'];
    const again = await t.api('POST', REVOKE, { delegation_id, reason: 'b' });
    expect(again.body).toEqual(first.body);
    expect((await t.rowCounts())['audit_entries']).toBe(entries);
    expect(new Set(t.calls.driven.map(({ id }) => id)).size).toBe(1);
  });

  it('lists what may still be voided, and voids it when asked', async () => {
    const delegation_id = await delegate();
    const base = { agentId: agent_id, delegationId: uuidOf(delegation_id), stage: 'authorizing' } as const;
    const open = await insertPayment(t, (await insertExecution(t, base)).id, { authorized: 1000, captured: 400 });
    await insertPayment(t, (await insertExecution(t, base)).id, { authorized: 1000, captured: 1000 });
    const answer = await t.api('POST', REVOKE, { delegation_id, reason: 'r' });
    expect(answer.body.open_authorizations).toEqual([toTypeId('pay', open)]);
    const view = async () => (await viewStop(t.database.pool, t.tenant, t.calls.driven[0]!.id))!;
    expect(await view()).toMatchObject({ openHolds: [open], stillDangerous: [] });
    const again = await t.api('POST', REVOKE, { delegation_id, reason: 'r', void_open_authorizations: true });
    expect(again.body).toEqual(answer.body);
    expect(await view()).toMatchObject({ openHolds: [], stillDangerous: [{ paymentId: open, why: 'not_voided_yet' }] });
  });

  it('is complete under races with those who delegate further', async () => {
    const root = await delegate();
    const delegate_id = await anotherAgent();
    const makers = Array.from({ length: 6 }, () =>
      t.api('POST', '/v1/identities/delegations', {
        principal_id,
        agent_id: delegate_id,
        scope,
        ttl_seconds: 60,
        parent_delegation_id: root,
      }),
    );
    const [, ...made] = await Promise.all([t.api('POST', REVOKE, { delegation_id: root, reason: 'r' }), ...makers]);
    for (const { status, body } of made) {
      // Either it was made, and went with its parent, or it came too late.
      const outcome = status === 201 ? await statusOf(body.delegation_id) : status;
      expect(['revoked', 422]).toContain(outcome);
    }
    const { rows } = await t.database.pool.query(
      `SELECT 1 FROM delegations WHERE parent_id = $1 AND status = 'active'`,
      [uuidOf(root)],
    );
    expect(rows).toEqual([]);
  });
});

describe('revoking', () => {
  it('an agent retires it, with its delegations and executions', async () => {
    const delegation = await delegate();
    const execution = await insertExecution(t, { agentId: agent_id, stage: 'challenged' });
    const answer = await t.api('POST', REVOKE, { agent_id, reason: 'rogue' });
    expect(answer.body).toMatchObject({
      revoked: [toTypeId('agt', agent_id), delegation],
      affected_executions: [{ execution_ref: toTypeId('exec', execution.id), outcome: 'denied' }],
    });
    const { data } = (await t.api('GET', `/v1/agents/${agent_id}`)).body;
    expect(data).toMatchObject({ status: 'retired', revocation_reason: 'rogue' });
    const refused = await t.api('POST', '/v1/identities/delegations', {
      principal_id,
      agent_id,
      scope,
      ttl_seconds: 9,
    });
    expect(refused).toMatchObject({ status: 422, body: { code: 'unprocessable', errors: [{ path: 'agent_id' }] } });
    const halted = await t.api('POST', '/v1/execution/events/query', { agent_id, types: ['agent.halted'] });
    expect(halted.body.data).toHaveLength(1);
  });

  it('a principal closes it, with all it delegated', async () => {
    const delegation = await delegate();
    const answer = await t.api('POST', REVOKE, { principal_id, reason: 'left' });
    expect(answer.body.revoked).toEqual([principal_id, delegation]);
    expect((await t.api('GET', `/v1/identities/principals/${principal_id}`)).body.status).toBe('closed');
    expect((await t.api('POST', '/v1/agents', { name: 'x', principal_id })).status).toBe(422);
    expect((await t.api('POST', `/v1/identities/principals/${principal_id}/totp`)).status).toBe(422);
  });

  it('a key withdraws it: an API key is refused from the next request on', async () => {
    const made = (await t.api('POST', '/v1/api-keys', { name: 'k', scopes: ['agents:read'] })).body;
    const headers = { authorization: `Bearer ${made.api_key}` };
    expect((await t.api('GET', '/v1/agents', undefined, headers)).status).toBe(200);
    const answer = await t.api('POST', REVOKE, { key_id: made.key_id, reason: 'leaked' });
    expect(answer.body.revoked).toEqual([made.key_id]);
    expect((await t.api('GET', '/v1/agents', undefined, headers)).status).toBe(401);
    expect((await t.api('POST', REVOKE, { key_id: made.key_id, reason: 'again' })).body).toEqual(answer.body);
  });

  it('an agent takes its keys with it', async () => {
    const { publicKey } = generateKeyPairSync('ed25519');
    const made = await t.api('POST', `/v1/agents/${agent_id}/keys`, { jwk: publicKey.export({ format: 'jwk' }) });
    const { key_id } = made.body.data;
    const answer = await t.api('POST', REVOKE, { agent_id, reason: 'rogue' });
    expect(answer.body.revoked).toEqual([toTypeId('agt', agent_id), key_id]);
    const keys = await t.api('GET', `/v1/agents/${agent_id}/keys`);
    expect(keys.body.data).toMatchObject([{ key_id, status: 'revoked' }]);
  });

  it('a principal ends what its agents hold from others', async () => {
    const other = { external_ref: randomUUID(), type: 'person', name: 'Bob' };
    const lender = (await t.api('POST', '/v1/identities/principals', other)).body.principal_id;
    const lent = await delegate({ principal_id: lender });
    const answer = await t.api('POST', REVOKE, { principal_id, reason: 'left' });
    expect(answer.body.revoked).toEqual([principal_id, lent]);
    // The lender itself stands.
    expect((await t.api('GET', `/v1/identities/principals/${lender}`)).body.status).toBe('active');
  });

  it('an OAuth client refuses its secret and its tokens', async () => {
    const secret = newClientSecret();
    const client_id = await insertOauthClient(t.database.pool, {
      tenant: t.tenant,
      name: 'c',
      scopes: ['agents:read'],
      secret,
    });
    const login = () =>
      t.api(
        'POST',
        '/oauth/token',
        { grant_type: 'client_credentials', client_id, client_secret: secret },
        { authorization: '' },
      );
    const { access_token } = (await login()).body;
    const headers = { authorization: `Bearer ${access_token}` };
    expect((await t.api('GET', '/v1/agents', undefined, headers)).status).toBe(200);
    const answer = await t.api('POST', REVOKE, { client_id, reason: 'leaked' });
    expect(answer).toMatchObject({ status: 200, body: { revoked: [client_id], affected_executions: [] } });
    expect((await t.api('GET', '/v1/agents', undefined, headers)).status).toBe(401);
    expect((await login()).status).toBe(401);
    expect((await t.api('POST', REVOKE, { client_id, reason: 'again' })).body).toEqual(answer.body);
    expect((await t.api('POST', REVOKE, { client_id: 'client_none', reason: 'r' })).status).toBe(404);
  });

  it('what the organization has not is 404, and exactly one thing must be named', async () => {
    const delegation_id = await delegate();
    const { key } = await t.stranger();
    const before = await t.rowCounts();
    const foreign = await t.api('POST', REVOKE, { delegation_id, reason: 'r' }, { authorization: `Bearer ${key}` });
    expect(foreign).toMatchObject({ status: 404, body: { code: 'not_found', errors: [{ path: 'delegation_id' }] } });
    for (const member of ['delegation_id', 'agent_id', 'principal_id', 'key_id']) {
      const answer = await t.api('POST', REVOKE, { [member]: randomUUID(), reason: 'r' });
      expect(answer).toMatchObject({ status: 404, body: { errors: [{ path: member }] } });
    }
    expect(await t.api('POST', REVOKE, { reason: 'r' })).toMatchObject({
      status: 400,
      body: { code: 'invalid_request' },
    });
    expect((await t.api('POST', REVOKE, { delegation_id, agent_id, reason: 'r' })).status).toBe(400);
    expect((await t.api('POST', REVOKE, { delegation_id })).body.errors).toMatchObject([{ path: 'reason' }]);
    expect(await t.rowCounts()).toEqual(before);
    expect(await statusOf(delegation_id)).toBe('active');
  });
});
