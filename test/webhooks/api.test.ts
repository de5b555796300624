import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toTypeId } from '../../src/domain/ids.ts';
import { recordFact } from '../../src/store/facts.ts';
import { startTestApi, type TestApi } from '../api/setup.ts';
import { startFarm, type Farm } from './farm.ts';

let t: TestApi;
let farm: Farm;
beforeAll(async () => {
  t = await startTestApi();
  farm = await startFarm();
});
afterAll(async () => {
  await t.close();
  await farm.close();
});

const made = async (more: object = {}) => {
  const body = { url: farm.url('/hook'), events: [], ...more };
  const answer = await t.api('POST', '/v1/webhooks', body);
  expect([answer.status, answer.body.errors]).toEqual([201, undefined]);
  return answer.body.data as { id: string; secret: string; [member: string]: unknown };
};
const one = async (id: string) => (await t.api('GET', `/v1/webhooks/${id}`)).body.data;
async function event(type = 'payment.captured') {
  const subject = toTypeId('org', t.tenant.orgId);
  const { eventIds } = await recordFact(t.deps.pool, {
    tenant: t.tenant,
    at: new Date(),
    type,
    actor: 'test',
    subject,
    body: {},
    events: [{ type, subject, data: { org_id: subject } }],
  });
  return toTypeId('evt', eventIds[0]!);
}

describe('an endpoint', () => {
  it('has the published members, and shows its secret once', async () => {
    const data = await made({ events: ['risk.alert', 'certificate.issued'], description: 'Berlin' });
    expect(data).toMatchObject({ events: ['risk.alert', 'certificate.issued'], active: true, description: 'Berlin' });
    expect(data.secret).toMatch(/^whsec_/);
    const shown = await one(data.id);
    expect(shown).toMatchObject({ status: 'active', failure: null, backlog: { pending: 0, dead: 0 } });
    expect(JSON.stringify(shown)).not.toContain(data.secret);
  });

  it('of every event has an empty list, however it was asked for', async () => {
    expect([(await made({ events: [] })).events, (await made({ events: ['*'] })).events]).toEqual([[], []]);
  });

  it('keeps own headers sealed, and shows their names', async () => {
    const { id } = await made({ headers: { 'X-Tenant': 'top-secret-value' } });
    const shown = await one(id);
    expect(shown.header_names).toEqual(['x-tenant']);
    const { rows } = await t.deps.pool.query('SELECT * FROM webhook_endpoints WHERE id = $1', [id]);
    expect(JSON.stringify([shown, rows])).not.toContain('top-secret-value');
    // A change of something else keeps them.
    await t.api('PATCH', `/v1/webhooks/${id}`, { description: 'x' });
    expect((await one(id)).header_names).toEqual(['x-tenant']);
    await t.api('PATCH', `/v1/webhooks/${id}`, { headers: {} });
    expect((await one(id)).header_names).toEqual([]);
  });

  it.each([
    ['host', 'evil.example'],
    ['content-length', '3'],
    ['webhook-signature', 'v1,x'],
    ['x-signature', 'x'],
    ['transfer-encoding', 'chunked'],
    ['x-a', 'two\r\nlines'],
    ['x b', 'c'],
  ])('refuses the header %s: %s', async (name, value) => {
    const answer = await t.api('POST', '/v1/webhooks', { url: farm.url('/'), events: [], headers: { [name]: value } });
    expect([answer.status, answer.body.errors?.[0]?.path]).toEqual([400, `headers.${name}`]);
  });

  it.each(['https://u@a.example', 'https://a.example/#x', 'ftp://a.example', 'https://a.example:6379', 'x'])(
    'refuses the URL %s',
    async (url) => {
      const answer = await t.api('POST', '/v1/webhooks', { url, events: [] });
      expect([answer.status, answer.body.errors?.[0]?.path]).toEqual([400, 'url']);
      const { id } = await made();
      expect((await t.api('PATCH', `/v1/webhooks/${id}`, { url })).status).toBe(400);
    },
  );

  it('is changed, paused, resumed and deleted, and each of it is in the audit trail', async () => {
    const { id } = await made();
    const changed = await t.api('PATCH', `/v1/webhooks/${id}`, { events: ['payment.voided'], rate_limit: 7 });
    expect(changed.body.data).toMatchObject({ events: ['payment.voided'], rate_limit: 7, url: farm.url('/hook') });
    const paused = await t.api('POST', `/v1/webhooks/${id}/pause`);
    expect(paused.body.data).toMatchObject({ active: false, status: 'paused' });
    await event('payment.voided');
    expect((await one(id)).backlog.pending).toBe(1);
    expect((await t.api('POST', `/v1/webhooks/${id}/resume`)).body.data).toMatchObject({ active: true });
    expect((await t.api('DELETE', `/v1/webhooks/${id}`)).body.data).toEqual({ id, deleted: true });
    expect((await t.api('GET', `/v1/webhooks/${id}`)).status).toBe(404);
    const { rows } = await t.deps.pool.query<{ type: string; body: object }>(
      `SELECT type, body FROM audit_entries WHERE subject = $1 ORDER BY seq`,
      [toTypeId('whk', id)],
    );
    expect(rows.map(({ type }) => type)).toEqual(
      ['registered', 'changed', 'paused', 'resumed', 'deleted'].map((verb) => `webhook.${verb}`),
    );
    expect(JSON.stringify(rows)).not.toContain('/hook');
  });

  it('gets a new secret, which is shown once, while the one before lives on', async () => {
    const { id, secret } = await made();
    const rotated = (await t.api('POST', `/v1/webhooks/${id}/rotate-secret`, { overlap_seconds: 60 })).body.data;
    expect(rotated.secret).not.toBe(secret);
    expect((await one(id)).former_secret_until).toBe(rotated.former_secret_until);
    const last = (await t.api('POST', `/v1/webhooks/${id}/rotate-secret`, { overlap_seconds: 0 })).body.data;
    expect([last.former_secret_until, (await one(id)).former_secret_until]).toEqual([null, null]);
  });

  it('answers a test event at once, signed like any other', async () => {
    const { id, secret } = await made({ url: farm.url('/test') });
    const { data } = (await t.api('POST', `/v1/webhooks/${id}/test`)).body;
    expect(data).toMatchObject({ delivered: true, status: 200, answer: '{"received":true}' });
    const [got] = farm.received('/test');
    expect(new Webhook(secret).verify(got!.body, got!.headers)).toMatchObject({ type: 'webhook.test' });
    farm.script('/test', 500);
    expect((await t.api('POST', `/v1/webhooks/${id}/test`)).body.data).toMatchObject({ delivered: false, status: 500 });
    const { rows } = await t.deps.pool.query(`SELECT 1 FROM events WHERE type = 'webhook.test'`);
    expect(rows).toEqual([]);
  });
});

describe('the log of an endpoint', () => {
  it('lists deliveries and dead letters, and shows the request without what signs it', async () => {
    const { id } = await made({ headers: { 'x-key': 'hidden-value' } });
    const first = await event();
    const second = await event();
    const uuids = await t.deps.pool.query<{ id: string }>(
      `UPDATE deliveries SET status = 'dead', attempts = 1, last_status = 500 WHERE endpoint_id = $1
          AND event_id = (SELECT event_id FROM deliveries WHERE endpoint_id = $1 ORDER BY id LIMIT 1) RETURNING id`,
      [id],
    );
    await t.deps.pool.query(
      `INSERT INTO delivery_attempts (delivery_id, at, org_id, mode, url, status, latency_ms, answer)
       VALUES ($1, now(), $2, $3, $4, 500, 12, 'oops')`,
      [uuids.rows[0]!.id, t.tenant.orgId, t.tenant.mode, farm.url('/hook?token=abc')],
    );
    const page = (await t.api('GET', `/v1/webhooks/${id}/deliveries?limit=1`)).body;
    expect(page.data.map(({ event_id }: { event_id: string }) => event_id)).toEqual([second]);
    const rest = (await t.api('GET', `/v1/webhooks/${id}/deliveries?cursor=${page.next_cursor}`)).body;
    expect(rest.data).toMatchObject([{ event_id: first, status: 'dead', last_status: 500 }]);
    const dead = (await t.api('GET', `/v1/webhooks/${id}/deliveries?status=dead`)).body.data;
    expect(dead).toHaveLength(1);
    const { data } = (await t.api('GET', `/v1/webhooks/${id}/deliveries/${first}`)).body;
    expect(data.log).toMatchObject([{ status: 500, latency_ms: 12, answer: 'oops', request: { method: 'POST' } }]);
    expect(JSON.parse(data.request.body)).toMatchObject({ id: first });
    expect(data.request.header_names).toContain('x-key');
    expect(JSON.stringify(data)).not.toMatch(/hidden-value|v1,|token=abc/);
  });

  it('is replayed by event, and refused at a disabled endpoint', async () => {
    const { id } = await made({ events: ['risk.alert'] });
    const missed = await event('payment.voided');
    const again = await t.api('POST', `/v1/webhooks/${id}/deliveries/${missed}/replay`);
    expect([again.status, again.body.data.status]).toEqual([202, 'pending']);
    const range = { what: 'all', from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' };
    expect((await t.api('POST', `/v1/webhooks/${id}/replays`, range)).body.errors[0].path).toBe('from');
    const replay = (await t.api('POST', `/v1/webhooks/${id}/replays`, { what: 'missed' })).body.data;
    expect((await t.api('GET', `/v1/webhooks/${id}/replays`)).body.data).toEqual([replay]);
    await t.deps.pool.query('UPDATE webhook_endpoints SET active = false WHERE id = $1', [id]);
    for (const path of [`deliveries/${missed}/replay`, 'replays']) {
      const refused = await t.api('POST', `/v1/webhooks/${id}/${path}`, path === 'replays' ? {} : undefined);
      expect([refused.status, refused.body.code]).toEqual([409, 'resource_conflict']);
    }
  });
});
