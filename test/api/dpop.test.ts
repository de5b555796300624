import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto';
import { SignJWT, type CryptoKey } from 'jose';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApp } from '../../src/api/app.ts';
import { ISSUER, makeKeyPair, nowSeconds, startOauthStage, type Keys, type OauthStage } from './oauth-stage.ts';
import type { TestApi } from './setup.ts';

let stage: OauthStage;
let t: TestApi;
let secretClient: string;
beforeAll(async () => {
  stage = await startOauthStage();
  t = stage.t;
  secretClient = stage.bySecret.client_id;
});
afterAll(() => t.close());

describe('a DPoP-bound token', () => {
  let dpopKeys: Keys;
  beforeAll(async () => {
    dpopKeys = await makeKeyPair();
  });

  async function proof(claims: object = {}, header: object = {}, key: CryptoKey = dpopKeys.privateKey) {
    const whole = { htm: 'GET', htu: `${ISSUER}/v1/agents`, iat: nowSeconds(), jti: randomUUID(), ...claims };
    return new SignJWT(JSON.parse(JSON.stringify(whole)) as Record<string, unknown>)
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: dpopKeys.jwk, ...header })
      .sign(key);
  }
  const forToken = (claims: object = {}) => proof({ htm: 'POST', htu: `${ISSUER}/oauth/token`, ...claims });
  const ath = (token: string) => createHash('sha256').update(token).digest('base64url');
  const bound = async () => (await stage.form(stage.bySecret, { dpop: await forToken() })).body.access_token as string;
  const call = (token: string, dpop: string, scheme = 'DPoP') =>
    t.api('GET', '/v1/agents', undefined, { authorization: `${scheme} ${token}`, dpop });

  it('is not issued for a proof that proves nothing', async () => {
    const used = await forToken();
    expect(await stage.form(stage.bySecret, { dpop: used })).toMatchObject({
      status: 200,
      body: { token_type: 'DPoP' },
    });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const cases = {
      'a used one': used,
      'another method': await forToken({ htm: 'GET' }),
      'another URL': await forToken({ htu: `${ISSUER}/oauth/introspect` }),
      'an old one': await forToken({ iat: nowSeconds() - 62 }),
      'one of the future': await forToken({ iat: nowSeconds() + 62 }),
      'one without jti': await forToken({ jti: undefined }),
      'another type': await proof({ htm: 'POST', htu: `${ISSUER}/oauth/token` }, { typ: 'JWT' }),
      'another key': await proof({ htm: 'POST', htu: `${ISSUER}/oauth/token` }, {}, (await makeKeyPair()).privateKey),
      'a private key': await proof(
        { htm: 'POST', htu: `${ISSUER}/oauth/token` },
        { jwk: privateKey.export({ format: 'jwk' }) },
      ),
      'no JWT': 'nonsense',
      'two of them': `${await forToken()}, ${await forToken()}`,
    };
    for (const [what, dpop] of Object.entries(cases)) {
      const { status, body } = await stage.form(stage.bySecret, { dpop });
      expect({ what, status, error: body.error }).toEqual({ what, status: 400, error: 'invalid_dpop_proof' });
    }
    expect(await stage.abuses(secretClient)).toContain('dpop_replayed');
  });

  it('opens nothing without a fresh proof of its key for that very request', async () => {
    const token = await bound();
    const good = await proof({ ath: ath(token) });
    expect((await call(token, good)).status).toBe(200);
    const other = await makeKeyPair();
    const cases: [string, string, string, string?][] = [
      ['used before', good, 'invalid_dpop_proof'],
      ['without ath', await proof(), 'invalid_dpop_proof'],
      ['for another token', await proof({ ath: ath(`${token}x`) }), 'invalid_dpop_proof'],
      ['for another method', await proof({ ath: ath(token), htm: 'POST' }), 'invalid_dpop_proof'],
      ['for another path', await proof({ ath: ath(token), htu: `${ISSUER}/v1/payments` }), 'invalid_dpop_proof'],
      ['for another host', await proof({ ath: ath(token), htu: 'http://other.test/v1/agents' }), 'invalid_dpop_proof'],
      ['too old', await proof({ ath: ath(token), iat: nowSeconds() - 62 }), 'invalid_dpop_proof'],
      ['missing', '', 'invalid_dpop_proof'],
      ['of another key', await proof({ ath: ath(token) }, { jwk: other.jwk }, other.privateKey), 'invalid_token'],
      ['sent with Bearer', await proof({ ath: ath(token) }), 'invalid_token', 'Bearer'],
    ];
    for (const [what, dpop, error, scheme] of cases) {
      const { status, headers } = await call(token, dpop, scheme);
      const challenge = /^DPoP error="(\w+)", error_description="[^"]+", algs="EdDSA /.exec(
        headers['www-authenticate']!,
      );
      expect({ what, status, error: challenge?.[1] }).toEqual({ what, status: 401, error });
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
    expect(answers.map((answer) => answer.status).sort((a, b) => a - b)).toEqual([200, 401, 401, 401]);
  });

  it('is the only kind of a client that asked for it, and no other credential passes as one', async () => {
    const id = await stage.client({ secret: 'prs_bound', dpopBound: true });
    const members = { grant_type: 'client_credentials', client_id: id, client_secret: 'prs_bound' };
    expect(await stage.form(members)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
    expect(await stage.form(members, { dpop: await forToken() })).toMatchObject({
      status: 200,
      body: { token_type: 'DPoP' },
    });
    const plain = (await stage.form(stage.bySecret)).body.access_token as string;
    for (const credential of [plain, t.key]) {
      const answer = await call(credential, await proof({ ath: ath(credential) }));
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toMatch(/^DPoP error="invalid_token"/);
    }
    const nobody = await t.api('GET', '/v1/agents', undefined, { authorization: '' });
    expect(nobody.headers['www-authenticate']).toBe('Bearer, DPoP algs="EdDSA Ed25519 ES256 ES384 PS256 RS256"');
  });
});
