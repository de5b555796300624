import { randomBytes } from 'node:crypto';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allRoutes } from '../../src/api/app.ts';
import { operationId } from '../../src/api/system/openapi.ts';
import { seedDemo } from '../../src/store/demo-seed.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { startTestApi, type TestApi } from './setup.ts';
import { UndocumentedAnswer, answersOf } from './openapi-answers.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

describe('the process', () => {
  it('is healthy, and ready with PostgreSQL, its migrations and Temporal', async () => {
    expect((await t.api('GET', '/health', undefined, { authorization: '' })).body).toEqual({ status: 'ok' });
    const ok = { postgres: 'ok', migrations: 'ok', temporal: 'ok' };
    expect(await t.api('GET', '/ready')).toMatchObject({ status: 200, body: { status: 'ready', checks: ok } });
    t.calls.temporal = false;
    expect(await t.api('GET', '/ready')).toMatchObject({ status: 503, body: { checks: { ...ok, temporal: 'away' } } });
    t.calls.temporal = true;
    await t.deps.pool.query('ALTER TABLE schema_migrations RENAME TO hidden');
    expect(await t.api('GET', '/ready')).toMatchObject({
      status: 503,
      body: { checks: { ...ok, migrations: 'away' } },
    });
    await t.deps.pool.query('ALTER TABLE hidden RENAME TO schema_migrations');
  });

  it('counts its requests by route, never by path', async () => {
    const id = '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10';
    await t.api('GET', `/v1/agents/${id}`);
    const { text } = await request(t.app).get('/metrics');
    expect(text).toContain('prokura_http_request_seconds_count{method="GET",route="/v1/agents/:id",status="404"} 1');
    expect(text).not.toContain(id);
  });
});

describe('/openapi.json', () => {
  it('documents every route once, with an id, an example body and problems', async () => {
    const { body } = await t.api('GET', '/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    const ids = new Set<string>();
    for (const route of allRoutes(t.deps)) {
      const operation = body.paths[route.path.replaceAll(/:(\w+)/g, '{$1}')]?.[route.method];
      expect(Object.keys(body.paths)).toContain(route.path.replaceAll(/:(\w+)/g, '{$1}'));
      expect(operation).toBeDefined();
      ids.add(operation.operationId);
      expect(operation.responses['500'].content).toHaveProperty([
        route.envelope ? 'application/json' : 'application/problem+json',
      ]);
      expect(operation.security.length > 0).toBe(route.scope !== 'public');
    }
    expect(ids.size).toBe(allRoutes(t.deps).length);
  });

  it('names operations after their path', () => {
    expect(operationId({ method: 'post', path: '/v1/agents/:id/keys/:key_id/revoke' })).toBe(
      'postAgentsByIdKeysByKeyIdRevoke',
    );
  });

  it('is held against answers: a member too many, or a status that is not listed, is noticed', () => {
    const check = answersOf(t.deps);
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    expect(() => check('GET', '/health', { status: 200, headers, body: { status: 'ok' } })).not.toThrow();
    expect(() => check('GET', '/health', { status: 200, headers, body: { status: 'ok', x: 1 } })).toThrow(
      UndocumentedAnswer,
    );
    expect(() => check('GET', '/health', { status: 418, headers, body: {} })).toThrow(UndocumentedAnswer);
  });
});

describe('/docs', () => {
  it('runs scripts of our own origin alone', async () => {
    const page = await request(t.app).get('/docs');
    expect(page.status).toBe(200);
    expect(page.headers['content-security-policy']).toContain("script-src 'self';");
    const [source] = [...page.text.matchAll(/<script([^>]*)>/g)].map((match) => match[1]);
    expect(source).toBe(' src="/docs/redoc.js"');
    const script = await request(t.app).get('/docs/redoc.js');
    expect(script.headers['content-type']).toContain('javascript');
    expect(Number(script.headers['content-length'])).toBeGreaterThan(100_000);
  });
});

describe('every answer', () => {
  it('carries the protective headers, and may not be cached', async () => {
    const { headers } = await t.api('GET', '/v1/agents');
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' });
    expect(headers).not.toHaveProperty('x-powered-by');
    expect(headers).not.toHaveProperty('etag');
  });
});

describe('the demo organization', () => {
  it('has credentials for everything, two processors in order, and an active policy', async () => {
    const dataKey = randomBytes(32).toString('base64');
    const simulatorUrl = 'http://127.0.0.1:20999';
    const demo = await seedDemo(t.database.url, { simulatorUrl, dataKey });
    expect(demo).toMatchObject({
      org_id: expect.stringMatching(/^org_/),
      api_key: expect.stringMatching(/^prk_test_/),
    });
    const headers = { authorization: `Bearer ${demo.api_key}`, 'x-kachyng-org': demo.org_id };
    const processors = (await t.api('GET', '/v1/processors', undefined, headers)).body.data;
    expect(processors.map((mid: { processor: string }) => mid.processor)).toEqual(['alpha', 'beta']);
    expect(JSON.stringify(processors)).not.toContain('sealed');
    const { rows } = await t.deps.pool.query(`SELECT base_url, api_key_sealed FROM mids WHERE processor = 'alpha'`);
    expect(rows[0].base_url).toBe(simulatorUrl);
    expect(createSealer(dataKey).open(rows[0].api_key_sealed)).toMatch(/^sk_alpha_/);
    expect((await t.api('GET', '/v1/policies?status=active', undefined, headers)).body.data).toHaveLength(1);
    expect((await t.api('GET', '/v1/audit/verify', undefined, headers)).body.valid).toBe(true);
    const grant = { grant_type: 'client_credentials', client_id: demo.client_id, client_secret: demo.client_secret };
    expect((await t.api('POST', '/oauth/token', grant, { authorization: '' })).body.scope).toContain('payments:refund');
  });
});
