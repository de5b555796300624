import { randomUUID } from 'node:crypto';
import { decodeJwt, importJWK, jwtVerify } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

async function principal(ref: string = randomUUID()): Promise<string> {
  const answer = await t.api('POST', '/v1/identities/principals', { external_ref: ref, type: 'person', name: 'Ada' });
  expect(answer.status).toBe(201);
  return answer.body.principal_id;
}

async function agent(more: object = { model_hash: 'sha256:1' }): Promise<string> {
  const answer = await t.api('POST', '/v1/agents', { name: 'buyer', ...more });
  expect(answer.status).toBe(201);
  return answer.body.data.id;
}

const scope = { actions: ['payment.authorize'], currencies: ['EUR'], max_amount: 100 };

async function delegate(more: object) {
  return t.api('POST', '/v1/identities/delegations', { scope, ttl_seconds: 3600, ...more });
}

describe('principals', () => {
  it('are registered once and updated afterwards', async () => {
    const body = { external_ref: 'emp-1', type: 'person', name: 'Ada', email: 'ada@example.com', metadata: { a: 1 } };
    const first = await t.api('POST', '/v1/identities/principals', body);
    expect(first.status).toBe(201);
    const second = await t.api('POST', '/v1/identities/principals', { ...body, name: 'Ada B.', email: undefined });
    expect(second.status).toBe(200);
    expect(second.body).toMatchObject({
      principal_id: first.body.principal_id,
      name: 'Ada B.',
      email: 'ada@example.com',
      created_at: first.body.created_at,
    });
    const read = await t.api('GET', `/v1/identities/principals/${first.body.principal_id}`);
    expect(read.body).toEqual(second.body);
  });

  it('do not change from a person into a company', async () => {
    await t.api('POST', '/v1/identities/principals', { external_ref: 'emp-2', type: 'person', name: 'Ada' });
    const answer = await t.api('POST', '/v1/identities/principals', {
      external_ref: 'emp-2',
      type: 'organization',
      name: 'Ada Ltd',
    });
    expect(answer).toMatchObject({ status: 409, body: { code: 'resource_conflict', errors: [{ path: 'type' }] } });
  });

  it('are invisible to another organization and to the other mode', async () => {
    const id = await principal();
    for (const { key } of [await t.stranger(), await t.stranger('live')]) {
      const answer = await t.api('GET', `/v1/identities/principals/${id}`, undefined, {
        authorization: `Bearer ${key}`,
      });
      expect(answer).toMatchObject({ status: 404, body: { code: 'not_found', errors: [{ path: 'id' }] } });
    }
  });
});

describe('delegations', () => {
  it('make a pending agent active, and print what they cover', async () => {
    const agent_id = await agent();
    expect((await t.api('GET', `/v1/agents/${agent_id}`)).body.data.status).toBe('pending');
    const principal_id = await principal();
    const answer = await delegate({
      principal_id,
      agent_id,
      scope: { ...scope, max_total: { amount: '250.50', currency: 'EUR', window: '7d' } },
    });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      status: 'active',
      principal_id,
      scope: {
        max_amount: 100,
        max_amount_minor: 10000,
        max_total: { amount: 250.5, amount_minor: 25050, window: '7d' },
      },
      remaining: { amount: 250.5, amount_minor: 25050, currency: 'EUR' },
    });
    expect(answer.body.effective_scope).toEqual(answer.body.scope);
    expect((await t.api('GET', `/v1/agents/${agent_id}`)).body.data.status).toBe('active');
    const read = await t.api('GET', `/v1/identities/delegations/${answer.body.delegation_id}`);
    expect(read.body).toEqual(answer.body);
  });

  it('carry a signed token that names principal and agents, newest outermost', async () => {
    const principal_id = await principal();
    const [a, b] = [await agent(), await agent()];
    const root = await delegate({ principal_id, agent_id: a, scope: { ...scope, sub_delegation: { max_depth: 1 } } });
    const child = await delegate({
      principal_id,
      agent_id: b,
      parent_delegation_id: root.body.delegation_id,
      ttl_seconds: 60,
    });
    expect(child.status).toBe(201);
    expect(child.body.chain).toEqual([root.body.delegation_id, child.body.delegation_id]);
    const { payload } = await jwtVerify(child.body.delegation_token, await importJWK(t.deps.signer.publicJwk, 'EdDSA'));
    expect(payload).toMatchObject({
      sub: principal_id,
      jti: child.body.delegation_id,
      act: { sub: child.body.agent_id, act: { sub: root.body.agent_id } },
    });
    expect((payload['act'] as { act: object }).act).not.toHaveProperty('act');
  });

  it('stay inside their parent, which must allow them', async () => {
    const principal_id = await principal();
    const [a, b] = [await agent(), await agent()];
    const root = (await delegate({ principal_id, agent_id: a, scope: { ...scope, sub_delegation: { max_depth: 1 } } }))
      .body;
    const closed = (await delegate({ principal_id, agent_id: a })).body;
    const child = { principal_id, agent_id: b, parent_delegation_id: root.delegation_id, ttl_seconds: 60 };
    const cases: [object, string][] = [
      [{ scope: { ...scope, max_amount: 100.01 } }, 'scope.max_amount'],
      [{ scope: { ...scope, actions: ['payment.*'] } }, 'scope.actions'],
      [
        { scope: { ...scope, currencies: ['EUR', 'USD'], max_amount: { amount: 5, currency: 'EUR' } } },
        'scope.currencies',
      ],
      [{ ttl_seconds: 86_400 }, 'expires_at'],
      [{ principal_id: await principal() }, 'principal_id'],
      [{ parent_delegation_id: closed.delegation_id }, 'parent_delegation_id'],
    ];
    for (const [change, path] of cases) {
      const answer = await delegate({ ...child, ...change });
      expect(answer).toMatchObject({ status: 403, body: { code: 'invalid_scope' } });
      expect(answer.body.errors.map((error: { path: string }) => error.path)).toContain(path);
    }
    expect((await delegate(child)).status).toBe(201);
    // One level was allowed, and it is used up.
    const grandchild = (await delegate(child)).body;
    const deeper = await delegate({
      ...child,
      agent_id: a,
      parent_delegation_id: grandchild.delegation_id,
      ttl_seconds: 30,
    });
    expect(deeper).toMatchObject({ status: 403, body: { errors: [{ path: 'parent_delegation_id' }] } });
  });

  it('are pending before they begin and expired after they end', async () => {
    const ids = { principal_id: await principal(), agent_id: await agent() };
    const later = new Date(Date.now() + 3_600_000).toISOString();
    const pending = await delegate({ ...ids, not_before: later });
    expect(pending.body.status).toBe('pending');
    expect(Date.parse(pending.body.expires_at)).toBe(Date.parse(later) + 3_600_000);
    const { delegation_id } = (await delegate(ids)).body;
    await t.database.pool.query(`UPDATE delegations SET expires_at = now() WHERE agent_id = $1`, [ids.agent_id]);
    expect((await t.api('GET', `/v1/identities/delegations/${delegation_id}`)).body.status).toBe('expired');
  });

  it('are exhausted when the total of the current window is spent, and only then', async () => {
    const ids = { principal_id: await principal(), agent_id: await agent() };
    const total = { amount: 10, currency: 'EUR', window: '1d' };
    const { delegation_id } = (await delegate({ ...ids, scope: { ...scope, max_total: total } })).body;
    const read = async () => (await t.api('GET', `/v1/identities/delegations/${delegation_id}`)).body;
    await t.database.pool.query('UPDATE delegations SET budget_spent = 1000 WHERE agent_id = $1', [ids.agent_id]);
    expect(await read()).toMatchObject({ status: 'exhausted', remaining: { amount_minor: 0 } });
    await t.database.pool.query('UPDATE delegations SET budget_window = 7 WHERE agent_id = $1', [ids.agent_id]);
    expect(await read()).toMatchObject({ status: 'active', remaining: { amount_minor: 1000 } });
  });

  it('may come from the organization itself', async () => {
    const org = `org_${'0'.repeat(26)}`;
    const agent_id = await agent();
    expect((await delegate({ principal_id: org, agent_id })).status).toBe(404);
    const answer = await delegate({ principal_id: t.tenant.orgId, agent_id });
    expect(answer.status).toBe(201);
    expect(answer.body.principal_id).toMatch(/^org_/);
  });
});

/** A delegation of the principal to `first`, and one under it to `second`. */
async function passedOn(principal_id: string, first: string, second: string): Promise<string> {
  const wide = { ...scope, sub_delegation: { max_depth: 1 } };
  const { delegation_id } = (await delegate({ principal_id, agent_id: first, scope: wide })).body;
  const child = { principal_id, agent_id: second, parent_delegation_id: delegation_id, ttl_seconds: 60 };
  const answer = await delegate(child);
  expect(answer.status).toBe(201);
  return answer.body.delegation_id as string;
}

describe('verification', () => {
  it('fails under a freeze of whoever the authority comes from, and says which', async () => {
    const principal_id = await principal();
    const [first, second] = [await agent({ principal_id }), await agent({ principal_id })];
    await passedOn(principal_id, first, second);
    const verify = async () =>
      (await t.api('POST', '/v1/identities/verify', { principal_id, agent_id: second })).body as {
        verified: boolean;
        checks: { code: string; ok: boolean; detail: string }[];
      };
    const failed = async () =>
      (await verify()).checks.filter(({ ok }) => !ok).map(({ code, detail }) => [code, detail]);
    for (const target of [{ agent_id: second }, { agent_id: first }, { principal_id }]) {
      expect(await failed()).toEqual([]);
      const { freeze_id } = (await t.api('POST', '/v1/identities/freeze', { ...target, reason: 'r' })).body;
      const kind = Object.keys(target)[0]!.replace('_id', '');
      expect(await failed()).toEqual([['not_frozen', `Frozen: the ${kind}`]]);
      expect((await verify()).verified).toBe(false);
      await t.api('POST', '/v1/identities/unfreeze', { freeze_id, reason: 'r' });
    }
    // A merchant or a processor says nothing about the agent.
    const merchant = (await t.api('POST', '/v1/identities/freeze', { merchant_ref: 'mrc_x', reason: 'r' })).body;
    expect(await failed()).toEqual([]);
    await t.api('POST', '/v1/identities/unfreeze', { freeze_id: merchant.freeze_id, reason: 'r' });
  });

  it('fails while an agent that passed the authority on is suspended, and finds another way where there is one', async () => {
    const principal_id = await principal();
    const [first, second] = [await agent({ principal_id }), await agent({ principal_id })];
    const direct = (await delegate({ principal_id, agent_id: second })).body.delegation_id as string;
    const delegation_id = await passedOn(principal_id, first, second);
    const verify = async (more: object = {}) =>
      (await t.api('POST', '/v1/identities/verify', { principal_id, agent_id: second, ...more })).body;
    expect(await verify()).toMatchObject({ verified: true, delegation_id });
    await t.api('POST', `/v1/agents/${first}/suspend`);
    expect(await verify({ delegation_id })).toMatchObject({
      verified: false,
      checks: [{}, { ok: true }, { ok: false, detail: expect.stringMatching(/through agt_.* suspended/) }, {}],
    });
    expect(await verify()).toMatchObject({ verified: true, delegation_id: direct });
    await t.api('POST', `/v1/agents/${first}/resume`);
    expect(await verify({ delegation_id })).toMatchObject({ verified: true });
  });

  it('is true of a live binding, and names the failed check otherwise', async () => {
    const principal_id = await principal();
    const agent_id = await agent({ principal_id });
    const verify = async (more: object = {}) =>
      (await t.api('POST', '/v1/identities/verify', { principal_id, agent_id, ...more })).body;
    expect(await verify()).toMatchObject({
      verified: false,
      checks: [{ ok: true }, { ok: true }, { code: 'delegation_live', ok: false }, { code: 'not_frozen', ok: true }],
    });
    const { delegation_id } = (await delegate({ principal_id, agent_id })).body;
    expect(await verify()).toMatchObject({ verified: true, delegation_id, effective_scope: { max_amount: 100 } });
    expect(await verify({ principal_id: await principal(), delegation_id })).toMatchObject({ verified: false });
    expect(await verify({ agent_id: randomUUID() })).toMatchObject({
      verified: false,
      checks: [{}, { code: 'agent_active', ok: false }, {}, {}],
    });
  });

  it('accepts a JWT of a registered key, and nothing that it does not understand', async () => {
    const { generateKeyPair, exportJWK, SignJWT } = await import('jose');
    const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
    const principal_id = await principal();
    const agent_id = await agent({ principal_id, keys: [{ jwk: await exportJWK(publicKey) }] });
    await delegate({ principal_id, agent_id });
    const jwt = (sub: string, lifetime = '1m') =>
      new SignJWT({}).setProtectedHeader({ alg: 'EdDSA' }).setSubject(sub).setExpirationTime(lifetime).sign(privateKey);
    const attest = async (attestation: object) => {
      const { body } = await t.api('POST', '/v1/identities/verify', { principal_id, agent_id, attestation });
      return {
        verified: body.verified,
        detail: body.checks.find((c: { code: string }) => c.code === 'attestation').detail,
      };
    };
    expect(await attest({ type: 'jwt', token: await jwt(agent_id) })).toMatchObject({ verified: true });
    expect(await attest({ type: 'jwt', token: await jwt(randomUUID()) })).toMatchObject({ verified: false });
    expect(await attest({ type: 'jwt', token: await jwt(agent_id, '-2m') })).toMatchObject({ verified: false });
    const other = await generateKeyPair('EdDSA');
    const forged = await new SignJWT({})
      .setProtectedHeader({ alg: 'EdDSA' })
      .setSubject(agent_id)
      .setExpirationTime('1m')
      .sign(other.privateKey);
    expect(await attest({ type: 'jwt', token: forged })).toEqual({
      verified: false,
      detail: 'The signature does not verify',
    });
    expect(await attest({ type: 'x509', certificate: '…' })).toMatchObject({ verified: false });
    expect(decodeJwt(forged).sub).toBe(agent_id);
  });
});
