import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as fc from 'fast-check';
import {
  calculateJwkThumbprint,
  CompactSign,
  compactVerify,
  createLocalJWKSet,
  flattenedVerify,
  importJWK,
  type JWK,
} from 'jose';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentCard } from '../../src/api/a2a/card-schema.ts';
import { canonicalCard } from '../../src/verify/agent-card-form.ts';
import { verifyAgentCard } from '../../src/verify/index.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
const servers: Server[] = [];
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(async () => {
  for (const server of servers) server.close();
  await t.close();
});

interface Key {
  jwk: JWK;
  privateKey: KeyObject;
  thumbprint: string;
}

async function newKey(type: 'ed25519' | 'ec' = 'ed25519'): Promise<Key> {
  const pair = type === 'ec' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
  const jwk = pair.publicKey.export({ format: 'jwk' }) as JWK;
  return { jwk, privateKey: pair.privateKey, thumbprint: await calculateJwkThumbprint(jwk) };
}

const card = {
  name: 'Travel agent',
  description: '',
  version: '1.0.0',
  supportedInterfaces: [{ url: 'https://a2a.example/v1', protocolBinding: 'JSONRPC', protocolVersion: '1.0' }],
  capabilities: {},
  defaultInputModes: ['text/plain'],
  defaultOutputModes: ['text/plain'],
  skills: [],
};

async function sign(
  of: object,
  key: Key,
  header: Record<string, unknown>,
): Promise<{ protected: string; signature: string }> {
  const alg = key.jwk.kty === 'EC' ? 'ES256' : 'EdDSA';
  const jws = await new CompactSign(Buffer.from(canonicalCard(of as Record<string, unknown>)))
    .setProtectedHeader({ alg, typ: 'JOSE', ...header })
    .sign(key.privateKey);
  const [head, , signature] = jws.split('.') as [string, string, string];
  return { protected: head, signature };
}

const signed = async (key: Key, header: Record<string, unknown>, more: object = {}) => {
  const whole = { ...card, ...more };
  return { ...whole, signatures: [await sign(whole, key, header)] };
};

const verify = (body: object, headers = {}) => t.api('POST', '/v1/agents/verify-card', body, headers);

async function agentWith(key: Key): Promise<string> {
  const owner = await t.api('POST', '/v1/identities/principals', {
    external_ref: randomBytes(8).toString('hex'),
    type: 'organization',
    name: 'Acme',
  });
  const body = {
    name: 'buyer',
    principal_id: owner.body.principal_id ?? owner.body.data?.principal_id,
    keys: [{ jwk: key.jwk }],
  };
  const made = await t.api('POST', '/v1/agents', body);
  expect(made.status).toBe(201);
  return made.body.data.id as string;
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serveJson = (value: unknown) =>
  serve((_, res) => res.setHeader('content-type', 'application/json').end(JSON.stringify(value)));

describe('a card', () => {
  it.each(['ed25519', 'ec'] as const)('signed with a registered key (%s) is valid and trusted', async (type) => {
    const key = await newKey(type);
    const agent_id = await agentWith(key);
    for (const body of [
      { card: await signed(key, { kid: key.thumbprint }) },
      { card: await signed(key, { kid: 'key-1' }), agent_id },
    ]) {
      const answer = await verify(body);
      expect(answer).toMatchObject({
        status: 200,
        body: { valid: true, trusted: true, signatures: [{ valid: true, trusted: true }] },
      });
      expect(answer.body.checks.every((check: { ok: boolean }) => check.ok)).toBe(true);
    }
  });

  it('signed with a key of another agent, of another organization or of nobody is not trusted', async () => {
    const [key, other] = [await newKey(), await newKey()];
    await agentWith(key);
    const agent_id = await agentWith(other);
    const theirs = await signed(key, { kid: key.thumbprint });
    const jwks = { keys: [{ ...key.jwk, kid: key.thumbprint }] };
    expect((await verify({ card: theirs, agent_id })).body).toMatchObject({ valid: false, trusted: false });
    expect((await verify({ card: theirs, agent_id, jwks })).body).toMatchObject({ valid: true, trusted: false });
    const stranger = `Bearer ${(await t.stranger()).key}`;
    expect((await verify({ card: theirs }, { authorization: stranger })).body).toMatchObject({
      valid: false,
      trusted: false,
      signatures: [{ code: 'unknown_kid', valid: false, trusted: false }],
    });
    const nobody = await newKey();
    const answer = await verify({
      card: await signed(nobody, { kid: 'n' }),
      jwks: { keys: [{ ...nobody.jwk, kid: 'n' }] },
    });
    expect(answer.body).toMatchObject({
      valid: true,
      trusted: false,
      signatures: [{ kid: 'n', alg: 'EdDSA', valid: true, trusted: false }],
    });
  });

  it('is no longer trusted when the key is withdrawn', async () => {
    const key = await newKey();
    const agent = await agentWith(key);
    const { body } = await t.api('GET', `/v1/agents/${agent}/keys`);
    const theirs = await signed(key, { kid: key.thumbprint });
    expect((await verify({ card: theirs })).body.trusted).toBe(true);
    await t.api('POST', `/v1/agents/${agent}/keys/${body.data[0].key_id}/revoke`, {});
    expect((await verify({ card: theirs })).body).toMatchObject({ valid: false, trusted: false });
  });

  it('signed with a key of the trust list is trusted while the list says so', async () => {
    const key = await newKey();
    const theirs = await signed(key, { kid: key.thumbprint });
    const issuer = { issuer: 'did:web:bank.example', keys: [{ ...key.jwk, kid: key.thumbprint }] };
    expect((await verify({ card: theirs })).body).toMatchObject({ valid: false, trusted: false });
    t.deps.trustedIssuers = [issuer];
    expect((await verify({ card: theirs })).body).toMatchObject({ valid: true, trusted: true });
    t.deps.trustedIssuers = [{ ...issuer, valid_until: '2020-01-01T00:00:00Z' }];
    expect((await verify({ card: theirs })).body).toMatchObject({ valid: true, trusted: false });
    t.deps.trustedIssuers = undefined;
  });

  it('that was changed is not valid, whoever signed it', async () => {
    const key = await newKey();
    await agentWith(key);
    const theirs = await signed(key, { kid: key.thumbprint });
    expect((await verify({ card: { ...theirs, name: 'Other' } })).body).toMatchObject({
      valid: false,
      trusted: false,
      signatures: [{ code: 'invalid_signature' }],
    });
    const bad = { protected: theirs.signatures[0]!.protected, signature: randomBytes(64).toString('base64url') };
    const both = { ...theirs, signatures: [...theirs.signatures, bad] };
    expect((await verify({ card: both })).body).toMatchObject({ valid: false, trusted: false });
  });

  it('says what it lacks apart from who signed it', async () => {
    const key = await newKey();
    await agentWith(key);
    const answer = await verify({ card: await signed(key, { kid: key.thumbprint }, { skills: undefined }) });
    expect(answer.body).toMatchObject({ valid: true, trusted: true });
    expect(answer.body.checks).toContainEqual({ code: 'schema', ok: false, detail: expect.stringContaining('skills') });
    expect((await verify({ card })).body).toMatchObject({ valid: false, signatures: [] });
  });

  it('without an algorithm, or with a shared secret, is an attack that the audit trail tells of', async () => {
    const key = await newKey();
    const agent_id = await agentWith(key);
    for (const [alg, code] of [
      ['none', 'alg_none'],
      ['HS256', 'alg_confusion'],
    ]) {
      const header = Buffer.from(JSON.stringify({ alg, kid: key.thumbprint })).toString('base64url');
      const forged = { ...card, signatures: [{ protected: header, signature: alg === 'none' ? '' : 'AAAA' }] };
      expect((await verify({ card: forged, agent_id })).body).toMatchObject({ valid: false, trusted: false });
      const { body } = await t.api('GET', '/v1/audit?type=security.abuse');
      expect(body.data.map((entry: { body: { code: string } }) => entry.body.code)).toContain(code);
    }
  });

  it('is answered whatever it is, and never as valid', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 })),
        fc.array(fc.oneof(fc.jsonValue(), fc.record({ protected: fc.base64String(), signature: fc.base64String() })), {
          maxLength: 3,
        }),
        fc.jsonValue(),
        async (members, signatures, header) => {
          const named = { protected: Buffer.from(JSON.stringify(header)).toString('base64url'), signature: 'AAAA' };
          const answer = await verify({ card: { ...members, signatures: [...signatures, named] } });
          // A text that JSON cannot carry is 400; no defect, and nothing valid.
          expect([200, 400]).toContain(answer.status);
          expect(answer.body.valid ?? false).toBe(false);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('whose key is called what no database stores is answered', async () => {
    const key = await newKey();
    for (const kid of ['\u0000', 'x'.repeat(5_000), 'key_\u0000', '']) {
      expect((await verify({ card: await signed(key, { kid }) })).body).toMatchObject({ valid: false });
    }
  });
});

describe('the keys at jku', () => {
  it('verify and make nobody trusted; the registered ones still do', async () => {
    const key = await newKey();
    const jku = `${await serveJson({ keys: [{ ...key.jwk, kid: 'at-home' }] })}/jwks.json`;
    const theirs = await signed(key, { kid: 'at-home', jku });
    const answer = await verify({ card: theirs });
    expect(answer.body).toMatchObject({ valid: true, trusted: false });
    expect(answer.body.checks).toContainEqual({ code: 'jku', ok: true, detail: expect.stringContaining(jku) });
    await agentWith(key);
    expect((await verify({ card: theirs })).body).toMatchObject({ valid: true, trusted: true });
  });

  it('are not fetched from inside addresses, over http, by redirect, in bulk, or without end', async () => {
    const key = await newKey();
    const strict = await startTestApi({ PROKURA_ENV: 'production', PROKURA_SIGNING_KEY: '{}', PROKURA_DATA_KEY: 'x' });
    const asked: string[] = [];
    const inside = await serve((req, res) => {
      asked.push(req.url!);
      res.end(JSON.stringify({ keys: [{ ...key.jwk, kid: 'k' }] }));
    });
    try {
      for (const jku of [
        inside,
        inside.replace('http:', 'https:'),
        'https://169.254.169.254/keys',
        'file:///etc/passwd',
        'x',
      ]) {
        const answer = await strict.api('POST', '/v1/agents/verify-card', {
          card: await signed(key, { kid: 'k', jku }),
        });
        expect(answer.body).toMatchObject({ valid: false });
        expect(answer.body.checks.at(-1)).toMatchObject({ code: 'jku', ok: false });
        const byUrl = await strict.api('POST', '/v1/agents/verify-card', { url: jku });
        expect([400, 422]).toContain(byUrl.status);
      }
      expect(asked).toEqual([]);
    } finally {
      await strict.close();
    }
    // The control: in development the same address is asked.
    expect((await verify({ card: await signed(key, { kid: 'k', jku: inside }) })).body.valid).toBe(true);
    expect(asked).toHaveLength(1);

    const redirecting = await serve((_, res) => res.writeHead(302, { location: inside }).end());
    const endless = await serve((_, res) => {
      const more = () => void (res.destroyed || res.write('x'.repeat(20_000), () => setImmediate(more)));
      more();
    });
    for (const [jku, why] of [
      [redirecting, 'answered 302'],
      [endless, 'larger than'],
      [await serve((_, res) => res.end('{')), 'not a JSON object'],
      [await serveJson({ keys: 'none' }), 'not a JWK Set'],
    ]) {
      const { body } = await verify({ card: await signed(key, { kid: 'k', jku }) });
      expect(body).toMatchObject({ valid: false });
      expect(body.checks.at(-1).detail).toContain(why);
    }
    const three = await Promise.all([1, 2, 3].map((n) => sign(card, key, { kid: 'other', jku: `${inside}/${n}` })));
    asked.length = 0;
    await verify({ card: { ...card, signatures: three } });
    expect(asked).toEqual(['/1', '/2']);
  });
});

describe('a card at a url', () => {
  it('is fetched and judged like one that was sent', async () => {
    const key = await newKey();
    const agent_id = await agentWith(key);
    const url = await serveJson(await signed(key, { kid: key.thumbprint }));
    expect((await verify({ url, agent_id })).body).toMatchObject({ valid: true, trusted: true });
  });

  it('that cannot be fetched is refused, the member named', async () => {
    const gone = await serve((_, res) => res.writeHead(404).end());
    expect(await verify({ url: gone })).toMatchObject({
      status: 422,
      body: { code: 'unprocessable', errors: [{ path: 'url' }] },
    });
  });
});

describe('a request', () => {
  it.each([
    ['neither card nor url', {}, 400, 'card'],
    ['both', { card, url: 'https://a.example/' }, 400, 'card'],
    ['a list for a card', { card: [] }, 400, 'card'],
    ['an address of another kind', { url: 'ftp://a.example/' }, 400, 'url'],
    ['no keys in a set', { card, jwks: { keys: [] } }, 400, 'jwks.keys'],
    ['an unknown agent', { card, agent_id: 'agt_01h455vb4pex5vsknk084sn02q' }, 404, 'agent_id'],
  ])('with %s is refused', async (_, body, status, path) => {
    expect(await verify(body)).toMatchObject({ status, body: { errors: [{ path }] } });
  });

  it('needs the scope', async () => {
    const authorization = `Bearer ${await t.keyWith(['payments:read'])}`;
    expect(await verify({ card }, { authorization })).toMatchObject({
      status: 403,
      body: { code: 'insufficient_scope' },
    });
    expect((await verify({ card }, { authorization: '' })).status).toBe(401);
  });
});

describe('what is published', () => {
  it('has an own card that is an agent card and passes our own verifier', async () => {
    const own = await t.api('GET', '/.well-known/agent-card.json', undefined, { authorization: '' });
    expect(own.status).toBe(200);
    expect(AgentCard.safeParse(own.body)).toMatchObject({ success: true });
    const jwks = (await t.api('GET', '/.well-known/jwks.json')).body as { keys: JWK[] };
    expect(await verifyAgentCard({ card: own.body, jwks })).toMatchObject({ valid: true });
    expect((await verify({ card: own.body })).body).toMatchObject({ valid: true, trusted: true });
    // A foreign library over the bytes of the specification.
    const [signature] = own.body.signatures as { protected: string; signature: string }[];
    const payload = Buffer.from(canonicalCard(own.body)).toString('base64url');
    await expect(
      flattenedVerify({ ...signature!, payload }, await importJWK(jwks.keys[0]!, 'EdDSA')),
    ).resolves.toBeDefined();
    const changed = {
      ...own.body,
      supportedInterfaces: [{ ...own.body.supportedInterfaces[0], url: 'https://evil.example' }],
    };
    expect((await verify({ card: changed })).body).toMatchObject({ valid: false, trusted: false });
  });

  it('has a signed trust list and a DID document with the keys of the JWKS', async () => {
    const jwks = (await t.api('GET', '/.well-known/jwks.json')).body as { keys: JWK[] };
    const response = await request(t.app).get('/.well-known/trust-list').responseType('blob');
    expect(response.headers['content-type']).toContain('application/jose');
    expect(response.headers['cache-control']).toMatch(/max-age=\d+/);
    const text = (response.body as Buffer).toString();
    const { payload } = await compactVerify(text, createLocalJWKSet(jwks));
    const list = JSON.parse(Buffer.from(payload).toString()) as {
      issuer: string;
      issuers: { issuer: string; keys: JWK[] }[];
    };
    expect(list.issuer).toBe(`did:web:api.test#${t.deps.signer.kid}`);
    expect(list.issuers).toMatchObject([{ issuer: 'did:web:api.test', keys: jwks.keys }]);

    const did = (await t.api('GET', '/.well-known/did.json')).body;
    expect(did).toMatchObject({ id: 'did:web:api.test', assertionMethod: [`did:web:api.test#${t.deps.signer.kid}`] });
    expect(did.verificationMethod[0].publicKeyJwk).toEqual(jwks.keys[0]);
  });
});
