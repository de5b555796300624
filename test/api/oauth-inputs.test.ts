import { createHash, createHmac, generateKeyPairSync, randomUUID } from 'node:crypto';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/api/app.ts';
import { insertOauthClient } from '../../src/store/oauth-clients.ts';
import request from 'supertest';
import { startTestApi, type Answer, type TestApi } from './setup.ts';

const ISSUER = 'http://api.test';
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';

let t: TestApi;
let keyClient: string;
let secretClient: string;
let keys: { privateKey: CryptoKey; publicKey: CryptoKey; jwk: JWK };
beforeAll(async () => {
  t = await startTestApi();
  const pair = await generateKeyPair('ES256', { extractable: true });
  keys = { ...pair, jwk: await exportJWK(pair.publicKey) };
  keyClient = await client({ jwks: { keys: [keys.jwk] } });
  secretClient = await client({ secret: 'prs_test' });
});
afterAll(() => t.close());

const client = (more: object) =>
  insertOauthClient(t.deps.pool, { tenant: t.tenant, name: 'c', scopes: ['agents:read', 'execution:write'], ...more });
const now = () => Math.floor(Date.now() / 1000);
const form = (
  members: Record<string, string> | [string, string][],
  headers: Record<string, string> = {},
  path = '/oauth/token',
) =>
  t.api('POST', path, new URLSearchParams(members).toString(), {
    authorization: '',
    'content-type': 'application/x-www-form-urlencoded',
    ...headers,
  });
const bySecret = {
  grant_type: 'client_credentials',
  get client_id() {
    return secretClient;
  },
  client_secret: 'prs_test',
};

async function abuses(actor: string): Promise<string[]> {
  const { rows } = await t.deps.pool.query<{ code: string }>(
    `SELECT body->>'code' AS code FROM audit_entries WHERE type = 'security.abuse' AND actor = $1 ORDER BY seq`,
    [actor],
  );
  return rows.map((row) => row.code);
}

function assertion(claims: object = {}, header: object = {}, key: CryptoKey | Uint8Array = keys.privateKey) {
  const whole = { iss: keyClient, sub: keyClient, aud: ISSUER, jti: randomUUID(), exp: now() + 60, ...claims };
  return new SignJWT(JSON.parse(JSON.stringify(whole)) as Record<string, unknown>)
    .setProtectedHeader({ alg: 'ES256', ...header })
    .sign(key);
}
const withAssertion = (token: string, more: Record<string, string> = {}) =>
  form({
    grant_type: 'client_credentials',
    client_assertion_type: ASSERTION_TYPE,
    client_assertion: token,
    ...more,
  });

describe('a client assertion', () => {
  it('is taken for the issuer or the token endpoint, within a minute of skew', async () => {
    for (const claims of [
      {},
      { aud: `${ISSUER}/oauth/token` },
      { aud: ['https://elsewhere.example', ISSUER] },
      { exp: now() - 50 },
      { iat: now() + 50, nbf: now() + 50 },
    ]) {
      expect(await withAssertion(await assertion(claims))).toMatchObject({ status: 200, body: { expires_in: 600 } });
    }
  });

  it('is refused for everything that is wrong with it, and nothing says which client exists', async () => {
    const other = await generateKeyPair('ES256');
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await assertion()).split('.')[1]}.`;
    const confused = await (async () => {
      const head = Buffer.from('{"alg":"HS256"}').toString('base64url');
      const input = `${head}.${(await assertion()).split('.')[1]}`;
      const secret = await exportSPKI(keys.publicKey);
      return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
    })();
    const cases: [string, string][] = [
      [none, 'alg must be one of'],
      [confused, 'alg must be one of'],
      [await assertion({ aud: 'https://elsewhere.example' }), 'aud names somebody else'],
      [await assertion({ aud: undefined }), 'aud is missing'],
      [await assertion({ exp: now() - 61 }), 'it has expired'],
      [await assertion({ exp: undefined }), 'exp is missing'],
      [await assertion({ exp: now() + 3_700 }), 'exp lies more than 3600 seconds ahead'],
      [await assertion({ iat: now() + 70 }), 'iat lies in the future'],
      [await assertion({ nbf: now() + 70 }), 'nbf is not good'],
      [await assertion({ jti: undefined }), 'jti is missing'],
      [await assertion({ jti: 7 }), 'jti must be a text'],
      [await assertion({ iss: secretClient }), 'iss and sub must both name its signer'],
      [await assertion({}, {}, other.privateKey), 'the signature does not verify'],
      [await assertion({}, { kid: 'unheard of' }), 'no registered key fits it'],
    ];
    for (const [token, words] of cases) {
      const answer = await withAssertion(token);
      expect(answer, words).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
      expect(answer.body.error_description).toContain(words);
      expect(answer.headers['cache-control']).toBe('no-store');
    }
    const stranger = await withAssertion(await assertion({ iss: 'client_x', sub: 'client_x' }));
    const bySecretOnly = await withAssertion(await assertion({ iss: secretClient, sub: secretClient }));
    const nonsense = await withAssertion('nonsense');
    for (const answer of [stranger, bySecretOnly, nonsense]) {
      expect(answer).toMatchObject({ status: 401, body: { error_description: 'Client authentication failed.' } });
    }
    expect(new Set(await abuses(`client:${keyClient}`))).toEqual(
      new Set([
        'client_assertion_wrong_algorithm',
        'client_assertion_wrong_audience',
        'client_assertion_wrong_subject',
        'client_assertion_bad_signature',
      ]),
    );
  });

  it('is good for one request, whichever process gets it and however many at once', async () => {
    const token = await assertion();
    const second = createApp(t.deps);
    const send = (app: typeof second) =>
      request(app)
        .post('/oauth/token')
        .type('form')
        .send({ grant_type: 'client_credentials', client_assertion_type: ASSERTION_TYPE, client_assertion: token });
    const answers = await Promise.all([send(t.app), send(second), send(t.app), send(second)]);
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 401, 401, 401]);
    expect(await abuses(`client:${keyClient}`)).toContain('client_assertion_replayed');
    // Another client's same jti is another one.
    const pair = await generateKeyPair('ES256', { extractable: true });
    const other = await client({ jwks: { keys: [await exportJWK(pair.publicKey)] } });
    const jti = 'the-same';
    expect((await withAssertion(await assertion({ jti }))).status).toBe(200);
    expect((await withAssertion(await assertion({ jti, iss: other, sub: other }, {}, pair.privateKey))).status).toBe(
      200,
    );
  });

  it('works with several keys, named and not', async () => {
    const second = await generateKeyPair('ES256', { extractable: true });
    const id = await client({
      jwks: {
        keys: [
          { ...keys.jwk, kid: 'a' },
          { ...(await exportJWK(second.publicKey)), kid: 'b' },
        ],
      },
    });
    const claims = () => ({ iss: id, sub: id });
    for (const [header, key, status] of [
      [{ kid: 'a' }, keys.privateKey, 200],
      [{ kid: 'b' }, second.privateKey, 200],
      [{}, second.privateKey, 200],
      [{ kid: 'a' }, second.privateKey, 401],
      [{}, (await generateKeyPair('ES256')).privateKey, 401],
    ] as const) {
      expect((await withAssertion(await assertion(claims(), header, key))).status).toBe(status);
    }
  });
});

describe('client authentication', () => {
  it('is by one method, and parameters are given once', async () => {
    const basic = { authorization: `Basic ${Buffer.from(`${secretClient}:prs_test`).toString('base64')}` };
    const token = await assertion();
    const cases: [Promise<Answer>, number, string][] = [
      [form(bySecret, basic), 400, 'invalid_request'],
      [
        form(
          { grant_type: 'client_credentials', client_assertion: token, client_assertion_type: ASSERTION_TYPE },
          basic,
        ),
        400,
        'invalid_request',
      ],
      [withAssertion(token, { client_secret: 'prs_test' }), 400, 'invalid_request'],
      [withAssertion(token, { client_id: secretClient }), 400, 'invalid_request'],
      [form({ grant_type: 'client_credentials', client_id: keyClient }, basic), 400, 'invalid_request'],
      [form([...Object.entries(bySecret), ['scope', 'agents:read'], ['scope', 'admin']]), 400, 'invalid_request'],
      [
        form({ grant_type: 'client_credentials', client_id: keyClient, client_secret: 'prs_test' }),
        401,
        'invalid_client',
      ],
      [form({ grant_type: 'client_credentials', client_assertion_type: ASSERTION_TYPE }), 401, 'invalid_client'],
      [
        form({ grant_type: 'client_credentials', client_assertion: token, client_assertion_type: 'saml2-bearer' }),
        401,
        'invalid_client',
      ],
      [form({ grant_type: 'client_credentials' }, { authorization: 'Basic !!' }), 401, 'invalid_client'],
      [
        form(
          { grant_type: 'client_credentials' },
          { authorization: `Basic ${Buffer.from('%00:x').toString('base64')}` },
        ),
        401,
        'invalid_client',
      ],
      [form({ ...bySecret, grant_type: 'authorization_code' }), 400, 'unsupported_grant_type'],
      [form({ ...bySecret, scope: 'agents:write' }), 400, 'invalid_scope'],
      [form({ ...bySecret, scope: 'nonsense' }), 400, 'invalid_scope'],
      [form({ ...bySecret, scope: ' ' }), 400, 'invalid_scope'],
      [form({ client_id: secretClient, client_secret: 'prs_test' }, {}, '/oauth/introspect'), 400, 'invalid_request'],
      [form({ client_id: secretClient, client_secret: 'prs_test' }, {}, '/oauth/revoke'), 400, 'invalid_request'],
      [form({ token: 'x' }, {}, '/oauth/revoke'), 401, 'invalid_client'],
    ];
    for (const [answer, status, error] of cases) {
      expect(await answer).toMatchObject({ status, body: { error }, headers: { 'cache-control': 'no-store' } });
    }
    expect((await form(bySecret)).status).toBe(200);
  });
});

describe('a DPoP-bound token', () => {
  let dpopKeys: { privateKey: CryptoKey; jwk: JWK };
  beforeAll(async () => {
    const pair = await generateKeyPair('ES256', { extractable: true });
    dpopKeys = { privateKey: pair.privateKey, jwk: await exportJWK(pair.publicKey) };
  });

  async function proof(claims: object = {}, header: object = {}, key: CryptoKey = dpopKeys.privateKey) {
    const whole = { htm: 'GET', htu: `${ISSUER}/v1/agents`, iat: now(), jti: randomUUID(), ...claims };
    return new SignJWT(JSON.parse(JSON.stringify(whole)) as Record<string, unknown>)
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: dpopKeys.jwk, ...header })
      .sign(key);
  }
  const forToken = (claims: object = {}) => proof({ htm: 'POST', htu: `${ISSUER}/oauth/token`, ...claims });
  const ath = (token: string) => createHash('sha256').update(token).digest('base64url');
  const bound = async () => (await form(bySecret, { dpop: await forToken() })).body.access_token as string;
  const call = (token: string, dpop: string, scheme = 'DPoP') =>
    t.api('GET', '/v1/agents', undefined, { authorization: `${scheme} ${token}`, dpop });

  it('is not issued for a proof that proves nothing', async () => {
    const used = await forToken();
    expect(await form(bySecret, { dpop: used })).toMatchObject({ status: 200, body: { token_type: 'DPoP' } });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const cases = {
      'a used one': used,
      'another method': await forToken({ htm: 'GET' }),
      'another URL': await forToken({ htu: `${ISSUER}/oauth/introspect` }),
      'an old one': await forToken({ iat: now() - 62 }),
      'one of the future': await forToken({ iat: now() + 62 }),
      'one without jti': await forToken({ jti: undefined }),
      'another type': await proof({ htm: 'POST', htu: `${ISSUER}/oauth/token` }, { typ: 'JWT' }),
      'another key': await proof(
        { htm: 'POST', htu: `${ISSUER}/oauth/token` },
        {},
        (await generateKeyPair('ES256')).privateKey,
      ),
      'a private key': await proof(
        { htm: 'POST', htu: `${ISSUER}/oauth/token` },
        { jwk: privateKey.export({ format: 'jwk' }) },
      ),
      'no JWT': 'nonsense',
      'two of them': `${await forToken()}, ${await forToken()}`,
    };
    for (const [what, dpop] of Object.entries(cases)) {
      const answer = await form(bySecret, { dpop });
      expect(answer, what).toMatchObject({ status: 400, body: { error: 'invalid_dpop_proof' } });
    }
    expect(await abuses(`client:${secretClient}`)).toContain('dpop_replayed');
  });

  it('opens nothing without a fresh proof of its key for that very request', async () => {
    const token = await bound();
    const good = await proof({ ath: ath(token) });
    expect((await call(token, good)).status).toBe(200);
    const other = await generateKeyPair('ES256', { extractable: true });
    const cases: [string, string, string, string?][] = [
      ['used before', good, 'invalid_dpop_proof'],
      ['without ath', await proof(), 'invalid_dpop_proof'],
      ['for another token', await proof({ ath: ath(`${token}x`) }), 'invalid_dpop_proof'],
      ['for another method', await proof({ ath: ath(token), htm: 'POST' }), 'invalid_dpop_proof'],
      ['for another path', await proof({ ath: ath(token), htu: `${ISSUER}/v1/payments` }), 'invalid_dpop_proof'],
      ['for another host', await proof({ ath: ath(token), htu: 'http://other.test/v1/agents' }), 'invalid_dpop_proof'],
      ['too old', await proof({ ath: ath(token), iat: now() - 62 }), 'invalid_dpop_proof'],
      ['missing', '', 'invalid_dpop_proof'],
      [
        'of another key',
        await proof({ ath: ath(token) }, { jwk: await exportJWK(other.publicKey) }, other.privateKey),
        'invalid_token',
      ],
      ['sent with Bearer', await proof({ ath: ath(token) }), 'invalid_token', 'Bearer'],
    ];
    for (const [what, dpop, error, scheme] of cases) {
      const answer = await call(token, dpop, scheme);
      expect(answer, what).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
      expect(answer.headers['www-authenticate'], what).toMatch(new RegExp(`^DPoP error="${error}", .*algs="EdDSA `));
    }
  });

  it('keeps a proof from being used in two processes at once', async () => {
    const token = await bound();
    const dpop = await proof({ ath: ath(token) });
    const second = createApp(t.deps);
    const send = (app: typeof second) =>
      request(app)
        .get('/v1/agents')
        .set({ authorization: `DPoP ${token}`, dpop });
    const answers = await Promise.all([send(t.app), send(second), send(second), send(t.app)]);
    expect(answers.map((answer) => answer.status).sort()).toEqual([200, 401, 401, 401]);
  });

  it('is the only kind of a client that asked for it, and no other credential passes as one', async () => {
    const id = await client({ secret: 'prs_bound', dpopBound: true });
    const members = { grant_type: 'client_credentials', client_id: id, client_secret: 'prs_bound' };
    expect(await form(members)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect(await form(members, { dpop: await forToken() })).toMatchObject({
      status: 200,
      body: { token_type: 'DPoP' },
    });
    const plain = (await form(bySecret)).body.access_token as string;
    for (const credential of [plain, t.key]) {
      const answer = await call(credential, await proof({ ath: ath(credential) }));
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toMatch(/^DPoP error="invalid_token"/);
    }
    const nobody = await t.api('GET', '/v1/agents', undefined, { authorization: '' });
    expect(nobody.headers['www-authenticate']).toBe('Bearer, DPoP algs="EdDSA Ed25519 ES256 ES384 PS256 RS256"');
  });
});

describe('a token exchange', () => {
  let delegation: { delegation_id: string; delegation_token: string; agent_id: string };
  beforeAll(async () => {
    delegation = await delegate(t, { authorization: `Bearer ${t.key}` });
  });
  const exchange = (more: Record<string, string | undefined>) =>
    form(
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
    const access = (await form(bySecret)).body.access_token as string;
    const stranger = await t.stranger();
    const foreign = await delegate(t, { authorization: `Bearer ${stranger.key}` });
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
      expect(await exchange(change), JSON.stringify(change)).toMatchObject({ status: 400, body: { error } });
    }
    const twice: [string, string][] = [
      ...Object.entries({ grant_type: EXCHANGE, client_id: secretClient, client_secret: 'prs_test' }),
      ['audience', 'a'],
      ['audience', 'b'],
    ];
    expect(await form(twice)).toMatchObject({ status: 400, body: { error: 'invalid_target' } });
    expect(await exchange({})).toMatchObject({
      status: 200,
      body: { scope: 'execution:write', issued_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
    });
    expect(await abuses(`client:${secretClient}`)).toContain('foreign_subject_token');
  });

  it('takes the word of an agent only from a key of that agent, for us, once', async () => {
    const pair = await generateKeyPair('EdDSA', { extractable: true });
    await t.api('POST', `/v1/agents/${delegation.agent_id}/keys`, { jwk: await exportJWK(pair.publicKey) });
    const word = (claims: object = {}, key = pair.privateKey) => {
      const who = { iss: delegation.agent_id, sub: delegation.agent_id };
      return new SignJWT({ ...who, aud: ISSUER, jti: randomUUID(), exp: now() + 60, ...claims })
        .setProtectedHeader({ alg: 'EdDSA' })
        .sign(key);
    };
    const say = (actor_token: string) => exchange({ actor_token, actor_token_type: JWT_TYPE });
    const good = await word();
    expect((await say(good)).status).toBe(200);
    const other = await generateKeyPair('EdDSA');
    for (const [token, words] of [
      [good, 'used before'],
      [await word({ aud: 'https://elsewhere.example' }), 'somebody else'],
      [await word({ sub: 'agt_other' }), 'name its signer'],
      [await word({ exp: now() + 700 }), '600 seconds'],
      [await word({ exp: now() - 61 }), 'expired'],
      [await word({}, other.privateKey), 'does not verify'],
    ] as const) {
      const answer = await say(token);
      expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
      expect(answer.body.error_description).toContain(words);
    }
    expect(await abuses(`client:${secretClient}`)).toContain('actor_token_replayed');
  });

  it('needs a delegation that is live now, and lasts no longer than it', async () => {
    const auth = { authorization: `Bearer ${t.key}` };
    const short = await delegate(t, auth, { ttl_seconds: 30 });
    const lives = await exchange({ subject_token: short.delegation_token });
    expect(lives.body.expires_in).toBeGreaterThan(25);
    expect(lives.body.expires_in).toBeLessThanOrEqual(30);
    const later = await delegate(t, auth, { not_before: new Date(Date.now() + 3_600_000).toISOString() });
    const revoked = await delegate(t, auth);
    await t.api('POST', '/v1/identities/revoke', { delegation_id: revoked.delegation_id, reason: 'over' });
    const suspended = await delegate(t, auth);
    await t.deps.pool.query(`UPDATE agents SET status = 'suspended' WHERE id = $1`, [suspended.agent_id]);
    const brief = await delegate(t, auth, { ttl_seconds: 1 });
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    for (const { delegation_token: subject_token } of [later, revoked, suspended, brief]) {
      expect(await exchange({ subject_token })).toMatchObject({ status: 400, body: { error: 'invalid_grant' } });
    }
  });
});

async function delegate(api: TestApi, headers: Record<string, string>, more: object = { ttl_seconds: 3600 }) {
  const principal = await api.api(
    'POST',
    '/v1/identities/principals',
    { external_ref: randomUUID(), type: 'person', name: 'Ada' },
    headers,
  );
  const agent = await api.api('POST', '/v1/agents', { name: 'buyer', model_hash: 'sha256:1' }, headers);
  const scope = { actions: ['payment.authorize'], currencies: ['EUR'], max_amount: 100 };
  const body = {
    principal_id: principal.body.principal_id,
    agent_id: agent.body.data.id,
    scope,
    ...('not_before' in more ? { ttl_seconds: 3600 } : {}),
    ...more,
  };
  const made = await api.api('POST', '/v1/identities/delegations', body, headers);
  expect(made.status).toBe(201);
  return { ...made.body, agent_id: agent.body.data.id } as {
    delegation_id: string;
    delegation_token: string;
    agent_id: string;
  };
}
