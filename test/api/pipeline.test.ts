import { createHmac, randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApiServer } from '../../src/api/server.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
let before: Record<string, number>;
beforeAll(async () => {
  t = await startTestApi();
  before = await t.rowCounts();
});
afterAll(() => t.close());

const PRINCIPALS = '/v1/identities/principals';
const valid = { external_ref: 'r', type: 'person', name: 'Ada' };

describe('a malformed request', () => {
  const cases: [
    what: string,
    body: unknown,
    status: number,
    code: string,
    path: string,
    headers?: Record<string, string>,
  ][] = [
    ['malformed JSON', '{"name": ', 400, 'invalid_request', 'body'],
    ['a JSON text that is no object', '"text"', 400, 'invalid_request', 'body'],
    ['no body at all', undefined, 400, 'invalid_request', 'external_ref'],
    ['a missing member', { ...valid, name: undefined }, 400, 'invalid_request', 'name'],
    ['a wrong type', { ...valid, name: 7 }, 400, 'invalid_request', 'name'],
    [
      'a wrong nested type',
      { ...valid, step_up: { methods: ['totp', 5] } },
      400,
      'invalid_request',
      'step_up.methods.1',
    ],
    ['an unknown member', { ...valid, nmae: 'x' }, 400, 'invalid_request', 'nmae'],
    ['an unknown nested member', { ...valid, step_up: { methods: [], x: 1 } }, 400, 'invalid_request', 'step_up.x'],
    ['NUL in a string', { ...valid, name: 'a\0b' }, 400, 'invalid_request', 'name'],
    ['NUL inside metadata', { ...valid, metadata: { a: [{ b: '\0' }] } }, 400, 'invalid_request', 'metadata.a.0.b'],
    [
      'a lone surrogate',
      String.raw`{"external_ref":"r","type":"person","name":"\ud800"}`,
      400,
      'invalid_request',
      'name',
    ],
    [
      'a number beyond the doubles',
      '{"external_ref":"r","type":"person","name":"n","metadata":{"n":1e999}}',
      400,
      'invalid_request',
      'metadata.n',
    ],
    ['nesting without end', `${'['.repeat(5000)}${']'.repeat(5000)}`, 400, 'invalid_request', `${'0.'.repeat(63)}0`],
    ['a body over 1 MB', { ...valid, name: 'x'.repeat(1_048_577) }, 413, 'payload_too_large', 'body'],
    ['another media type', 'a=b', 415, 'unsupported_media_type', 'Content-Type', { 'content-type': 'text/plain' }],
    ['a content coding', '{}', 415, 'unsupported_media_type', 'Content-Encoding', { 'content-encoding': 'gzip' }],
    ['a header that is too long', valid, 431, 'headers_too_large', 'X-Long', { 'X-Long': 'x'.repeat(8_193) }],
    ['no Idempotency-Key', valid, 400, 'idempotency_key_required', 'Idempotency-Key', { 'idempotency-key': '' }],
    [
      'an Idempotency-Key that is no UUID',
      valid,
      400,
      'idempotency_key_required',
      'Idempotency-Key',
      { 'idempotency-key': 'abc' },
    ],
    ['an organization that is no id', valid, 400, 'invalid_request', 'X-Kachyng-Org', { 'x-kachyng-org': 'acme' }],
  ];
  it.each(cases)('%s is refused by name', async (_, body, status, code, path, headers) => {
    const answer = await t.api('POST', PRINCIPALS, body, headers);
    expect(answer).toMatchObject({ status, body: { status, code } });
    expect(answer.body.errors[0]).toMatchObject({ path });
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(answer.body.request_id).toBe(answer.headers['x-request-id']);
    expect(await t.rowCounts()).toEqual(before);
  });

  it('names every offending member at once', async () => {
    const answer = await t.api('POST', PRINCIPALS, { type: 'robot', name: '', x: 1 });
    expect(answer.body.errors.map((error: { path: string }) => error.path).sort()).toEqual([
      'external_ref',
      'name',
      'type',
      'x',
    ]);
  });

  it('does not repeat what it could not parse', async () => {
    const answer = await t.api('POST', PRINCIPALS, '{"name": hunter2}');
    expect(JSON.stringify(answer.body)).not.toContain('hunter2');
  });

  it('with an unknown path is 404, with another method 405 and Allow', async () => {
    expect(await t.api('GET', '/v1/nothing')).toMatchObject({ status: 404, body: { code: 'not_found' } });
    const answer = await t.api('DELETE', PRINCIPALS);
    expect(answer).toMatchObject({
      status: 405,
      body: { code: 'method_not_allowed' },
      headers: { allow: 'POST, GET, HEAD' },
    });
    const agents = await t.api('PUT', '/v1/agents');
    expect(agents.headers).toMatchObject({
      allow: 'POST, GET, HEAD',
      'content-type': 'application/json; charset=utf-8',
    });
  });

  it('with a path that is no valid percent-encoding is 400', async () => {
    expect(await t.api('GET', `${PRINCIPALS}/%E0%A4%A`)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'path' }] },
    });
  });

  it('with a query member that is unknown or out of range is 400', async () => {
    expect(await t.api('GET', '/v1/agents?limt=5')).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'limt' }] },
    });
    expect(await t.api('GET', '/v1/agents?limit=0')).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'limit' }] },
    });
    expect(await t.api('GET', '/v1/agents?cursor=abc')).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'cursor' }] },
    });
  });
});

describe('the credential', () => {
  it('is needed, and must be known', async () => {
    for (const authorization of ['', 'Bearer prk_test_unknown', 'Bearer x.y.z', 'Basic abc', 'Bearer']) {
      const answer = await t.api('GET', '/v1/agents', undefined, { authorization });
      expect(answer).toMatchObject({ status: 401, body: { code: 'unauthorized', error: expect.any(String) } });
      expect(answer.headers['www-authenticate']).toContain('Bearer');
    }
  });

  it('may come as x-api-key', async () => {
    const answer = await t.api('GET', '/v1/agents', undefined, { authorization: '', 'x-api-key': t.key });
    expect(answer.status).toBe(200);
  });

  it('is judged before the body', async () => {
    expect((await t.api('POST', PRINCIPALS, '{', { authorization: '' })).status).toBe(401);
  });

  it('needs the scope of the route; admin has every scope', async () => {
    const key = await t.keyWith(['agents:write']);
    const answer = await t.api('GET', '/v1/agents', undefined, { authorization: `Bearer ${key}` });
    expect(answer).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
    const admin = await t.keyWith(['admin']);
    expect((await t.api('GET', '/v1/agents', undefined, { authorization: `Bearer ${admin}` })).status).toBe(200);
  });

  it('expires', async () => {
    const key = await t.keyWith(['admin'], { expiresAt: new Date(Date.now() - 1) });
    expect((await t.api('GET', '/v1/agents', undefined, { authorization: `Bearer ${key}` })).status).toBe(401);
  });

  it('must be of the organization that X-Kachyng-Org names', async () => {
    const other = await t.stranger();
    const answer = await t.api('GET', '/v1/agents', undefined, { 'x-kachyng-org': other.tenant.orgId });
    expect(answer).toMatchObject({ status: 403, body: { code: 'organization_mismatch' } });
    expect((await t.api('GET', '/v1/agents', undefined, { 'x-kachyng-org': t.tenant.orgId })).status).toBe(200);
  });

  it('is not believed for a moment longer once it was revoked here', async () => {
    const made = await t.api('POST', '/v1/api-keys', { name: 'k', scopes: ['agents:read'] });
    const headers = { authorization: `Bearer ${made.body.api_key}` };
    expect((await t.api('GET', '/v1/agents', undefined, headers)).status).toBe(200);
    const revoked = await t.api('POST', `/v1/api-keys/${made.body.key_id}/revoke`);
    expect(revoked.body.revoked_at).toEqual(expect.any(String));
    expect((await t.api('GET', '/v1/agents', undefined, headers)).status).toBe(401);
  });

  it('cannot give away scopes that it has not', async () => {
    const key = await t.keyWith(['keys:write']);
    const headers = { authorization: `Bearer ${key}` };
    const answer = await t.api('POST', '/v1/api-keys', { name: 'k', scopes: ['admin'] }, headers);
    expect(answer).toMatchObject({ status: 403, body: { code: 'insufficient_scope', errors: [{ path: 'scopes' }] } });
  });
});

describe('X-Signature', () => {
  const body = JSON.stringify({ ...valid, external_ref: 'signed' });
  const sign = (secret: string, text = body) => `sha256=${createHmac('sha256', secret).update(text).digest('hex')}`;

  it('is checked whenever it is sent', async () => {
    expect((await t.api('POST', PRINCIPALS, body, { 'x-signature': sign(t.key) })).status).toBe(201);
    for (const signature of [sign('other'), sign(t.key, `${body} `), 'sha256=00', 'nonsense']) {
      const answer = await t.api('POST', PRINCIPALS, body, { 'x-signature': signature });
      expect(answer).toMatchObject({
        status: 401,
        body: { code: 'invalid_signature', errors: [{ path: 'X-Signature' }] },
      });
    }
  });

  describe('of a high-trust credential', () => {
    let key: string;
    beforeAll(async () => {
      key = await t.keyWith(['admin'], { highTrust: true, signingSecretSealed: t.deps.sealer.seal('own secret') });
    });
    const now = () => (Date.now() / 1000).toFixed(6);
    const post = (timestamp: string, signature: string, text = body) =>
      t.api('POST', PRINCIPALS, text, {
        authorization: `Bearer ${key}`,
        'x-signature': signature,
        'x-signature-timestamp': timestamp,
      });
    const signed = (timestamp: string, secret = 'own secret') => sign(secret, `${timestamp}.${body}`);
    const refusalOf = ({ status, body: answer }: Awaited<ReturnType<typeof post>>) => [
      status,
      answer.code,
      answer.errors?.[0].path,
    ];
    const NO_TIMESTAMP = [401, 'invalid_signature', 'X-Signature-Timestamp'];
    const NO_SIGNATURE = [401, 'invalid_signature', 'X-Signature'];

    it('is demanded with its timestamp, under its own secret, and only on writes', async () => {
      const at = now();
      expect(refusalOf(await post('', ''))).toEqual(NO_SIGNATURE);
      expect(refusalOf(await post('', sign('own secret')))).toEqual(NO_TIMESTAMP);
      expect(refusalOf(await post(at, sign('own secret')))).toEqual(NO_SIGNATURE);
      expect(refusalOf(await post(at, signed(at, key)))).toEqual(NO_SIGNATURE);
      expect((await post(at, signed(at))).status).toBe(200);
      expect((await t.api('GET', '/v1/agents', undefined, { authorization: `Bearer ${key}` })).status).toBe(200);
    });

    it('is refused outside of 300 seconds, in either direction, and in another form', async () => {
      for (const at of [-301, 302].map((seconds) => (Date.now() / 1000 + seconds).toFixed(0))) {
        expect(refusalOf(await post(at, signed(at)))).toEqual(NO_TIMESTAMP);
      }
      for (const at of ['soon', '1e9', '-1', '2026-11-23T00:00:00Z']) {
        expect(refusalOf(await post(at, signed(at)))).toEqual(NO_TIMESTAMP);
      }
      const late = (Date.now() / 1000 - 298).toFixed(0);
      expect((await post(late, signed(late))).status).toBe(200);
    });

    it('is accepted once, and a second time is written down as abuse', async () => {
      const at = now();
      const results = await Promise.all([1, 2, 3].map(() => post(at, signed(at))));
      expect(results.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 401, 401]);
      expect(refusalOf(await post(at, signed(at)))).toEqual(NO_SIGNATURE);
      const { rows } = await t.deps.pool.query(`SELECT body FROM audit_entries WHERE type = 'security.abuse'`);
      expect(rows).toMatchObject([{ body: { code: 'signature_replayed' } }]);
      const next = now();
      expect((await post(next, signed(next))).status).toBe(200);
    });
  });

  it('of any other credential may carry a timestamp, and may come again', async () => {
    const at = (Date.now() / 1000).toFixed(0);
    const headers = { 'x-signature': sign(t.key, `${at}.${body}`), 'x-signature-timestamp': at };
    for (let n = 0; n < 2; n++) expect((await t.api('POST', PRINCIPALS, body, headers)).status).toBe(200);
    const other = { ...headers, 'x-signature-timestamp': String(Number(at) + 1) };
    expect((await t.api('POST', PRINCIPALS, body, other)).status).toBe(401);
  });
});

describe('X-Request-Id', () => {
  it('is echoed when it is sane, and made otherwise', async () => {
    const echoed = await t.api('GET', '/health', undefined, { 'x-request-id': 'req_mine-1' });
    expect(echoed.headers['x-request-id']).toBe('req_mine-1');
    for (const odd of ['a b', 'x'.repeat(129), '']) {
      const made = await t.api('GET', '/health', undefined, { 'x-request-id': odd });
      expect(made.headers['x-request-id']).toMatch(/^req_[0-9a-hjkmnp-tv-z]{26}$/);
    }
  });
});

describe('Idempotency-Key', () => {
  const body = () => ({ external_ref: randomUUID(), type: 'person', name: 'Ada' });

  it('gives the first answer again, member for member', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const request = body();
    const first = await t.api('POST', PRINCIPALS, request, headers);
    const rows = await t.rowCounts();
    const again = await t.api('POST', PRINCIPALS, Object.fromEntries(Object.entries(request).reverse()), headers);
    expect(again.status).toBe(201);
    expect(JSON.stringify(again.body)).toBe(JSON.stringify(first.body));
    expect(first.headers).not.toHaveProperty('idempotency-replayed');
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(await t.rowCounts()).toEqual(rows);
  });

  it('is a conflict with another body or path, and free for another organization', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const request = body();
    const { principal_id } = (await t.api('POST', PRINCIPALS, request, headers)).body;
    const rows = await t.rowCounts();
    const conflicts = [
      await t.api('POST', PRINCIPALS, { ...request, name: 'Eve' }, headers),
      await t.api('POST', `${PRINCIPALS}/${principal_id}/totp`, undefined, headers),
    ];
    for (const answer of conflicts) {
      expect(answer).toMatchObject({
        status: 409,
        body: { code: 'idempotency_conflict', errors: [{ path: 'Idempotency-Key' }] },
      });
    }
    expect(await t.rowCounts()).toEqual(rows);
    const { key } = await t.stranger();
    const other = await t.api('POST', PRINCIPALS, request, { ...headers, authorization: `Bearer ${key}` });
    expect(other.status).toBe(201);
    expect(other.body.principal_id).not.toBe(principal_id);
  });

  it('lets one of many concurrent requests act; the others get its answer', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const webhook = { url: 'https://a.example/hook', events: ['*'] };
    const count = async () => (await t.rowCounts())['webhook_endpoints']!;
    const there = await count();
    const answers = await Promise.all(Array.from({ length: 8 }, () => t.api('POST', '/v1/webhooks', webhook, headers)));
    expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
    expect(answers.every((answer) => answer.status === 201)).toBe(true);
    expect(answers.filter((answer) => answer.headers['idempotency-replayed'] === undefined)).toHaveLength(1);
    expect(await count()).toBe(there + 1);
    // The control: without a key each of them acts.
    await Promise.all(
      Array.from({ length: 2 }, () => t.api('POST', '/v1/webhooks', webhook, { 'idempotency-key': '' })),
    );
    expect(await count()).toBe(there + 3);
  });

  it('is free again after a refusal, which keeps nothing', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const agent = { name: 'a', principal_id: randomUUID() };
    const rows = await t.rowCounts();
    expect((await t.api('POST', '/v1/agents', agent, headers)).status).toBe(404);
    expect(await t.rowCounts()).toEqual(rows);
    expect((await t.api('POST', '/v1/agents', { name: 'a', model_hash: 'h' }, headers)).status).toBe(201);
  });

  it('keeps an answer that shows a secret only sealed', async () => {
    const headers = { 'idempotency-key': randomUUID() };
    const made = await t.api('POST', '/v1/api-keys', { name: 'k', scopes: ['agents:read'] }, headers);
    const { rows } = await t.database.pool.query('SELECT response FROM idempotency_keys WHERE key = $1', [
      headers['idempotency-key'],
    ]);
    expect(JSON.stringify(rows)).not.toContain(made.body.api_key);
    expect((await t.api('POST', '/v1/api-keys', { name: 'k', scopes: ['agents:read'] }, headers)).body).toEqual(
      made.body,
    );
  });
});

describe('the server', () => {
  it('answers headers that never became a request', async () => {
    const server = createApiServer(t.app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(`GET /health HTTP/1.1\r\nHost: x\r\n${`X-A: ${'a'.repeat(4000)}\r\n`.repeat(10)}\r\n`);
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    server.close();
    expect(text).toMatch(/^HTTP\/1.1 431 /);
    expect(JSON.parse(text.split('\r\n\r\n')[1]!)).toMatchObject({ code: 'headers_too_large', status: 431 });
  });
});

describe('a database that is away', () => {
  it('is 503 with Retry-After, and nothing about it is told', async () => {
    const broken = await startTestApi();
    await broken.database.pool.query('ALTER TABLE agents RENAME TO gone');
    const fault = await broken.api('GET', '/v1/agents');
    expect(fault).toMatchObject({ status: 500, body: { code: 'internal_error' } });
    expect(JSON.stringify(fault.body)).not.toContain('relation');
    const { deps } = broken;
    await broken.close();
    const { createApp } = await import('../../src/api/app.ts');
    const { createPool } = await import('../../src/store/pool.ts');
    const { default: request } = await import('supertest');
    const away = createPool('postgres://nobody@127.0.0.1:1/none', 1);
    const app = createApp({ ...deps, pool: away, sealer: createSealer(Buffer.alloc(32).toString('base64')) });
    const answer = await request(app).get('/v1/agents').set('x-api-key', 'prk_test_x');
    expect(answer).toMatchObject({ status: 503, body: { code: 'service_unavailable' } });
    expect(answer.headers['retry-after']).toBe('2');
    expect((await request(app).get('/ready')).body).toMatchObject({
      status: 'not_ready',
      checks: { postgres: 'away' },
    });
    expect((await request(app).get('/health')).status).toBe(200);
    await away.end();
  });
});
