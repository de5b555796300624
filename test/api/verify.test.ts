import { randomUUID } from 'node:crypto';
import * as fc from 'fast-check';
import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { AUDIENCE, createActor, signRequest, type Actor } from './attestation-actors.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
let a: Actor;
beforeAll(async () => {
  t = await startTestApi();
  a = await createActor(t, { did: 'did:web:agents.example' }, 'tap-key');
});
afterAll(() => t.close());

async function abuseOf(agent_id: string): Promise<string[]> {
  const { rows } = await t.database.pool.query<{ code: string }>(
    `SELECT body->>'code' AS code FROM audit_entries WHERE type = 'security.abuse' AND subject = $1 ORDER BY seq`,
    [agent_id],
  );
  return rows.map(({ code }) => code);
}

describe('verification', () => {
  it('says who answers for the agent', async () => {
    expect((await a.verify({ type: 'jwt', token: 'x' })).body.principal).toEqual({
      principal_id: a.principal_id,
      name: 'Ada',
      type: 'person',
      status: 'active',
    });
    const org = (await t.api('POST', '/v1/identities/verify', { principal_id: t.tenant.orgId, agent_id: a.agent_id }))
      .body;
    expect(org).toMatchObject({ verified: false, principal: { name: 'Test', type: 'organization', status: 'active' } });
    const nobody = (await t.api('POST', '/v1/identities/verify', { principal_id: randomUUID(), agent_id: a.agent_id }))
      .body;
    expect(nobody).not.toHaveProperty('principal');
  });

  it('of an agent that does not exist, or of another organization, fails', async () => {
    const attestation = { type: 'signed-nonce', jws: await a.statement() };
    for (const [agent_id, headers] of [
      [randomUUID(), {}],
      [a.agent_id, { authorization: `Bearer ${(await t.stranger()).key}` }],
    ] as const) {
      const body = { principal_id: a.principal_id, agent_id, attestation };
      const answer = await t.api('POST', '/v1/identities/verify', body, headers);
      expect(answer.body.verified).toBe(false);
      expect(answer.body.checks.at(-1)).toMatchObject({ code: 'attestation', ok: false });
    }
  });
});

describe('a signed nonce', () => {
  it('proves the agent once', async () => {
    const jws = await a.statement();
    const first = await a.verify({ type: 'signed-nonce', jws });
    expect(first.body.checks.map(({ code, ok }) => [code, ok])).toEqual([
      ['principal_active', true],
      ['agent_active', true],
      ['delegation_live', true],
      ['not_frozen', true],
      ['key_registered', true],
      ['signature_valid', true],
      ['audience', true],
      ['token_subject', true],
      ['nonce_unused', true],
      ['attestation', true],
    ]);
    expect(first.verified).toBe(true);
    expect(await a.verify({ type: 'signed-nonce', jws })).toMatchObject({ verified: false, failed: 'nonce_unused' });
    expect(await abuseOf(a.agent_id)).toContain('nonce_reused');
  });

  it('is used once even by twenty at once', async () => {
    const jws = await a.statement();
    const all = await Promise.all(Array.from({ length: 20 }, () => a.verify({ type: 'signed-nonce', jws })));
    expect(all.filter(({ verified }) => verified)).toHaveLength(1);
  });

  it('is good for its agent, its organization and five minutes alone', async () => {
    const b = await createActor(t);
    const nonce = await b.nonce();
    const refused = { verified: false, failed: 'nonce_unused' };
    expect(await a.verify({ type: 'signed-nonce', jws: await a.statement({ nonce }) })).toMatchObject(refused);
    expect(await b.verify({ type: 'signed-nonce', jws: await b.statement({ nonce }) })).toMatchObject({
      verified: true,
    });
    expect(await a.verify({ type: 'signed-nonce', jws: await a.statement({ nonce: 'invented' }) })).toMatchObject(
      refused,
    );
    const jws = await a.statement();
    await t.database.pool.query(`UPDATE agent_nonces SET expires_at = now() WHERE agent_id = $1 AND used_at IS NULL`, [
      parseId(a.agent_id, 'agt'),
    ]);
    expect(await a.verify({ type: 'signed-nonce', jws })).toMatchObject(refused);
    const authorization = `Bearer ${(await t.stranger()).key}`;
    const foreign = await t.api('POST', '/v1/identities/nonces', { agent_id: a.agent_id }, { authorization });
    expect(foreign).toMatchObject({ status: 404, body: { errors: [{ path: 'agent_id' }] } });
  });

  it('for another audience, about another agent, or by another key proves nothing and leaves the nonce good', async () => {
    const nonce = await a.nonce();
    const stranger = (await generateKeyPair('EdDSA')).privateKey;
    for (const [claims, header, key, failed] of [
      [{ aud: 'https://other.test' }, {}, a.privateKey, 'audience'],
      [{ aud: undefined }, {}, a.privateKey, 'audience'],
      [{ agent: randomUUID() }, {}, a.privateKey, 'token_subject'],
      [{}, {}, stranger, 'signature_valid'],
      [{}, { kid: 'another' }, a.privateKey, 'key_registered'],
    ] as const) {
      const jws = await a.statement({ nonce, ...claims }, header, key);
      expect(await a.verify({ type: 'signed-nonce', jws })).toMatchObject({ verified: false, failed });
    }
    expect(await abuseOf(a.agent_id)).toContain('wrong_audience');
    const jws = await a.statement({ nonce, agent: 'did:web:agents.example' }, { kid: a.thumbprint });
    expect(await a.verify({ type: 'signed-nonce', jws })).toMatchObject({ verified: true });
  });

  it('by a key that was withdrawn, or is past its end, proves nothing', async () => {
    const b = await createActor(t);
    const keys = `/v1/agents/${b.agent_id}/keys`;
    const [{ key_id }] = (await t.api('GET', keys)).body.data;
    const rotated = { jwk: await exportJWK((await generateKeyPair('EdDSA', { extractable: true })).publicKey) };
    await t.api('POST', `${keys}/${key_id}/rotate`, { ...rotated, overlap_seconds: 600 });
    expect(await b.verify({ type: 'signed-nonce', jws: await b.statement() })).toMatchObject({ verified: true });
    await t.database.pool.query(`UPDATE agent_keys SET not_after = now() WHERE thumbprint = $1`, [b.thumbprint]);
    const jws = await b.statement({}, { kid: b.thumbprint });
    expect(await b.verify({ type: 'signed-nonce', jws })).toMatchObject({ verified: false, failed: 'key_registered' });
  });
});

describe('a JWT', () => {
  const token = (claims: JWTPayload = {}, header: object = {}, key = a.privateKey) =>
    new SignJWT({ sub: a.agent_id, exp: Math.floor(Date.now() / 1000) + 60, ...claims })
      .setProtectedHeader({ alg: 'EdDSA', ...header })
      .sign(key);
  const now = () => Math.floor(Date.now() / 1000);

  it('of the agent is good within a minute of its times, for this audience or none', async () => {
    for (const claims of [{}, { aud: AUDIENCE }, { aud: ['x', AUDIENCE] }, { exp: now() - 50 }, { iat: now() + 50 }]) {
      expect(await a.verify({ type: 'jwt', token: await token(claims) })).toMatchObject({ verified: true });
    }
    for (const [claims, failed] of [
      [{ aud: 'https://other.test' }, 'audience'],
      [{ exp: now() - 70 }, 'token_fresh'],
      [{ exp: undefined }, 'token_fresh'],
      [{ nbf: now() + 70 }, 'token_fresh'],
      [{ iat: now() + 70 }, 'token_fresh'],
      [{ sub: randomUUID() }, 'token_subject'],
    ] as const) {
      expect(await a.verify({ type: 'jwt', token: await token(claims) })).toMatchObject({ verified: false, failed });
    }
  });

  it('that brings its own key earns no trust by it', async () => {
    const own = await generateKeyPair('EdDSA', { extractable: true });
    const jwk = await exportJWK(own.publicKey);
    const refused = { verified: false, failed: 'self_asserted_key' };
    expect(await a.verify({ type: 'jwt', token: await token({ cnf: { jwk } }) })).toMatchObject(refused);
    expect(await a.verify({ type: 'jwt', token: await token({ cnf: { jwk } }, {}, own.privateKey) })).toMatchObject(
      refused,
    );
    expect(await a.verify({ type: 'jwt', token: await token({}, { jwk }, own.privateKey) })).toMatchObject(refused);
    const [{ jwk: registered }] = (await t.api('GET', `/v1/agents/${a.agent_id}/keys`)).body.data;
    const good = await token({ cnf: { jwk: registered } }, { jwk: registered });
    expect(await a.verify({ type: 'jwt', token: good })).toMatchObject({ verified: true });
  });

  it('that is not signed, or is signed by a MAC of the public key, is refused and recorded', async () => {
    const b = await createActor(t);
    const [{ jwk }] = (await t.api('GET', `/v1/agents/${b.agent_id}/keys`)).body.data;
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = part({ sub: b.agent_id, exp: now() + 60 });
    const mac = await new SignJWT({ sub: b.agent_id, exp: now() + 60 })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(jwk.x, 'base64url'));
    for (const forged of [`${part({ alg: 'none' })}.${claims}.`, `${part({ alg: 'NonE' })}.${claims}.AAAA`, mac]) {
      expect(await b.verify({ type: 'jwt', token: forged })).toMatchObject({ verified: false, failed: 'token_parsed' });
    }
    expect(await abuseOf(b.agent_id)).toEqual(['alg_none', 'alg_confusion']);
  });
});

describe('an HTTP signature', () => {
  const url = 'https://merchant.example/checkout?cart=1';
  const attest = (signed: object, by: Actor = a) => by.verify({ type: 'http-signature', ...signed });

  it('of a request that somebody received proves the agent, once', async () => {
    const signed = await signRequest(a, { method: 'POST', url, body: '{"a":1}' });
    expect(await attest({ ...signed, body: '{"a":2}' })).toMatchObject({ verified: false, failed: 'content_digest' });
    expect(await attest({ ...signed, url: 'https://other.example/' })).toMatchObject({ failed: 'signature_valid' });
    const first = await attest(signed);
    expect(first.verified).toBe(true);
    expect(first.body.checks.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['covered_components', 'signature_fresh', 'content_digest', 'signature_valid']),
    );
    expect(await attest(signed)).toMatchObject({ verified: false, failed: 'nonce_unused' });
  });

  it('names a key of the agent, and not of another', async () => {
    const b = await createActor(t);
    const signed = await signRequest(b, { method: 'GET', url });
    expect(await attest(signed)).toMatchObject({ verified: false, failed: 'key_registered' });
    expect(await attest(signed, b)).toMatchObject({ verified: true });
    const posing = await signRequest(b, { method: 'GET', url }, { params: { keyid: a.thumbprint } });
    expect(await attest(posing)).toMatchObject({ verified: false, failed: 'signature_valid' });
  });

  it('of the Trusted Agent Protocol keeps to its eight minutes, and has a nonce', async () => {
    const fields = ['@authority', '@path'];
    const sign = (seconds: number | undefined, more: Record<string, string | undefined> = {}) => {
      const expires = seconds === undefined ? undefined : new Date(Date.now() + seconds * 1000);
      const params = { expires, tag: 'agent-payer-auth', keyid: 'tap-key', ...more };
      return signRequest(a, { method: 'GET', url }, { fields, params });
    };
    expect(await attest(await sign(480))).toMatchObject({ verified: true });
    expect(await attest(await sign(480, { tag: 'agent-browser-auth' }))).toMatchObject({ verified: true });
    for (const seconds of [490, undefined]) {
      expect(await attest(await sign(seconds))).toMatchObject({ verified: false, failed: 'signature_fresh' });
    }
    expect(await attest(await sign(480, { nonce: undefined }))).toMatchObject({ failed: 'signature_profile' });
    // The label of a key is a name in this protocol only.
    expect(await attest(await sign(480, { tag: 'other' }))).toMatchObject({ failed: 'key_registered' });
    const partly = await signRequest(
      a,
      { method: 'GET', url },
      { fields: ['@authority'], params: { expires: new Date(Date.now() + 1000), tag: 'agent-payer-auth' } },
    );
    expect(await attest(partly)).toMatchObject({ verified: false, failed: 'covered_components' });
  });

  it('of the Trusted Agent Protocol may name either of two keys by the label that they share while one is rotated', async () => {
    const b = await createActor(t, {}, 'shop-key');
    const keys = `/v1/agents/${b.agent_id}/keys`;
    const [{ key_id }] = (await t.api('GET', keys)).body.data;
    const pair = await generateKeyPair('EdDSA', { extractable: true });
    const rotated = await t.api('POST', `${keys}/${key_id}/rotate`, { jwk: await exportJWK(pair.publicKey) });
    expect(rotated.body.data.label).toBe('shop-key');
    const sign = (by: Pick<Actor, 'thumbprint' | 'privateKey'>) => {
      const params = { expires: new Date(Date.now() + 60_000), tag: 'agent-payer-auth', keyid: 'shop-key' };
      return signRequest(by, { method: 'GET', url }, { fields: ['@authority', '@path'], params });
    };
    for (const privateKey of [b.privateKey, pair.privateKey]) {
      const signed = await sign({ thumbprint: 'shop-key', privateKey });
      expect(await attest(signed, b)).toMatchObject({ verified: true });
      expect(await attest(signed, b)).toMatchObject({ failed: 'nonce_unused' });
    }
    const stranger = await sign({ thumbprint: 'shop-key', privateKey: a.privateKey });
    expect(await attest(stranger, b)).toMatchObject({ failed: 'signature_valid' });
  });

  it('of Web Bot Auth names its key by thumbprint, and covers Signature-Agent when it is there', async () => {
    const params = { expires: new Date(Date.now() + 3_600_000), tag: 'web-bot-auth' };
    const headers = { 'Signature-Agent': 'a="https://agents.example"' };
    const request = { method: 'GET', url, headers };
    const covered = ['@authority', '"signature-agent";key="a"'];
    expect(await attest(await signRequest(a, request, { fields: covered, params }))).toMatchObject({ verified: true });
    const bare = await signRequest(a, { method: 'GET', url }, { fields: ['@authority'], params });
    expect(await attest(bare)).toMatchObject({ verified: true });
    const uncovered = await signRequest(a, request, { fields: ['@authority'], params });
    expect(await attest(uncovered)).toMatchObject({ failed: 'signature_profile' });
    const [{ key_id }] = (await t.api('GET', `/v1/agents/${a.agent_id}/keys`)).body.data;
    const byId = await signRequest(a, request, { fields: covered, params: { ...params, keyid: key_id } });
    expect(await attest(byId)).toMatchObject({ failed: 'signature_profile' });
    const eternal = await signRequest(a, request, { fields: covered, params: { ...params, expires: undefined } });
    expect(await attest(eternal)).toMatchObject({ failed: 'signature_fresh' });
  });

  it('by a MAC is refused and recorded', async () => {
    const b = await createActor(t);
    const signed = await signRequest(b, { method: 'GET', url }, { params: { alg: 'hmac-sha256' } });
    // Recorded once a minute for each credential and code: this one has not been seen doing it yet.
    const authorization = `Bearer ${await t.keyWith(['identities:read'])}`;
    const { principal_id, agent_id } = b;
    const body = { principal_id, agent_id, attestation: { type: 'http-signature', ...signed } };
    const answer = await t.api('POST', '/v1/identities/verify', body, { authorization });
    expect(answer.body.checks.at(-2)).toMatchObject({ code: 'signature_algorithm', ok: false });
    expect(await abuseOf(b.agent_id)).toEqual(['alg_confusion']);
  });
});

describe('an attestation', () => {
  it('of any shape is answered, and is never verified', async () => {
    const anything = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.string(),
      fc.constantFrom(
        'a.b.c',
        'e30.e30.e30',
        'eyJhbGciOiJFZERTQSJ9.e30.AAAA',
        '-----BEGIN CERTIFICATE-----',
        'https://a.b',
      ),
    );
    const hostile = fc.record(
      {
        type: fc.constantFrom('jwt', 'x509', 'http-signature', 'signed-nonce', 'jwt-svid'),
        token: anything,
        jws: anything,
        chain: anything,
        method: fc.oneof(fc.constant('GET'), anything),
        url: fc.oneof(fc.constant('https://a.b/c'), anything),
        headers: fc.oneof(
          fc.record({ 'signature-input': fc.string(), signature: fc.string() }),
          fc.constant({ 'Signature-Input': 'a=()', Signature: 'a=:AAAA:' }),
          anything,
        ),
        body: anything,
        body_base64: anything,
      },
      { requiredKeys: ['type'] },
    );
    await fc.assert(
      fc.asyncProperty(hostile, async (attestation) => {
        const body = { principal_id: a.principal_id, agent_id: a.agent_id, attestation };
        const answer = await t.api('POST', '/v1/identities/verify', body);
        // A text that no JSON may carry is refused before it is judged.
        if (answer.status === 400) return;
        expect(answer).toMatchObject({ status: 200, body: { verified: false } });
        expect(answer.body.checks.at(-1)).toMatchObject({ code: 'attestation', ok: false });
      }),
      { numRuns: 300 },
    );
  });
});
