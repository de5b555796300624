import { createHmac } from 'node:crypto';
import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { insertOauthClient } from '../../src/store/oauth-clients.ts';
import type { Tenant } from '../../src/domain/types.ts';
import { countQueries } from '../figures/count-queries.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
let client: { id: string; secret: string };
beforeAll(async () => {
  t = await startTestApi();
  client = await makeClient(t.tenant);
});
afterAll(() => t.close());

async function makeClient(tenant: Tenant, scopes = ['agents:read', 'agents:write']) {
  const secret = 'prs_test';
  const id = await insertOauthClient(t.deps.pool, {
    tenant,
    name: 'c',
    scopes,
    secret,
    signingSecretSealed: t.deps.sealer.seal(secret),
  });
  return { id, secret };
}

const basic = (id: string, secret: string) => `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
const form = (path: string, members: Record<string, string>, authorization = '') =>
  t.api('POST', path, new URLSearchParams(members).toString(), {
    authorization,
    'content-type': 'application/x-www-form-urlencoded',
  });

async function token(more: Record<string, string> = {}): Promise<string> {
  const answer = await form(
    '/oauth/token',
    { grant_type: 'client_credentials', ...more },
    basic(client.id, client.secret),
  );
  expect(answer.status).toBe(200);
  return answer.body.access_token;
}

describe('/oauth/token', () => {
  it('grants by Basic, by form members and by JSON', async () => {
    const members = { grant_type: 'client_credentials', client_id: client.id, client_secret: client.secret };
    const answers = [
      await form('/oauth/token', { grant_type: 'client_credentials' }, basic(client.id, client.secret)),
      await form('/oauth/token', members),
      await t.api('POST', '/oauth/token', members, { authorization: '' }),
    ];
    for (const answer of answers) {
      expect(answer).toMatchObject({
        status: 200,
        body: { token_type: 'Bearer', expires_in: 600, scope: 'agents:read agents:write' },
      });
      expect(answer.headers['cache-control']).toBe('no-store');
    }
  });

  it('gives a JWT that the published keys verify', async () => {
    const jwks = (await t.api('GET', '/.well-known/jwks.json')).body;
    const { payload, protectedHeader } = await jwtVerify(
      await token({ scope: 'agents:read' }),
      createLocalJWKSet(jwks),
    );
    expect(protectedHeader).toMatchObject({ alg: 'EdDSA', typ: 'at+jwt' });
    expect(payload).toMatchObject({
      client_id: client.id,
      scope: 'agents:read',
      iss: 'http://api.test',
      org: t.tenant.orgId,
    });
    expect(payload.exp! - payload.iat!).toBe(600);
  });

  it('refuses in the words of RFC 6749', async () => {
    const ok = basic(client.id, client.secret);
    const cases: [Record<string, string>, string, number, string][] = [
      [{ grant_type: 'client_credentials' }, basic(client.id, 'wrong'), 401, 'invalid_client'],
      [{ grant_type: 'client_credentials' }, basic('client_x', client.secret), 401, 'invalid_client'],
      [{ grant_type: 'client_credentials' }, '', 401, 'invalid_client'],
      [{ grant_type: 'password' }, ok, 400, 'unsupported_grant_type'],
      [{}, ok, 400, 'invalid_request'],
      [{ grant_type: 'client_credentials', scope: 'admin' }, ok, 400, 'invalid_scope'],
      [{ grant_type: 'client_credentials', client_secret: 'x' }, ok, 400, 'invalid_request'],
    ];
    for (const [members, authorization, status, error] of cases) {
      expect(await form('/oauth/token', members, authorization)).toMatchObject({ status, body: { error } });
    }
  });
});

describe('an access token', () => {
  it('opens what its scopes say, and nothing that was tampered with', async () => {
    const read = await token({ scope: 'agents:read' });
    const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
    expect((await t.api('GET', '/v1/agents', undefined, bearer(read))).status).toBe(200);
    const agent = { name: 'a', model_hash: 'h' };
    expect((await t.api('POST', '/v1/agents', agent, bearer(read))).body.code).toBe('insufficient_scope');
    const [header, , signature] = read.split('.');
    const payload = Buffer.from(JSON.stringify({ ...decodeJwt(read), scope: 'admin' })).toString('base64url');
    expect((await t.api('GET', '/v1/agents', undefined, bearer(`${header}.${payload}.${signature}`))).status).toBe(401);
    const other = await startTestApi();
    expect((await other.api('GET', '/v1/agents', undefined, bearer(read))).status).toBe(401);
    await other.close();
  });

  it('costs no query while it is remembered', async () => {
    const headers = { authorization: `Bearer ${await token({ scope: 'agents:read' })}` };
    const counter = countQueries();
    try {
      const call = async () => (await counter.during(() => t.api('GET', '/v1/agents', undefined, headers))).sent;
      const cold = await call();
      const warm = await call();
      expect(cold.filter((name) => name === 'find-token-client')).toHaveLength(1);
      expect(warm).toEqual(cold.filter((name) => name !== 'find-token-client'));
    } finally {
      counter.stop();
    }
  });

  it('cannot be made with the published key as a secret, nor without a signature', async () => {
    const { kid, ...publicJwk } = t.deps.signer.publicJwk;
    const forge = async (header: object, secret: string) => {
      const payload = (await token()).split('.')[1]!;
      const input = `${Buffer.from(JSON.stringify({ typ: 'at+jwt', kid, ...header })).toString('base64url')}.${payload}`;
      return `${input}.${secret === '' ? '' : createHmac('sha256', secret).update(input).digest('base64url')}`;
    };
    const raw = Buffer.from(publicJwk.x!, 'base64url').toString('latin1');
    for (const forged of [
      await forge({ alg: 'HS256' }, raw),
      await forge({ alg: 'HS256' }, JSON.stringify(publicJwk)),
      await forge({ alg: 'none' }, ''),
      await forge({ alg: 'EdDSA' }, ''),
    ]) {
      expect((await t.api('GET', '/v1/agents', undefined, { authorization: `Bearer ${forged}` })).status).toBe(401);
    }
  });

  it('is not mistaken for another JWT of the same key', async () => {
    const statement = await t.deps.signer.signJws(
      { ...decodeJwt(await token()), scope: 'admin' },
      { typ: 'delegation+jwt' },
    );
    expect((await t.api('GET', '/v1/agents', undefined, { authorization: `Bearer ${statement}` })).status).toBe(401);
  });

  it('signs bodies with the client secret', async () => {
    const body = JSON.stringify({ name: 'a', model_hash: 'h' });
    const sign = (secret: string) => `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    const headers = { authorization: `Bearer ${await token()}` };
    expect((await t.api('POST', '/v1/agents', body, { ...headers, 'x-signature': sign(client.secret) })).status).toBe(
      201,
    );
    expect((await t.api('POST', '/v1/agents', body, { ...headers, 'x-signature': sign('x') })).status).toBe(401);
  });

  it('is of no use once it was revoked, and only its own client can revoke it', async () => {
    const access = await token();
    const call = async () =>
      (await t.api('GET', '/v1/agents', undefined, { authorization: `Bearer ${access}` })).status;
    const introspect = async (who = client) =>
      (await form('/oauth/introspect', { token: access }, basic(who.id, who.secret))).body;
    expect(await call()).toBe(200);
    expect(await introspect()).toMatchObject({ active: true, client_id: client.id, scope: 'agents:read agents:write' });
    const stranger = await makeClient((await t.stranger()).tenant);
    expect(await introspect(stranger)).toEqual({ active: false });
    expect((await form('/oauth/revoke', { token: access }, basic(stranger.id, stranger.secret))).status).toBe(200);
    expect(await call()).toBe(200);
    expect((await form('/oauth/revoke', { token: access }, basic(client.id, client.secret))).status).toBe(200);
    expect(await call()).toBe(401);
    expect(await introspect()).toEqual({ active: false });
    expect((await form('/oauth/revoke', { token: 'nonsense' }, basic(client.id, client.secret))).status).toBe(200);
    expect((await form('/oauth/introspect', { token: access })).status).toBe(401);
  });

  it('ends with its client', async () => {
    const gone = await makeClient(t.tenant);
    const answer = await form('/oauth/token', { grant_type: 'client_credentials' }, basic(gone.id, gone.secret));
    await t.deps.pool.query('UPDATE oauth_clients SET revoked_at = now() WHERE id = $1', [gone.id]);
    const headers = { authorization: `Bearer ${answer.body.access_token}` };
    expect((await t.api('GET', '/v1/agents', undefined, headers)).status).toBe(401);
  });
});

describe('the published metadata', () => {
  it('names endpoints that are there', async () => {
    const { body } = await t.api('GET', '/.well-known/oauth-authorization-server');
    for (const member of ['token_endpoint', 'introspection_endpoint', 'revocation_endpoint', 'jwks_uri']) {
      const { pathname } = new URL(body[member]);
      const answer = await request(t.app)[member === 'jwks_uri' ? 'get' : 'post'](pathname);
      expect([200, 400, 401]).toContain(answer.status);
    }
  });

  it('never publishes a private key', async () => {
    const { keys } = (await t.api('GET', '/.well-known/jwks.json')).body;
    expect(keys).toHaveLength(1);
    expect(keys[0]).not.toHaveProperty('d');
  });
});
