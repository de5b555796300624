import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

const freshJwk = () => generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
const multikey = 'z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK';

async function agent(more: object = {}): Promise<string> {
  const answer = await t.api('POST', '/v1/agents', { name: 'buyer', model_hash: 'sha256:1', ...more });
  expect(answer.status).toBe(201);
  return answer.body.data.id;
}

describe('an agent', () => {
  it('has a DID and a SPIFFE id; the latter names no other agent', async () => {
    const spiffe_id = 'spiffe://acme.example/agents/buyer';
    const ids = { did: `did:key:${multikey}`, spiffe_id };
    const id = await agent(ids);
    expect((await t.api('GET', `/v1/agents/${id}`)).body.data).toMatchObject(ids);
    const again = await t.api('POST', '/v1/agents', { name: 'b', model_hash: 'h', spiffe_id });
    expect(again).toMatchObject({ status: 409, body: { code: 'resource_conflict', errors: [{ path: 'spiffe_id' }] } });
    const authorization = `Bearer ${(await t.stranger()).key}`;
    const theirs = await t.api('POST', '/v1/agents', { name: 'b', model_hash: 'h', spiffe_id }, { authorization });
    expect(theirs.status).toBe(201);
  });

  it('is changed afterwards, member by member; a retired one is not', async () => {
    const id = await agent({ description: 'first', metadata: { a: 1 } });
    const patch = (body: object) => t.api('PATCH', `/v1/agents/${id}`, body);
    const ids = { did: 'did:web:agents.example', spiffe_id: 'spiffe://acme.example/agents/patched' };
    expect(await patch({ ...ids, description: null })).toMatchObject({
      status: 200,
      body: { data: { ...ids, description: null, metadata: { a: 1 }, name: 'buyer' } },
    });
    const other = await agent({ spiffe_id: 'spiffe://acme.example/agents/other' });
    const taken = await t.api('PATCH', `/v1/agents/${other}`, { spiffe_id: ids.spiffe_id });
    expect(taken).toMatchObject({ status: 409, body: { errors: [{ path: 'spiffe_id' }] } });
    expect(await patch({ spiffe_id: null })).toMatchObject({ body: { data: { spiffe_id: null, did: ids.did } } });
    expect(await patch({})).toMatchObject({ status: 400 });
    expect(await patch({ status: 'active' })).toMatchObject({ status: 400, body: { errors: [{ path: 'status' }] } });
    await t.api('POST', '/v1/identities/revoke', { agent_id: id, reason: 'done' });
    expect(await patch({ name: 'x' })).toMatchObject({ status: 422 });
  });

  it.each([
    [{ did: 'did:key:zNothing' }, 'did'],
    [{ did: 'did:web:10.0.0.1' }, 'did'],
    [{ did: 'mailto:a@b' }, 'did'],
    [{ spiffe_id: 'spiffe://acme.example/a/../b' }, 'spiffe_id'],
    [{ spiffe_id: `spiffe://a/${'x'.repeat(2038)}` }, 'spiffe_id'],
  ])('with %j is refused', async (ids, path) => {
    const answer = await t.api('POST', '/v1/agents', { name: 'b', model_hash: 'h', ...ids });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path }] } });
  });

  it('is suspended and resumed as what it was; a retired one is neither', async () => {
    const person = { external_ref: randomUUID(), type: 'person', name: 'Ada' };
    const { principal_id } = (await t.api('POST', '/v1/identities/principals', person)).body;
    for (const [id, before] of [
      [await agent({ principal_id }), 'active'],
      [await agent(), 'pending'],
    ] as const) {
      const suspended = await t.api('POST', `/v1/agents/${id}/suspend`, { reason: 'odd orders' });
      expect(suspended).toMatchObject({ status: 200, body: { data: { status: 'suspended' } } });
      expect((await t.api('POST', `/v1/agents/${id}/suspend`)).status).toBe(200);
      expect((await t.api('POST', `/v1/agents/${id}/resume`)).body.data.status).toBe(before);
      const { rows } = await t.database.pool.query(`SELECT type FROM events WHERE agent_id = $1`, [id]);
      expect(rows).toEqual([{ type: 'agent.halted' }]);
      await t.api('POST', '/v1/identities/revoke', { agent_id: id, reason: 'done' });
      for (const verb of ['suspend', 'resume']) {
        expect(await t.api('POST', `/v1/agents/${id}/${verb}`)).toMatchObject({ status: 422 });
      }
    }
  });
});

describe('a key', () => {
  it('that protects nothing is refused with its own code, and the member named', async () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
    const id = await agent();
    const before = await t.rowCounts();
    const cases: [object, string][] = [
      [{ jwk: rsa.export({ format: 'jwk' }) }, 'jwk.n'],
      [{ pem: rsa.export({ format: 'pem', type: 'spki' }) }, 'pem'],
      [{ jwk: { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) } }, 'jwk.x'],
    ];
    for (const [body, path] of cases) {
      const answer = await t.api('POST', `/v1/agents/${id}/keys`, body);
      expect(answer).toMatchObject({ status: 400, body: { code: 'weak_key', errors: [{ path }] } });
    }
    expect(await t.rowCounts()).toEqual(before);
  });

  it('ends when it was said to, and cannot have ended before it begins', async () => {
    const id = await agent();
    const keys = `/v1/agents/${id}/keys`;
    const late = await t.api('POST', keys, { jwk: freshJwk(), not_after: '2020-01-01T00:00:00Z' });
    expect(late).toMatchObject({ status: 400, body: { errors: [{ path: 'not_after' }] } });
    const { key_id } = (await t.api('POST', keys, { jwk: freshJwk(), not_after: '2099-01-01T00:00:00Z' })).body.data;
    const rotated = await t.api('POST', `${keys}/${key_id}/rotate`, { jwk: freshJwk(), overlap_seconds: 0 });
    expect(rotated.body.data).toMatchObject({ status: 'active', replaced: { status: 'expired' } });
    expect((await t.api('GET', keys)).body.data.map((key: { status: string }) => key.status)).toEqual([
      'expired',
      'active',
    ]);
  });

  it('and its agent are nobody’s business but their organization’s', async () => {
    const id = await agent({ did: `did:jwk:${Buffer.from(JSON.stringify(freshJwk())).toString('base64url')}` });
    const { key_id } = (await t.api('POST', `/v1/agents/${id}/keys`, { jwk: freshJwk() })).body.data;
    const strangers = [await t.stranger(), await t.stranger('live')];
    const before = await t.rowCounts();
    for (const { key } of strangers) {
      const authorization = `Bearer ${key}`;
      for (const [method, path, body] of [
        ['POST', 'suspend', {}],
        ['POST', 'resume', {}],
        ['PATCH', '', { name: 'x' }],
        ['POST', 'keys', { jwk: freshJwk() }],
        ['POST', 'keys/from-did', {}],
        ['POST', `keys/${key_id}/rotate`, { jwk: freshJwk() }],
        ['POST', `keys/${key_id}/revoke`, {}],
      ] as const) {
        const answer = await t.api(method, `/v1/agents/${id}${path && `/${path}`}`, body, { authorization });
        expect({ path, status: answer.status }).toEqual({ path, status: 404 });
      }
    }
    expect(await t.rowCounts()).toEqual(before);
  });

  it('is rotated with an overlap; one that is withdrawn or foreign is not', async () => {
    const id = await agent();
    const keys = `/v1/agents/${id}/keys`;
    const old = (await t.api('POST', keys, { jwk: freshJwk(), label: 'main' })).body.data;
    const before = Date.now();
    const rotated = await t.api('POST', `${keys}/${old.key_id}/rotate`, { jwk: freshJwk(), overlap_seconds: 600 });
    expect(rotated).toMatchObject({
      status: 201,
      body: {
        data: {
          status: 'active',
          label: 'main',
          not_after: null,
          replaces: old.key_id,
          replaced: { key_id: old.key_id, status: 'active' },
        },
      },
    });
    const ends = Date.parse(rotated.body.data.replaced.not_after) - before;
    expect(ends).toBeGreaterThanOrEqual(600_000);
    expect(ends).toBeLessThan(660_000);
    // Rotating again never lengthens what was to end.
    const again = await t.api('POST', `${keys}/${old.key_id}/rotate`, { jwk: freshJwk() });
    expect(again.body.data.replaced.not_after).toBe(rotated.body.data.replaced.not_after);

    await t.api('POST', `${keys}/${old.key_id}/revoke`, { reason: 'lost' });
    const late = await t.api('POST', `${keys}/${old.key_id}/rotate`, { jwk: freshJwk() });
    expect(late).toMatchObject({ status: 422, body: { code: 'unprocessable' } });
    const listed = (await t.api('GET', keys)).body.data;
    expect(listed[0]).toMatchObject({ status: 'revoked', revocation_reason: 'lost' });
    const foreign = `/v1/agents/${await agent()}/keys/${again.body.data.key_id}/rotate`;
    expect(await t.api('POST', foreign, { jwk: freshJwk() })).toMatchObject({ status: 404 });
    const taken = await t.api('POST', `${keys}/${again.body.data.key_id}/rotate`, { jwk: again.body.data.jwk });
    expect(taken).toMatchObject({ status: 409 });
    expect((await t.api('GET', keys)).body.data.at(-1).not_after).toBeNull();
  });
});

describe('the keys of a DID', () => {
  const fromDid = (id: string, body?: object, api: TestApi = t) =>
    api.api('POST', `/v1/agents/${id}/keys/from-did`, body);

  it('are registered once, whatever its method', async () => {
    const jwk = freshJwk();
    const own = `did:jwk:${Buffer.from(JSON.stringify(jwk)).toString('base64url')}`;
    const byKey = await agent({ did: `did:key:${multikey}` });
    const byJwk = await agent({ did: own });
    for (const [id, x] of [
      [byKey, 'Lm_M42cB3HkUiODQsXRcweM6TByfzEHGO9ND274JcOY'],
      [byJwk, jwk['x']],
    ] as const) {
      const first = await fromDid(id);
      expect(first).toMatchObject({ status: 200, body: { data: [{ alg: 'EdDSA', jwk: { x } }] } });
      expect((await fromDid(id)).body).toEqual(first.body);
    }
    const twin = await agent({ did: `did:key:${multikey}` });
    expect(await fromDid(twin)).toMatchObject({ status: 409, body: { errors: [{ path: 'did' }] } });
    expect(await fromDid(await agent())).toMatchObject({ status: 422 });
    expect(await fromDid(await agent({ did: 'did:example:1' }))).toMatchObject({ status: 422 });
  });

  it('that protect nothing are refused', async () => {
    const weak = { kty: 'OKP', crv: 'Ed25519', x: 'A'.repeat(43) };
    const id = await agent({ did: `did:jwk:${Buffer.from(JSON.stringify(weak)).toString('base64url')}` });
    expect(await fromDid(id)).toMatchObject({ status: 400, body: { code: 'weak_key', errors: [{ path: 'did' }] } });
  });

  it('come from the document of a did:web, given or fetched', async () => {
    const jwk = freshJwk();
    const documents = new Map<string, (url: string) => unknown>();
    const server = createServer((req, res) => {
      const body = documents.get(req.url!)?.(req.url!);
      if (typeof body === 'string' && body.startsWith('http')) res.writeHead(302, { location: body }).end();
      else if (body === undefined) res.writeHead(404).end();
      else res.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
    const port = await listen(server);
    try {
      const did = (path: string) => `did:web:localhost%3A${port}:${path}`;
      const documentOf = (id: string, key: object = jwk) => ({
        id,
        verificationMethod: [{ id: '#1', controller: id, publicKeyJwk: key }],
        assertionMethod: ['#1'],
      });
      documents.set('/good/did.json', () => documentOf(did('good')));
      documents.set('/other/did.json', () => documentOf(did('good')));
      documents.set('/moved/did.json', () => `http://localhost:${port}/good/did.json`);
      documents.set('/large/did.json', () => ' '.repeat(70_000));
      documents.set('/text/did.json', () => 'hello');

      const id = await agent({ did: did('good') });
      expect(await fromDid(id)).toMatchObject({ status: 200, body: { data: [{ jwk }] } });
      for (const path of ['other', 'moved', 'large', 'text', 'absent']) {
        const refused = await fromDid(await agent({ did: did(path) }));
        expect({ path, refused }).toMatchObject({
          path,
          refused: { status: 422, body: { errors: [{ path: 'did' }] } },
        });
      }
      const given = await agent({ did: 'did:web:agents.example' });
      const wrong = await fromDid(given, { document: documentOf(did('good'), freshJwk()) });
      expect(wrong).toMatchObject({ status: 422, body: { errors: [{ path: 'document' }] } });
      const right = await fromDid(given, { document: documentOf('did:web:agents.example', freshJwk()) });
      expect(right).toMatchObject({ status: 200, body: { data: [{ status: 'active' }] } });
    } finally {
      server.close();
    }
  });

  it('are not fetched from inside the network outside of development', async () => {
    let asked = 0;
    const server = createServer((_req, res) => {
      asked++;
      res.end('{}');
    });
    const port = await listen(server);
    const strict = await startTestApi({
      PROKURA_ENV: 'production',
      PROKURA_SIGNING_KEY: '{}',
      PROKURA_DATA_KEY: 'x',
      WEBHOOK_ALLOW_PRIVATE: 'false',
    });
    try {
      for (const domain of [`localhost%3A${port}`, `127.0.0.1%3A${port}`]) {
        const body = { name: 'a', model_hash: 'h', did: `did:web:${domain}` };
        const { id } = (await strict.api('POST', '/v1/agents', body)).body.data;
        const refused = await fromDid(id, undefined, strict);
        expect(refused).toMatchObject({ status: 422, body: { code: 'unprocessable' } });
        expect(JSON.stringify(refused.body)).not.toContain('127.0.0.1');
      }
      expect(asked).toBe(0);
    } finally {
      server.close();
      await strict.close();
    }
  });
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}
