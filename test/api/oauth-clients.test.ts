import { createHmac } from 'node:crypto';
import { exportJWK, generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toTypeId } from '../../src/domain/ids.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

const as = (key: string) => ({ authorization: `Bearer ${key}` });
const create = (body: object, headers = {}) => t.api('POST', '/v1/oauth-clients', { name: 'c', ...body }, headers);
async function granted(client_id: string, client_secret: string, scope?: string) {
  const members = { grant_type: 'client_credentials', client_id, client_secret, ...(scope ? { scope } : {}) };
  return t.api('POST', '/oauth/token', members, { authorization: '' });
}
const agents = (token: string, headers: Record<string, string> = {}) =>
  t.api('GET', '/v1/agents', undefined, { ...as(token), ...headers });

async function audited(subject: string): Promise<string[]> {
  const { rows } = await t.deps.pool.query<{ type: string }>(
    'SELECT type FROM audit_entries WHERE subject = $1 ORDER BY at, seq',
    [subject],
  );
  return rows.map((row) => row.type);
}

describe('an OAuth client', () => {
  it('is made with a secret that is shown once and kept as a hash', async () => {
    const made = await create({ scopes: ['agents:read'] });
    expect(made).toMatchObject({
      status: 201,
      body: { auth_method: 'client_secret', scopes: ['agents:read'], mode: 'test', organizations: [] },
    });
    const { client_id: id, client_secret: secret } = made.body;
    expect((await granted(id, secret)).status).toBe(200);
    const read = await t.api('GET', `/v1/oauth-clients/${id}`);
    const { client_secret: _, ...shown } = made.body;
    expect(read.body).toEqual(shown);
    expect((await t.api('GET', '/v1/oauth-clients')).body.data).toContainEqual(shown);
    const { rows } = await t.deps.pool.query(`SELECT row_to_json(c)::text AS row FROM oauth_clients c WHERE id = $1`, [
      id,
    ]);
    expect(rows[0].row).not.toContain(secret);
    const kept = await t.deps.pool.query(`SELECT string_agg(body::text, '') AS text FROM audit_entries`);
    expect(kept.rows[0].text).not.toContain(secret);
    expect(await audited(id)).toEqual(['oauth_client.created']);
  });

  it('gets no scope that its maker does not have, nor does whoever learns its secret', async () => {
    const narrow = as(await t.keyWith(['keys:write', 'keys:read']));
    expect(await create({ scopes: ['agents:read'] }, narrow)).toMatchObject({
      status: 403,
      body: { code: 'insufficient_scope', errors: [{ path: 'scopes' }] },
    });
    const { body } = await create({ scopes: ['agents:read'] });
    const rotate = await t.api('POST', `/v1/oauth-clients/${body.client_id}/rotate-secret`, {}, narrow);
    expect(rotate).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
    expect((await granted(body.client_id, body.client_secret)).status).toBe(200);
    const without = as(await t.keyWith(['agents:read']));
    expect((await create({ scopes: ['agents:read'] }, without)).status).toBe(403);
    expect((await t.api('GET', '/v1/oauth-clients', undefined, without)).status).toBe(403);
  });

  it('keeps its former secret for the overlap of a rotation, in X-Signature too, and no longer', async () => {
    const { body: made } = await create({ scopes: ['agents:write'], high_trust: true });
    const id: string = made.client_id;
    const rotate = (overlap_seconds: number) =>
      t.api('POST', `/v1/oauth-clients/${id}/rotate-secret`, { overlap_seconds });
    const second = await rotate(3600);
    expect(second.status).toBe(200);
    expect(second.body.client_secret).not.toBe(made.client_secret);
    expect(Date.parse(second.body.previous_secret_expires_at)).toBeGreaterThan(Date.now() + 3_500_000);
    const body = JSON.stringify({ name: 'a', model_hash: 'h' });
    const signed = async (token: string, secret: string) => {
      const at = (Date.now() / 1000).toFixed(6);
      const signature = `sha256=${createHmac('sha256', secret).update(`${at}.${body}`).digest('hex')}`;
      const headers = { ...as(token), 'x-signature': signature, 'x-signature-timestamp': at };
      return (await t.api('POST', '/v1/agents', body, headers)).status;
    };
    for (const secret of [made.client_secret, second.body.client_secret]) {
      const token = await granted(id, secret);
      expect(token.status).toBe(200);
      expect(await signed(token.body.access_token, secret)).toBe(201);
    }
    const third = await rotate(0);
    expect((await granted(id, made.client_secret)).status).toBe(401);
    expect((await granted(id, second.body.client_secret)).status).toBe(401);
    const token = await granted(id, third.body.client_secret);
    expect(await signed(token.body.access_token, second.body.client_secret)).toBe(401);
    expect(await signed(token.body.access_token, third.body.client_secret)).toBe(201);
    expect(await audited(id)).toEqual([
      'oauth_client.created',
      'oauth_client.secret_rotated',
      'oauth_client.secret_rotated',
    ]);
  });

  it('may have keys instead of a secret, public ones only, and other ones later', async () => {
    const pair = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(pair.publicKey);
    const byKeys = { scopes: ['agents:read'], auth_method: 'private_key_jwt' };
    const made = await create({ ...byKeys, jwks: { keys: [{ ...jwk, kid: 'one', use: 'sig' }] } });
    expect(made).toMatchObject({ status: 201, body: { jwks: { keys: [{ kid: 'one' }] } } });
    expect(made.body).not.toHaveProperty('client_secret');
    const secretJwk = await exportJWK(pair.privateKey);
    const cases: [object, string][] = [
      [{ ...byKeys, jwks: { keys: [secretJwk] } }, 'jwks.keys.0.jwk.d'],
      [{ ...byKeys, jwks: { keys: [{ kty: 'oct', k: 'AAAA' }] } }, 'jwks.keys.0.jwk.k'],
      [
        {
          ...byKeys,
          jwks: {
            keys: [
              { ...jwk, kid: 'x' },
              { ...jwk, kid: 'x' },
            ],
          },
        },
        'jwks.keys.1.kid',
      ],
      [{ ...byKeys, jwks: { keys: [] } }, 'jwks.keys'],
      [byKeys, 'jwks'],
      [{ scopes: ['agents:read'], jwks: { keys: [jwk] } }, 'jwks'],
      [{ ...byKeys, jwks: { keys: [jwk] }, high_trust: true }, 'high_trust'],
    ];
    for (const [body, path] of cases) {
      expect(await create(body)).toMatchObject({ status: 400, body: { errors: [{ path }] } });
    }
    const id: string = made.body.client_id;
    const next = await exportJWK((await generateKeyPair('EdDSA', { extractable: true })).publicKey);
    const replaced = await t.api('PUT', `/v1/oauth-clients/${id}/jwks`, { keys: [next] });
    expect(replaced.status).toBe(200);
    expect(replaced.body.jwks.keys).toMatchObject([{ kty: 'OKP' }]);
    expect((await t.api('POST', `/v1/oauth-clients/${id}/rotate-secret`, {})).status).toBe(422);
    const { body: bySecret } = await create({ scopes: ['agents:read'] });
    expect((await t.api('PUT', `/v1/oauth-clients/${bySecret.client_id}/jwks`, { keys: [next] })).status).toBe(422);
  });

  it('ends with its tokens when it is disabled, once', async () => {
    const { body: made } = await create({ scopes: ['agents:read'] });
    const token = (await granted(made.client_id, made.client_secret)).body.access_token;
    expect((await agents(token)).status).toBe(200);
    const disable = () => t.api('POST', `/v1/oauth-clients/${made.client_id}/disable`);
    const first = await disable();
    expect(first.body.disabled_at).toBeDefined();
    expect((await disable()).body).toEqual(first.body);
    expect((await agents(token)).status).toBe(401);
    expect((await granted(made.client_id, made.client_secret)).status).toBe(401);
    expect((await t.api('POST', `/v1/oauth-clients/${made.client_id}/rotate-secret`, {})).status).toBe(422);
    expect(await audited(made.client_id)).toEqual(['oauth_client.created', 'oauth_client.disabled']);
  });

  it('is not there for another organization or the other mode', async () => {
    const { body: made } = await create({ scopes: ['agents:read'] });
    for (const { key } of [await t.stranger(), await t.stranger('live')]) {
      const at = `/v1/oauth-clients/${made.client_id}`;
      const answers = [
        await t.api('GET', at, undefined, as(key)),
        await t.api('POST', `${at}/rotate-secret`, {}, as(key)),
        await t.api('PUT', `${at}/jwks`, { keys: [{ kty: 'OKP' }] }, as(key)),
        await t.api('POST', `${at}/disable`, undefined, as(key)),
        await t.api('POST', `${at}/organizations`, { organization_id: toTypeId('org', t.tenant.orgId) }, as(key)),
        await t.api('POST', `${at}/accept`, { scopes: ['agents:read'] }, as(key)),
      ];
      expect(answers.map((answer) => answer.status)).toEqual([404, 404, 404, 404, 404, 404]);
      expect((await t.api('GET', '/v1/oauth-clients', undefined, as(key))).body.data).toEqual([]);
    }
    expect((await t.api('GET', '/v1/oauth-clients/nonsense')).status).toBe(404);
    expect((await granted(made.client_id, made.client_secret)).status).toBe(200);
  });
});

describe('a client of several organizations', () => {
  it('needs both to agree, names one in every request, and has there what was granted there', async () => {
    const { body: made } = await create({ scopes: ['agents:read', 'agents:write'] });
    const { client_id: id, client_secret: secret } = made;
    const other = await t.stranger();
    const here = toTypeId('org', t.tenant.orgId);
    const there = toTypeId('org', other.tenant.orgId);
    const accept = (scopes: string[], key = other.key) =>
      t.api('POST', `/v1/oauth-clients/${id}/accept`, { scopes }, as(key));
    expect((await accept(['agents:read'])).status).toBe(404);
    const offered = await t.api('POST', `/v1/oauth-clients/${id}/organizations`, { organization_id: there });
    expect(offered.body.organizations).toEqual([{ org_id: there, scopes: [], accepted_at: null }]);
    const token = (await granted(id, secret)).body.access_token;
    // An offer changes nothing yet.
    expect((await agents(token)).status).toBe(200);
    expect((await agents(token, { 'x-kachyng-org': there })).status).toBe(403);

    expect((await accept(['agents:read'])).body).toEqual({ client_id: id, org_id: there, scopes: ['agents:read'] });
    await t.api('POST', '/v1/agents', { name: 'theirs', model_hash: 'h' }, as(other.key));
    const named = await agents(token, { 'x-kachyng-org': there });
    expect(named.body.data.map((agent: { name: string }) => agent.name)).toEqual(['theirs']);
    const own = (await agents(token, { 'x-kachyng-org': here })).body.data as { name: string }[];
    expect(own.map(({ name }) => name)).not.toContain('theirs');
    expect(await agents(token)).toMatchObject({
      status: 400,
      body: { code: 'invalid_request', errors: [{ path: 'X-Kachyng-Org' }] },
    });
    const third = await t.stranger();
    expect(await agents(token, { 'x-kachyng-org': toTypeId('org', third.tenant.orgId) })).toMatchObject({
      status: 403,
      body: { code: 'organization_mismatch' },
    });
    const write = (org: string) =>
      t.api('POST', '/v1/agents', { name: 'n', model_hash: 'h' }, { ...as(token), 'x-kachyng-org': org });
    expect((await write(there)).body.code).toBe('insufficient_scope');
    expect((await write(here)).status).toBe(201);
    // A token of fewer scopes has no more there.
    const narrow = (await granted(id, secret, 'agents:write')).body.access_token;
    expect((await agents(narrow, { 'x-kachyng-org': there })).body.code).toBe('insufficient_scope');

    const withdraw = await t.api(
      'POST',
      `/v1/oauth-clients/${id}/organizations/${there}/withdraw`,
      undefined,
      as(other.key),
    );
    expect(withdraw.body).toEqual({ client_id: id, org_id: there, withdrawn: true });
    expect((await agents(token)).status).toBe(200);
    expect((await agents(token, { 'x-kachyng-org': there })).status).toBe(403);
    expect(await audited(id)).toEqual([
      'oauth_client.created',
      'oauth_client.offered',
      'oauth_client.accepted',
      'oauth_client.withdrawn',
    ]);
  });

  it('has no more there than was granted there, though it may do everything at home', async () => {
    const { body: made } = await create({ scopes: ['admin'] });
    const other = await t.stranger();
    const there = toTypeId('org', other.tenant.orgId);
    await t.api('POST', `/v1/oauth-clients/${made.client_id}/organizations`, { organization_id: there });
    await t.api('POST', `/v1/oauth-clients/${made.client_id}/accept`, { scopes: ['agents:read'] }, as(other.key));
    const token = (await granted(made.client_id, made.client_secret)).body.access_token;
    expect((await agents(token, { 'x-kachyng-org': there })).status).toBe(200);
    const write = await t.api(
      'POST',
      '/v1/agents',
      { name: 'n', model_hash: 'h' },
      { ...as(token), 'x-kachyng-org': there },
    );
    expect(write.body.code).toBe('insufficient_scope');
  });

  it('is offered to active organizations only, and accepted with scopes that the accepting credential has', async () => {
    const { body: made } = await create({ scopes: ['agents:read'] });
    const offer = (organization_id: string) =>
      t.api('POST', `/v1/oauth-clients/${made.client_id}/organizations`, { organization_id });
    expect((await offer(toTypeId('org', t.tenant.orgId))).status).toBe(422);
    expect((await offer('org_00000000000000000000000000')).status).toBe(422);
    const other = await t.stranger();
    expect((await offer(toTypeId('org', other.tenant.orgId))).status).toBe(200);
    const live = await t.stranger('live');
    const accept = (key: string, scopes: string[]) =>
      t.api('POST', `/v1/oauth-clients/${made.client_id}/accept`, { scopes }, as(key));
    expect((await accept(live.key, ['agents:read'])).status).toBe(404);
    expect((await accept(other.key, ['nonsense'])).status).toBe(400);
  });
});
