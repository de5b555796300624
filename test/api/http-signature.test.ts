import { randomUUID } from 'node:crypto';
import { generateKeyPair } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createActor, signRequest, type Actor } from './attestation-actors.ts';
import { startTestApi, type TestApi } from './setup.ts';

const BASE = 'http://api.test';
const PATH = '/v1/identities/nonces';

let t: TestApi;
let a: Actor;
beforeAll(async () => {
  t = await startTestApi();
  a = await createActor(t);
});
afterAll(() => t.close());

type Options = Parameters<typeof signRequest>[2];

/** Asks for a nonce, by a request that an agent signed; what is asked for does not matter here. */
async function ask(options: Options = {}, by: Pick<Actor, 'thumbprint' | 'privateKey'> = a) {
  const body = JSON.stringify({ agent_id: a.agent_id });
  return signRequest(by, { method: 'POST', url: BASE + PATH, body }, options);
}
const send = ({ headers, body }: Awaited<ReturnType<typeof ask>>, more: Record<string, string> = {}) =>
  t.api('POST', PATH, body, { ...headers, 'content-type': 'application/json', ...more });

const refused = (header: string) => ({ status: 401, body: { code: 'invalid_signature', errors: [{ path: header }] } });

describe('a request that an agent signed', () => {
  it('is let through, by thumbprint or id of the key, with either way to cover the target', async () => {
    expect(await send(await ask())).toMatchObject({ status: 201 });
    const [{ key_id }] = (await t.api('GET', `/v1/agents/${a.agent_id}/keys`)).body.data;
    const fields = ['@method', '@authority', '@path', 'content-digest'];
    expect(await send(await ask({ fields, params: { keyid: key_id } }))).toMatchObject({ status: 201 });
    const read = await signRequest(a, { method: 'GET', url: `${BASE}/v1/agents?limit=1` });
    expect(await t.api('GET', '/v1/agents?limit=1', undefined, read.headers)).toMatchObject({ status: 200 });
  });

  it('never stands in for the credential', async () => {
    expect(await send(await ask(), { authorization: '' })).toMatchObject({
      status: 401,
      body: { code: 'unauthorized' },
    });
    const weak = { authorization: `Bearer ${await t.keyWith(['events:read'])}` };
    expect(await send(await ask(), weak)).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
  });

  it('is used once, even by ten at once, and its reuse is recorded', async () => {
    const signed = await ask();
    const all = await Promise.all(Array.from({ length: 10 }, () => send(signed)));
    expect(all.filter(({ status }) => status === 201)).toHaveLength(1);
    expect(all.find(({ status }) => status !== 201)).toMatchObject(refused('Signature-Input'));
    const { rows } = await t.database.pool.query(
      `SELECT body->>'code' AS code FROM audit_entries WHERE type = 'security.abuse' AND subject = $1`,
      [a.agent_id],
    );
    expect(rows).toEqual([{ code: 'nonce_reused' }]);
  });

  it('is refused when body, target or method are not what was signed', async () => {
    const signed = await ask();
    expect(await send({ ...signed, body: `${signed.body} ` })).toMatchObject(refused('Content-Digest'));
    const elsewhere = await signRequest(a, { method: 'POST', url: `https://evil.test${PATH}`, body: signed.body! });
    // What the Host header says does not count: a signature for another place is not good here.
    expect(await send(elsewhere, { host: 'evil.test' })).toMatchObject(refused('Signature'));
    expect(await t.api('GET', '/v1/agents', undefined, signed.headers)).toMatchObject({ status: 401 });
    // The control: untouched it is good.
    expect(await send(signed)).toMatchObject({ status: 201 });
  });

  it('covers method, target and body, is fresh, and names its algorithm rightly', async () => {
    const at = (seconds: number) => new Date(Date.now() + seconds * 1000);
    for (const options of [
      { fields: ['@method', '@target-uri'] },
      { fields: ['@target-uri', 'content-digest'] },
      { fields: ['@method', '@path', 'content-digest'] },
      { params: { created: at(-370) } },
      { params: { created: at(70) } },
      { params: { expires: at(-70) } },
      { params: { alg: 'hmac-sha256' } },
      { params: { alg: 'rsa-pss-sha512' } },
    ]) {
      expect(await send(await ask(options))).toMatchObject(refused('Signature-Input'));
    }
    for (const created of [at(-290), at(50)]) {
      expect(await send(await ask({ params: { created } }))).toMatchObject({ status: 201 });
    }
  });

  it('names a live key of an agent of the organization', async () => {
    const b = await createActor(t);
    const signedBy = (params: object = {}) => ask({ params: params as Record<string, string> }, b);
    expect(await send(await signedBy())).toMatchObject({ status: 201 });
    for (const keyid of ['x', '', b.agent_id, 'A'.repeat(43), randomUUID()]) {
      expect(await send(await signedBy({ keyid }))).toMatchObject(refused('Signature-Input'));
    }
    expect(await send(await signedBy({ keyid: a.thumbprint }))).toMatchObject(refused('Signature'));
    const stranger = await t.stranger();
    expect(await send(await signedBy(), { authorization: `Bearer ${stranger.key}` })).toMatchObject(
      refused('Signature-Input'),
    );
    await t.api('POST', `/v1/agents/${b.agent_id}/suspend`);
    expect(await send(await signedBy())).toMatchObject(refused('Signature-Input'));
    await t.api('POST', `/v1/agents/${b.agent_id}/resume`);
    expect(await send(await signedBy())).toMatchObject({ status: 201 });
    const [{ key_id }] = (await t.api('GET', `/v1/agents/${b.agent_id}/keys`)).body.data;
    await t.api('POST', `/v1/agents/${b.agent_id}/keys/${key_id}/revoke`, {});
    expect(await send(await signedBy())).toMatchObject(refused('Signature-Input'));
  });

  it('may carry a second signature, of somebody else', async () => {
    const signed = await ask();
    const other = await ask(
      {},
      { thumbprint: 'B'.repeat(43), privateKey: (await generateKeyPair('EdDSA')).privateKey },
    );
    const both = ['Signature', 'Signature-Input'].map((name) => [
      name,
      `${other.headers[name]!.replace(/^sig=/, 'proxy=')}, ${signed.headers[name]}`,
    ]);
    expect(await send({ ...signed, headers: { ...signed.headers, ...Object.fromEntries(both) } })).toMatchObject({
      status: 201,
    });
  });

  it('that lost one of its two headers is refused, and not taken as unsigned', async () => {
    const { headers, body } = await ask();
    const without = (name: string) =>
      Object.fromEntries(Object.entries(headers).filter(([key]) => key.toLowerCase() !== name));
    for (const name of ['signature-input', 'signature']) {
      const answer = await t.api('POST', PATH, body, { ...without(name), 'content-type': 'application/json' });
      expect(answer).toMatchObject({ status: 401, body: { code: 'invalid_signature' } });
    }
  });

  it('with headers that are not well formed is 401, with the header named', async () => {
    for (const [input, value, header] of [
      ['nonsense', 'a=:AAAA:', 'Signature-Input'],
      ['a=("@method");created=1;keyid="x"', 'nonsense', 'Signature'],
      ['a=("@method");created=1;keyid="x"', '', 'Signature'],
    ] as const) {
      const headers = { 'signature-input': input, signature: value };
      expect(await send({ ...(await ask()), headers })).toMatchObject(refused(header));
    }
  });

  it('is good for this machine’s own names in development only', async () => {
    const local = `http://127.0.0.1:8080${PATH}`;
    const strict = await startTestApi({ PROKURA_ENV: 'production', PROKURA_SIGNING_KEY: '{}', PROKURA_DATA_KEY: 'x' });
    try {
      for (const [api, status] of [
        [t, 201],
        [strict, 401],
      ] as const) {
        const actor = await createActor(api);
        const body = JSON.stringify({ agent_id: actor.agent_id });
        const { headers } = await signRequest(actor, { method: 'POST', url: local, body });
        const all = { ...headers, host: '127.0.0.1:8080', 'content-type': 'application/json' };
        expect((await api.api('POST', PATH, body, all)).status).toBe(status);
      }
    } finally {
      await strict.close();
    }
  });
});
