import { randomUUID } from 'node:crypto';
import { decodeJwt, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toTypeId } from '../../src/domain/ids.ts';
import { startOther } from './other-process.ts';
import { ISSUER, makeKeyPair, nowSeconds, startOauthStage, type Delegated, type OauthStage } from './oauth-stage.ts';
import type { TestApi } from './setup.ts';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

let stage: OauthStage;
let t: TestApi;
let secretClient: string;
beforeAll(async () => {
  stage = await startOauthStage();
  t = stage.t;
  secretClient = stage.bySecret.client_id;
});
afterAll(() => t.close());

describe('a token exchange', () => {
  let delegation: Delegated;
  beforeAll(async () => {
    delegation = await stage.delegate();
  });
  const exchange = (more: Record<string, string | undefined>) =>
    stage.form(
      Object.entries({
        grant_type: EXCHANGE,
        client_id: secretClient,
        client_secret: 'prs_test',
        subject_token: delegation.delegation_token,
        subject_token_type: JWT_TYPE,
        ...more,
      }).filter((entry): entry is [string, string] => entry[1] !== undefined),
    );

  it('is refused with the error that fits', async () => {
    const access = (await stage.form(stage.bySecret)).body.access_token as string;
    const stranger = await t.stranger();
    const foreign = await stage.delegate(undefined, stranger.key);
    const [head, payload, signature] = delegation.delegation_token.split('.');
    const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString()) as { exp: number };
    const longer = Buffer.from(JSON.stringify({ ...claims, exp: claims.exp + 1 })).toString('base64url');
    const tampered = `${head}.${longer}.${signature}`;
    const cases: [Record<string, string | undefined>, string][] = [
      [{ subject_token: undefined }, 'invalid_request'],
      [{ subject_token_type: undefined }, 'invalid_request'],
      [{ subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }, 'invalid_request'],
      [{ subject_token: 'nonsense' }, 'invalid_request'],
      [{ subject_token: access }, 'invalid_request'],
      [{ subject_token: tampered }, 'invalid_request'],
      [{ subject_token: foreign.delegation_token }, 'invalid_request'],
      [{ requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }, 'invalid_request'],
      [{ actor_token_type: JWT_TYPE }, 'invalid_request'],
      [{ actor_token: 'nonsense' }, 'invalid_request'],
      [{ actor_token: 'nonsense', actor_token_type: JWT_TYPE }, 'invalid_request'],
      [{ scope: 'agents:read' }, 'invalid_scope'],
      [{ scope: 'payments:write' }, 'invalid_scope'],
      [{ resource: 'not a URI' }, 'invalid_target'],
      [{ resource: 'https://shop.example/#part' }, 'invalid_target'],
      [{ resource: 'https://shop.example/', audience: 'another' }, 'invalid_target'],
      [{ audience: '' }, 'invalid_target'],
    ];
    for (const [change, error] of cases) {
      const { status, body } = await exchange(change);
      expect({ change, status, error: body.error }).toEqual({ change, status: 400, error });
    }
    const twice: [string, string][] = [
      ...Object.entries({ grant_type: EXCHANGE, client_id: secretClient, client_secret: 'prs_test' }),
      ['audience', 'a'],
      ['audience', 'b'],
    ];
    expect(await stage.form(twice)).toMatchObject({ status: 400, body: { error: 'invalid_target' } });
    expect(await exchange({})).toMatchObject({
      status: 200,
      body: { scope: 'execution:write', issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
    });
    expect(await stage.abuses(secretClient)).toContain('foreign_subject_token');
  });

  it('is in the audit trail, and may be for the organization itself', async () => {
    const agent = await t.api('POST', '/v1/agents', { name: 'own', model_hash: 'h' });
    const own = await t.api('POST', '/v1/identities/delegations', {
      principal_id: toTypeId('org', t.tenant.orgId),
      agent_id: agent.body.data.id,
      scope: { actions: ['payment.authorize'], currencies: ['EUR'], max_amount: 100 },
      ttl_seconds: 3600,
    });
    const granted = await exchange({ subject_token: own.body.delegation_token });
    const claims = decodeJwt(granted.body.access_token as string);
    expect(claims.sub).toBe(toTypeId('org', t.tenant.orgId));
    const { rows } = await t.deps.pool.query<{ actor: string; body: object }>(
      `SELECT actor, body FROM audit_entries WHERE type = 'delegation.token_issued' AND subject = $1`,
      [own.body.delegation_id],
    );
    expect(rows).toMatchObject([
      { actor: `client:${secretClient}`, body: { jti: claims.jti, scopes: ['execution:write'] } },
    ]);
    // It is taken here: the organization is the principal of its own delegation.
    const call = await t.api('GET', '/v1/agents', undefined, { authorization: `Bearer ${granted.body.access_token}` });
    expect(call.body.code).toBe('insufficient_scope');
  });

  it('gives a token that opens nothing here when it is meant for another, and says so in the audit trail', async () => {
    const elsewhere = await exchange({ audience: 'https://shop.example' });
    const token: string = elsewhere.body.access_token;
    const answer = await t.api('GET', '/v1/agents', undefined, { authorization: `Bearer ${token}` });
    expect(answer).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    expect(await stage.abuses(secretClient)).toContain('access_token_wrong_audience');
    const asked = { token, client_id: secretClient, client_secret: 'prs_test' };
    expect((await stage.form(asked, {}, '/oauth/introspect')).body).toMatchObject({
      active: true,
      aud: 'https://shop.example',
    });
    await stage.form(asked, {}, '/oauth/revoke');
    expect((await stage.form(asked, {}, '/oauth/introspect')).body).toEqual({ active: false });
  });

  it('takes the word of an agent only from a key of that agent, for us, once', async () => {
    const pair = await makeKeyPair('EdDSA');
    await t.api('POST', `/v1/agents/${delegation.agent_id}/keys`, { jwk: pair.jwk });
    const word = (claims: object = {}, key = pair.privateKey) => {
      const who = { iss: delegation.agent_id, sub: delegation.agent_id };
      return new SignJWT({ ...who, aud: ISSUER, jti: randomUUID(), exp: nowSeconds() + 60, ...claims })
        .setProtectedHeader({ alg: 'EdDSA' })
        .sign(key);
    };
    const say = (actor_token: string) => exchange({ actor_token, actor_token_type: JWT_TYPE });
    const good = await word();
    expect((await say(good)).status).toBe(200);
    const other = await makeKeyPair('EdDSA');
    for (const [token, words] of [
      [good, 'used before'],
      [await word({ aud: 'https://elsewhere.example' }), 'somebody else'],
      [await word({ sub: 'agt_other' }), 'name its signer'],
      [await word({ exp: nowSeconds() + 700 }), '600 seconds'],
      [await word({ exp: nowSeconds() - 61 }), 'expired'],
      [await word({}, other.privateKey), 'does not verify'],
    ] as const) {
      const answer = await say(token);
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
      expect(answer.body.error_description).toContain(words);
    }
    expect(await stage.abuses(secretClient)).toContain('actor_token_replayed');
  });

  it('gives a token on an agent’s word that ends with the key the agent gave it by', async () => {
    const own = await stage.delegate();
    const word = async (not_after?: string) => {
      const pair = await makeKeyPair('EdDSA');
      const added = await t.api('POST', `/v1/agents/${own.agent_id}/keys`, { jwk: pair.jwk, not_after });
      const actor_token = await new SignJWT({ iss: own.agent_id, sub: own.agent_id, aud: ISSUER })
        .setProtectedHeader({ alg: 'EdDSA' })
        .setJti(randomUUID())
        .setExpirationTime(nowSeconds() + 60)
        .sign(pair.privateKey);
      const said = { subject_token: own.delegation_token, actor_token, actor_token_type: JWT_TYPE };
      const { status, body } = await exchange(said);
      expect(status).toBe(200);
      return { ...(body as { access_token: string; expires_in: number }), key_id: added.body.data.key_id as string };
    };
    const [first, second] = [await word(), await word()];
    const withoutWord = (await exchange({ subject_token: own.delegation_token })).body.access_token as string;
    const other = await startOther(t);
    // 403: it is good, and has no scope for this.
    const seen = async () =>
      Promise.all([first.access_token, second.access_token, withoutWord].map((token) => other.status(token)));
    const isActive = async (token: string) => {
      const asked = { token, client_id: secretClient, client_secret: 'prs_test' };
      return (await stage.form(asked, {}, '/oauth/introspect')).body.active as boolean;
    };
    try {
      expect(await seen()).toEqual([403, 403, 403]);
      expect(await isActive(first.access_token)).toBe(true);
      await t.api('POST', '/v1/identities/revoke', { key_id: first.key_id, reason: 'stolen' });
      await expect.poll(seen, { timeout: 1_000 }).toEqual([401, 403, 403]);
      expect(await isActive(first.access_token)).toBe(false);
      const next = { jwk: (await makeKeyPair('EdDSA')).jwk, overlap_seconds: 0 };
      await t.api('POST', `/v1/agents/${own.agent_id}/keys/${second.key_id}/rotate`, next);
      await expect.poll(seen, { timeout: 1_000 }).toEqual([401, 401, 403]);
    } finally {
      await other.close();
    }
    const brief = await word(new Date(Date.now() + 20_000).toISOString());
    expect(brief.expires_in).toBeLessThanOrEqual(20);
  });

  it('is refused under a freeze, and what was given to others before is said to be over', async () => {
    const own = await stage.delegate();
    const { delegation_token: subject_token, agent_id } = own;
    const ask = async (token: string) => {
      const asked = { token, client_id: secretClient, client_secret: 'prs_test' };
      return (await stage.form(asked, {}, '/oauth/introspect')).body.active as boolean;
    };
    const here = (await exchange({ subject_token })).body.access_token as string;
    const there = (await exchange({ subject_token, audience: 'https://shop.example' })).body.access_token as string;
    expect([await ask(here), await ask(there)]).toEqual([true, true]);
    const { freeze_id } = (await t.api('POST', '/v1/identities/freeze', { agent_id, reason: 'strange' })).body;
    expect(await exchange({ subject_token })).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    // Here it is still good for what a freeze leaves: reading, and voids.
    expect([await ask(here), await ask(there)]).toEqual([true, false]);
    await t.api('POST', '/v1/identities/unfreeze', { freeze_id, reason: 'false alarm' });
    expect((await exchange({ subject_token })).status).toBe(200);
    expect(await ask(there)).toBe(true);
  });

  it('takes a delegation of another organization that accepted the client, with the scopes it has there', async () => {
    const { key, tenant } = await t.stranger();
    const foreign = await stage.delegate(undefined, key);
    const organization_id = toTypeId('org', tenant.orgId);
    await t.api('POST', `/v1/oauth-clients/${secretClient}/organizations`, { organization_id });
    expect((await exchange({ subject_token: foreign.delegation_token })).status).toBe(400);
    const accept = (scopes: string[]) =>
      t.api('POST', `/v1/oauth-clients/${secretClient}/accept`, { scopes }, { authorization: `Bearer ${key}` });
    await accept(['agents:read']);
    const beyond = await exchange({ subject_token: foreign.delegation_token });
    expect(beyond).toMatchObject({ status: 400, body: { error: 'invalid_scope' } });
    await accept(['execution:write', 'execution:read']);
    const granted = await exchange({ subject_token: foreign.delegation_token });
    expect(granted).toMatchObject({ status: 200, body: { scope: 'execution:write' } });
    // It is of that organization alone: no header is needed, and no other one is taken.
    const call = (headers: Record<string, string> = {}) =>
      t.api('GET', `/v1/executions/${foreign.delegation_id.replace('del_', 'exec_')}`, undefined, {
        authorization: `Bearer ${granted.body.access_token}`,
        ...headers,
      });
    expect((await call()).body.code).toBe('insufficient_scope');
    const home = toTypeId('org', t.tenant.orgId);
    expect((await call({ 'x-kachyng-org': home })).body.code).toBe('organization_mismatch');
    await t.api('POST', `/v1/oauth-clients/${secretClient}/organizations/${organization_id}/withdraw`, undefined, {
      authorization: `Bearer ${key}`,
    });
    expect((await call()).status).toBe(401);
  });

  it('needs a delegation that is live now, and lasts no longer than it', async () => {
    const short = await stage.delegate({ ttl_seconds: 30 });
    const lives = await exchange({ subject_token: short.delegation_token });
    expect(lives.body.expires_in).toBeGreaterThan(25);
    expect(lives.body.expires_in).toBeLessThanOrEqual(30);
    const later = await stage.delegate({ not_before: new Date(Date.now() + 3_600_000).toISOString(), ttl_seconds: 60 });
    const revoked = await stage.delegate();
    await t.api('POST', '/v1/identities/revoke', { delegation_id: revoked.delegation_id, reason: 'over' });
    const suspended = await stage.delegate();
    await t.deps.pool.query(`UPDATE agents SET status = 'suspended' WHERE id = $1`, [suspended.agent_id]);
    const brief = await stage.delegate({ ttl_seconds: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    for (const { delegation_token: subject_token } of [later, revoked, suspended, brief]) {
      expect(await exchange({ subject_token })).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    }
  });
});
