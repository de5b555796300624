import { createHmac, randomUUID } from 'node:crypto';
import { exportSPKI, SignJWT, type CryptoKey } from 'jose';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/api/app.ts';
import { ISSUER, makeKeyPair, nowSeconds, startOauthStage, type Keys, type OauthStage } from './oauth-stage.ts';
import type { Answer, TestApi } from './setup.ts';

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

let keyClient: string;
let keys: Keys;
let stage: OauthStage;
let t: TestApi;
let secretClient: string;
beforeAll(async () => {
  stage = await startOauthStage();
  t = stage.t;
  secretClient = stage.bySecret.client_id;
  keys = await makeKeyPair();
  keyClient = await stage.client({ jwks: { keys: [keys.jwk] } });
});
afterAll(() => t.close());

function assertion(claims: object = {}, header: object = {}, key: CryptoKey | Uint8Array = keys.privateKey) {
  const whole = { iss: keyClient, sub: keyClient, aud: ISSUER, jti: randomUUID(), exp: nowSeconds() + 60, ...claims };
  return new SignJWT(JSON.parse(JSON.stringify(whole)) as Record<string, unknown>)
    .setProtectedHeader({ alg: 'ES256', ...header })
    .sign(key);
}
const withAssertion = (token: string, more: Record<string, string> = {}) =>
  stage.form({
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
      { exp: nowSeconds() - 50 },
      { iat: nowSeconds() + 50, nbf: nowSeconds() + 50 },
    ]) {
      expect(await withAssertion(await assertion(claims))).toMatchObject({ status: 200, body: { expires_in: 600 } });
    }
  });

  it('is refused for everything that is wrong with it, and nothing says which client exists', async () => {
    const other = await makeKeyPair();
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
      [await assertion({ exp: nowSeconds() - 61 }), 'it has expired'],
      [await assertion({ exp: undefined }), 'exp is missing'],
      [await assertion({ exp: nowSeconds() + 3_700 }), 'exp lies more than 3600 seconds ahead'],
      [await assertion({ iat: nowSeconds() + 70 }), 'iat lies in the future'],
      [await assertion({ nbf: nowSeconds() + 70 }), 'nbf is not good'],
      [await assertion({ jti: undefined }), 'jti is missing'],
      [await assertion({ jti: 7 }), 'jti must be a text'],
      [await assertion({ iss: secretClient }), 'iss and sub must both name its signer'],
      [await assertion({}, {}, other.privateKey), 'the signature does not verify'],
      [await assertion({}, { kid: 'unheard of' }), 'no registered key fits it'],
    ];
    for (const [token, words] of cases) {
      const answer = await withAssertion(token);
      expect(answer).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
      expect(answer.body.error_description).toContain(words);
      expect(answer.headers['cache-control']).toBe('no-store');
    }
    const stranger = await withAssertion(await assertion({ iss: 'client_x', sub: 'client_x' }));
    const bySecretOnly = await withAssertion(await assertion({ iss: secretClient, sub: secretClient }));
    const nonsense = await withAssertion('nonsense');
    for (const answer of [stranger, bySecretOnly, nonsense]) {
      expect(answer).toMatchObject({ status: 401, body: { error_description: 'Client authentication failed.' } });
    }
    expect(new Set(await stage.abuses(keyClient))).toEqual(
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
    expect(answers.map((answer) => answer.status).sort((a, b) => a - b)).toEqual([200, 401, 401, 401]);
    expect(await stage.abuses(keyClient)).toContain('client_assertion_replayed');
    // Another client's same jti is another one.
    const pair = await makeKeyPair();
    const other = await stage.client({ jwks: { keys: [pair.jwk] } });
    const jti = 'the-same';
    expect((await withAssertion(await assertion({ jti }))).status).toBe(200);
    expect((await withAssertion(await assertion({ jti, iss: other, sub: other }, {}, pair.privateKey))).status).toBe(
      200,
    );
  });

  it('works with several keys, named and not', async () => {
    const second = await makeKeyPair();
    const id = await stage.client({
      jwks: {
        keys: [
          { ...keys.jwk, kid: 'a' },
          { ...second.jwk, kid: 'b' },
        ],
      },
    });
    const claims = () => ({ iss: id, sub: id });
    for (const [header, key, status] of [
      [{ kid: 'a' }, keys.privateKey, 200],
      [{ kid: 'b' }, second.privateKey, 200],
      [{}, second.privateKey, 200],
      [{ kid: 'a' }, second.privateKey, 401],
      [{}, (await makeKeyPair()).privateKey, 401],
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
      [stage.form(stage.bySecret, basic), 400, 'invalid_request'],
      [
        stage.form(
          { grant_type: 'client_credentials', client_assertion: token, client_assertion_type: ASSERTION_TYPE },
          basic,
        ),
        400,
        'invalid_request',
      ],
      [withAssertion(token, { client_secret: 'prs_test' }), 400, 'invalid_request'],
      [withAssertion(token, { client_id: secretClient }), 400, 'invalid_request'],
      [stage.form({ grant_type: 'client_credentials', client_id: keyClient }, basic), 400, 'invalid_request'],
      [
        stage.form([...Object.entries(stage.bySecret), ['scope', 'agents:read'], ['scope', 'admin']]),
        400,
        'invalid_request',
      ],
      [
        stage.form({ grant_type: 'client_credentials', client_id: keyClient, client_secret: 'prs_test' }),
        401,
        'invalid_client',
      ],
      [stage.form({ grant_type: 'client_credentials', client_assertion_type: ASSERTION_TYPE }), 401, 'invalid_client'],
      [
        stage.form({
          grant_type: 'client_credentials',
          client_assertion: token,
          client_assertion_type: 'saml2-bearer',
        }),
        401,
        'invalid_client',
      ],
      [stage.form({ grant_type: 'client_credentials' }, { authorization: 'Basic !!' }), 401, 'invalid_client'],
      [
        stage.form(
          { grant_type: 'client_credentials' },
          { authorization: `Basic ${Buffer.from('%00:x').toString('base64')}` },
        ),
        401,
        'invalid_client',
      ],
      [stage.form({ ...stage.bySecret, grant_type: 'authorization_code' }), 400, 'unsupported_grant_type'],
      [stage.form({ ...stage.bySecret, scope: 'agents:write' }), 400, 'invalid_scope'],
      [stage.form({ ...stage.bySecret, scope: 'nonsense' }), 400, 'invalid_scope'],
      [stage.form({ ...stage.bySecret, scope: ' ' }), 400, 'invalid_scope'],
      [
        stage.form({ client_id: secretClient, client_secret: 'prs_test' }, {}, '/oauth/introspect'),
        400,
        'invalid_request',
      ],
      [stage.form({ client_id: secretClient, client_secret: 'prs_test' }, {}, '/oauth/revoke'), 400, 'invalid_request'],
      [stage.form({ token: 'x' }, {}, '/oauth/revoke'), 401, 'invalid_client'],
    ];
    for (const [answer, status, error] of cases) {
      expect(await answer).toMatchObject({ status, body: { error }, headers: { 'cache-control': 'no-store' } });
    }
    expect((await stage.form(stage.bySecret)).status).toBe(200);
  });
});
