import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { startTestApi, type Answer, type TestApi } from './setup.ts';

let t: TestApi;
let server: Server;
beforeAll(async () => {
  t = await startTestApi();
  server = createServer(t.app);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
});
afterAll(async () => {
  server.close();
  await t.close();
});

const DELEGATIONS = '/v1/identities/delegations';
const REVOKE = '/v1/identities/revoke';
const scope = { actions: ['payment.*'], currencies: ['EUR'], max_amount: 100, sub_delegation: { max_depth: 8 } };
const total = (amount: number) => ({ max_total: { amount, currency: 'EUR', window: '7d' } });
const END = new Date(Date.now() + 7_200_000).toISOString();
const uuidOf = (id: string) => parseId(id, 'del')!;

let principal_id: string;
beforeEach(async () => {
  const person = { external_ref: randomUUID(), type: 'person', name: 'Ada' };
  principal_id = (await t.api('POST', '/v1/identities/principals', person)).body.principal_id;
});

async function agent(): Promise<string> {
  return (await t.api('POST', '/v1/agents', { name: 'a', principal_id })).body.data.id;
}

async function tryToDelegate(parent?: string, more: object = {}): Promise<Answer> {
  return t.api('POST', DELEGATIONS, {
    principal_id,
    agent_id: await agent(),
    scope,
    ...('ttl_seconds' in more ? {} : { expires_at: END }),
    ...(parent === undefined ? {} : { parent_delegation_id: parent }),
    ...more,
  });
}

/** @returns the body of a new delegation */
async function delegate(parent?: string, more: object = {}) {
  const answer = await tryToDelegate(parent, more);
  expect({ status: answer.status, errors: answer.body.errors }).toEqual({ status: 201, errors: undefined });
  return answer.body;
}

/** A chain of so many delegations, root first. */
async function chainOf(length: number, more: object = {}) {
  const chain = [await delegate(undefined, more)];
  while (chain.length < length) chain.push(await delegate(chain.at(-1).delegation_id, more));
  return chain;
}

const read = async (id: string) => (await t.api('GET', `${DELEGATIONS}/${id}`)).body;
const spend = (id: string, amount: number) =>
  t.database.pool.query('UPDATE delegations SET budget_spent = $2 WHERE id = $1', [uuidOf(id), amount]);

describe('a scope', () => {
  it('prints every member as it was given', async () => {
    const given = {
      ...scope,
      merchants: ['mrc_a'],
      merchant_categories: ['7011', '5812'],
      channels: ['web'],
      countries: ['DE'],
      hours: [
        { days: ['mon', 'fri'], from: '09:00', to: '17:30', time_zone: 'Europe/Berlin' },
        { from: '22:00', to: '02:00', time_zone: 'UTC' },
      ],
      step_up_above: 50,
    };
    const { scope: printed, effective_scope } = await delegate(undefined, { scope: given });
    expect(printed).toMatchObject(given);
    expect(effective_scope).toEqual(printed);
  });

  it('names time zones as their database does, and UTC where none is given', async () => {
    const hours = [
      { from: '09:00', to: '10:00', time_zone: 'europe/berlin' },
      { from: '09:00', to: '10:00' },
      { from: '09:00', to: '10:00', time_zone: 'US/Eastern' },
    ];
    const { scope: printed } = await delegate(undefined, { scope: { ...scope, hours } });
    expect(printed.hours.map((window: { time_zone: string }) => window.time_zone)).toEqual([
      'Europe/Berlin',
      'UTC',
      'America/New_York',
    ]);
  });
});

describe('a sub-delegation', () => {
  it('must lie inside what its parent effectively covers; each member is named', async () => {
    const window = { from: '09:00', to: '17:00', time_zone: 'Europe/Berlin' };
    const wide = { ...scope, merchant_categories: ['7011'], hours: [window], ...total(500) };
    const root = await delegate(undefined, { scope: wide });
    const middle = await delegate(root.delegation_id, { scope: { ...wide, max_amount: 50 } });
    const cases: [object, string][] = [
      [{ max_amount: 50.01 }, 'scope.max_amount'],
      [{ merchant_categories: ['7011', '5812'] }, 'scope.merchant_categories'],
      [{ merchant_categories: undefined }, 'scope.merchant_categories'],
      [{ hours: undefined }, 'scope.hours'],
      [{ hours: [{ ...window, to: '17:01' }] }, 'scope.hours'],
      [{ hours: [{ ...window, time_zone: 'UTC' }] }, 'scope.hours'],
      [{ ...total(501) }, 'scope.max_total'],
    ];
    for (const [change, path] of cases) {
      const answer = await tryToDelegate(middle.delegation_id, { scope: { ...wide, max_amount: 50, ...change } });
      expect(answer).toMatchObject({ status: 403, body: { code: 'invalid_scope' } });
      expect(answer.body.errors.map((error: { path: string }) => error.path)).toEqual([path]);
    }
    // The control: without any of these it is made.
    const child = await delegate(middle.delegation_id, {
      scope: { ...wide, max_amount: 50, hours: [{ ...window, days: ['mon'] }] },
    });
    expect(child.effective_scope).toMatchObject({ max_amount: 50, hours: [{ days: ['mon'] }] });
  });

  it('goes to an agent that the chain does not have yet', async () => {
    const [root, child] = await chainOf(2);
    const cases: [parent: string, agent: string, message: string][] = [
      [root.delegation_id, root.agent_id, 'is the agent of the parent delegation'],
      [child.delegation_id, child.agent_id, 'is the agent of the parent delegation'],
      [child.delegation_id, root.agent_id, 'is the agent of an ancestor of the delegation'],
    ];
    for (const [parent, agent_id, message] of cases) {
      expect(await tryToDelegate(parent, { agent_id })).toMatchObject({
        status: 422,
        body: { code: 'delegation_cycle', errors: [{ path: 'agent_id', message }] },
      });
    }
  });

  it('may be eight levels below its root and not nine', async () => {
    const chain = await chainOf(9);
    const deepest = chain.at(-1);
    expect(deepest.chain).toEqual(chain.map(({ delegation_id }) => delegation_id));
    expect(deepest.effective_scope).not.toHaveProperty('sub_delegation');
    const deeper = { status: 403, body: { code: 'invalid_scope', errors: [{ path: 'parent_delegation_id' }] } };
    expect(await tryToDelegate(deepest.delegation_id)).toMatchObject(deeper);
    // A root from before the bound does not lift it.
    await t.database.pool.query(
      `UPDATE delegations SET scope = jsonb_set(scope, '{subDelegation,maxDepth}', '10') WHERE principal_id = $1`,
      [parseId(principal_id, 'prn')],
    );
    const answer = await tryToDelegate(deepest.delegation_id);
    expect(answer).toMatchObject(deeper);
    expect(answer.body.errors[0].message).toContain('8 levels');
  });

  it('neither begins before its parent nor outlives it', async () => {
    const later = new Date(Date.now() + 3_600_000).toISOString();
    const root = await delegate(undefined, { not_before: later });
    const early = { status: 403, body: { code: 'invalid_scope', errors: [{ path: 'not_before' }] } };
    expect(await tryToDelegate(root.delegation_id)).toMatchObject(early);
    expect(await tryToDelegate(root.delegation_id, { not_before: later, ttl_seconds: 7201 })).toMatchObject({
      status: 403,
      body: { code: 'invalid_scope', errors: [{ path: 'expires_at' }] },
    });
    const child = await delegate(root.delegation_id, { not_before: later });
    expect(child.status).toBe('pending');
  });

  it('needs a parent that is good', async () => {
    const [root, child] = await chainOf(2);
    await t.api('POST', REVOKE, { delegation_id: root.delegation_id, reason: 'left' });
    expect(await tryToDelegate(child.delegation_id)).toMatchObject({
      status: 422,
      body: { code: 'unprocessable', errors: [{ path: 'parent_delegation_id' }] },
    });
    const old = await delegate();
    await t.database.pool.query('UPDATE delegations SET expires_at = now() WHERE id = $1', [uuidOf(old.delegation_id)]);
    expect(await tryToDelegate(old.delegation_id)).toMatchObject({
      status: 422,
      body: { code: 'unprocessable', errors: [{ path: 'parent_delegation_id' }] },
    });
  });
});

describe('the status of a delegation', () => {
  it('says which link of the chain was revoked, and why', async () => {
    const [root, middle, leaf] = await chainOf(3);
    await t.api('POST', REVOKE, { delegation_id: middle.delegation_id, reason: 'left' });
    await t.api('POST', REVOKE, { delegation_id: root.delegation_id, reason: 'closed' });
    const revoked = { code: 'delegation_revoked', delegation_id: middle.delegation_id };
    expect(await read(leaf.delegation_id)).toMatchObject({
      status: 'revoked',
      status_reason: { ...revoked, message: 'An ancestor was revoked: left' },
      revocation_reason: 'left',
    });
    expect((await read(middle.delegation_id)).status_reason).toMatchObject({
      ...revoked,
      message: 'The delegation was revoked: left',
    });
    expect((await read(root.delegation_id)).status_reason).toMatchObject({
      message: 'The delegation was revoked: closed',
    });
  });

  it('says which link has expired, has not begun, or has nothing left', async () => {
    const [root, leaf] = await chainOf(2, { scope: { ...scope, ...total(10) } });
    expect(await read(leaf.delegation_id)).not.toHaveProperty('status_reason');
    await spend(root.delegation_id, 1000);
    expect(await read(leaf.delegation_id)).toMatchObject({
      status: 'exhausted',
      status_reason: {
        code: 'delegation_exhausted',
        delegation_id: root.delegation_id,
        at: root.remaining.resets_at,
        message: 'The root of the chain has nothing left of its total',
      },
    });
    const set = (column: string, value: string) =>
      t.database.pool.query(`UPDATE delegations SET ${column} = ${value} WHERE id = $1`, [uuidOf(root.delegation_id)]);
    await set('not_before', `now() + interval '1 minute'`);
    expect(await read(leaf.delegation_id)).toMatchObject({
      status: 'pending',
      status_reason: { code: 'delegation_pending', delegation_id: root.delegation_id },
    });
    await set('expires_at', 'now()');
    expect(await read(leaf.delegation_id)).toMatchObject({
      status: 'expired',
      status_reason: { code: 'delegation_expired', delegation_id: root.delegation_id },
    });
  });

  it('shows what is left of every total of the chain, and of the tightest', async () => {
    const root = await delegate(undefined, { scope: { ...scope, ...total(100) } });
    const child = await delegate(root.delegation_id, { scope: { ...scope, ...total(40) } });
    await spend(root.delegation_id, 7000);
    await spend(child.delegation_id, 500);
    expect(await read(child.delegation_id)).toMatchObject({
      remaining: { amount: 30, amount_minor: 3000, currency: 'EUR' },
      remaining_chain: [
        { delegation_id: root.delegation_id, amount_minor: 3000, window: '7d' },
        { delegation_id: child.delegation_id, amount_minor: 3500, window: '7d' },
      ],
    });
  });
});

describe('the list of delegations', () => {
  const list = async (query: string) => (await t.api('GET', `${DELEGATIONS}?${query}`)).body;
  const idsOf = (body: { data: { delegation_id: string }[] }) => body.data.map((one) => one.delegation_id);

  it('is filtered by principal, agent and parent, and paged newest first', async () => {
    const [root, child, grandchild] = await chainOf(3);
    const other = await delegate();
    const mine = `principal_id=${principal_id}`;
    const all = [other, grandchild, child, root].map(({ delegation_id }) => delegation_id as string);
    expect(idsOf(await list(mine))).toEqual(all);
    expect(idsOf(await list(`agent_id=${child.agent_id}`))).toEqual([child.delegation_id]);
    expect(idsOf(await list(`parent_id=${root.delegation_id}`))).toEqual([child.delegation_id]);
    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const page = await list(`${mine}&limit=3${cursor}`);
      seen.push(...idsOf(page));
      if (page.next_cursor === null) break;
      cursor = `&cursor=${page.next_cursor}`;
    }
    expect(seen).toEqual(all);
    expect((await list(mine)).data[1]).toEqual({
      ...(await read(grandchild.delegation_id)),
      delegation_token: undefined,
    });
  });

  it('is filtered by the status that each has by its chain', async () => {
    const [active, pending, revoked, expired, exhausted] = await Promise.all([
      delegate(),
      delegate(undefined, { not_before: new Date(Date.now() + 60_000).toISOString() }),
      delegate(),
      delegate(),
      delegate(undefined, { scope: { ...scope, ...total(10) } }),
    ]);
    const below = await delegate(exhausted.delegation_id, { scope: { ...scope, ...total(10) } });
    await t.api('POST', REVOKE, { delegation_id: revoked.delegation_id, reason: 'left' });
    await t.database.pool.query('UPDATE delegations SET expires_at = now() WHERE id = $1', [
      uuidOf(expired.delegation_id),
    ]);
    await spend(exhausted.delegation_id, 1000);
    const expected = {
      active: [active],
      pending: [pending],
      revoked: [revoked],
      expired: [expired],
      exhausted: [below, exhausted],
    };
    for (const [status, delegations] of Object.entries(expected)) {
      const body = await list(`principal_id=${principal_id}&status=${status}`);
      expect([status, ...idsOf(body)]).toEqual([status, ...delegations.map((one) => one.delegation_id as string)]);
      expect(body.next_cursor).toBeNull();
      expect(new Set(body.data.map((one: { status: string }) => one.status))).toEqual(new Set([status]));
    }
    const first = await list(`principal_id=${principal_id}&status=exhausted&limit=1`);
    const second = await list(`principal_id=${principal_id}&status=exhausted&limit=1&cursor=${first.next_cursor}`);
    expect([...idsOf(first), ...idsOf(second)]).toEqual([below.delegation_id, exhausted.delegation_id]);
  });

  it('has the organization’s own, and nothing of another organization', async () => {
    const own = await delegate(undefined, { principal_id: t.tenant.orgId });
    expect(idsOf(await list(`principal_id=${t.tenant.orgId}`))).toEqual([own.delegation_id]);
    for (const { key } of [await t.stranger(), await t.stranger('live')]) {
      const authorization = `Bearer ${key}`;
      expect((await t.api('GET', DELEGATIONS, undefined, { authorization })).body.data).toEqual([]);
      expect(
        (await t.api('GET', `${DELEGATIONS}/${own.delegation_id}/tree`, undefined, { authorization })).status,
      ).toBe(404);
    }
  });

  it.each([
    ['status=gone', 'status'],
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['cursor=nonsense', 'cursor'],
    ['agent_id=nonsense', 'agent_id'],
    ['principal_id=agt_01h455vb4pex5vsknk084sn02q', 'principal_id'],
    ['parent_id=nonsense', 'parent_id'],
    ['unknown=1', 'unknown'],
  ])('refuses ?%s', async (query, path) => {
    const answer = await t.api('GET', `${DELEGATIONS}?${query}`);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request', errors: [{ path }] } });
  });

  it('needs a credential, and the scope', async () => {
    const key = await t.keyWith(['audit:read']);
    for (const path of [DELEGATIONS, `${DELEGATIONS}/${randomUUID()}/tree`, '/v1/identities/exposure']) {
      expect((await t.api('GET', path, undefined, { authorization: '' })).status).toBe(401);
      expect((await t.api('GET', path, undefined, { authorization: `Bearer ${key}` })).status).toBe(403);
    }
  });
});

describe('the tree below a delegation', () => {
  it('lists each before what is below it, with its level and what it effectively is', async () => {
    const [root, child, grandchild] = await chainOf(3);
    const second = await delegate(root.delegation_id);
    const below = await delegate(second.delegation_id);
    await t.api('POST', REVOKE, { delegation_id: second.delegation_id, reason: 'left' });
    const tree = (await t.api('GET', `${DELEGATIONS}/${root.delegation_id}/tree`)).body;
    expect(tree.root.delegation_id).toBe(root.delegation_id);
    expect(tree.truncated).toBe(false);
    type Node = { delegation_id: string; depth: number; status: string };
    expect(tree.data.map(({ delegation_id, depth, status }: Node) => [delegation_id, depth, status])).toEqual([
      [child.delegation_id, 1, 'active'],
      [grandchild.delegation_id, 2, 'active'],
      [second.delegation_id, 1, 'revoked'],
      [below.delegation_id, 2, 'revoked'],
    ]);
    expect(tree.data[3].status_reason).toMatchObject({ delegation_id: second.delegation_id });
    const part = (await t.api('GET', `${DELEGATIONS}/${child.delegation_id}/tree`)).body;
    expect(part.data).toMatchObject([{ depth: 1, delegation_id: grandchild.delegation_id }]);
  });

  it('of an unknown delegation is 404', async () => {
    for (const id of [randomUUID(), 'nonsense']) {
      const answer = await t.api('GET', `${DELEGATIONS}/${id}/tree`);
      expect(answer).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
  });
});

describe('the delegation token', () => {
  it('is checked by a third party with nothing but the published keys', async () => {
    const chain = await chainOf(3, { scope: { ...scope, ...total(50) } });
    const { port } = server.address() as AddressInfo;
    const keys = createRemoteJWKSet(new URL(`http://127.0.0.1:${port}/.well-known/jwks.json`));
    const leaf = chain.at(-1);
    const verify = (token: string) =>
      jwtVerify(token, keys, { issuer: t.deps.config.publicUrl, typ: 'delegation+jwt', algorithms: ['EdDSA'] });
    const { payload } = await verify(leaf.delegation_token);
    const [a, b, c] = chain.map(({ agent_id }) => agent_id as string);
    expect(payload).toMatchObject({
      sub: principal_id,
      jti: leaf.delegation_id,
      // The present actor outermost, whoever delegated to it inside (RFC 8693 §4.1).
      act: { sub: c, act: { sub: b, act: { sub: a } } },
      scope: 'payment.*',
      exp: Math.floor(Date.parse(leaf.expires_at) / 1000),
      authorization_details: [{ type: 'prokura_delegation', ...leaf.effective_scope }],
    });
    expect((payload['act'] as { act: { act: object } }).act.act).toEqual({ sub: a });
    // The control: one that was changed is not believed.
    const [header, body, signature] = leaf.delegation_token.split('.') as [string, string, string];
    const forged = { ...(JSON.parse(Buffer.from(body, 'base64url').toString()) as object), scope: '*' };
    const changed = Buffer.from(JSON.stringify(forged)).toString('base64url');
    await expect(verify(`${header}.${changed}.${signature}`)).rejects.toThrow('signature verification failed');
  });
});
