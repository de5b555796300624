import { generateKeyPairSync, verify } from 'node:crypto';
import { importJWK } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canonicalJson } from '../../src/trust/canonical.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

describe('agents', () => {
  it('are registered with the body of the certificate contract, pending until somebody answers for them', async () => {
    const body = {
      name: 'RiskEngine-v2',
      model_hash: 'sha256:abc',
      model: 'gpt-4o',
      version: '2.1.0',
      description: 'd',
      metadata: { team: 'x', nested: [1, null] },
      financial_scope: {
        max_single_trade_usd: 10,
        daily_limit_usd: 100,
        permitted_instruments: ['BTC'],
        permitted_venues: [],
        leverage_permitted: false,
      },
    };
    const answer = await t.api('POST', '/v1/agents', body, { 'idempotency-key': '' });
    expect(answer).toMatchObject({
      status: 201,
      body: { data: { ...body, status: 'pending', tenant_id: t.tenant.orgId, inbox_address: null } },
    });
    expect(answer.body.data.id).toMatch(/^[0-9a-f-]{36}$/);
    expect((await t.api('GET', `/v1/agents/${answer.body.data.id}`)).body).toEqual(answer.body);
  });

  it('are listed page by page', async () => {
    for (let i = 0; i < 3; i++) await t.api('POST', '/v1/agents', { name: `n${i}`, model_hash: 'h' });
    const all = (await t.api('GET', '/v1/agents?limit=200')).body.data;
    const paged = [];
    for (let cursor = ''; ;) {
      const { body } = await t.api('GET', `/v1/agents?limit=2${cursor}`);
      paged.push(...body.data);
      if (body.next_cursor === null) break;
      cursor = `&cursor=${body.next_cursor}`;
    }
    expect(paged).toEqual(all);
    expect((await t.api('GET', '/v1/agents?status=retired')).body.data).toEqual([]);
  });

  it('have keys with their RFC 7638 thumbprint, whichever form they come in', async () => {
    const { id } = (await t.api('POST', '/v1/agents', { name: 'k', model_hash: 'h' })).body.data;
    // RFC 8037 Appendix A.3
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo', use: 'sig' };
    const first = await t.api('POST', `/v1/agents/${id}/keys`, { jwk, label: 'main' });
    expect(first).toMatchObject({
      status: 201,
      body: { data: { thumbprint: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k', alg: 'EdDSA', status: 'active' } },
    });
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'pem' });
    expect((await t.api('POST', `/v1/agents/${id}/keys`, { pem: ec })).body.data.alg).toBe('ES256');
    expect((await t.api('POST', `/v1/agents/${id}/keys`, { jwk })).body).toMatchObject({
      code: 'resource_conflict',
      errors: [{ path: 'jwk' }],
    });
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' });
    expect((await t.api('POST', `/v1/agents/${id}/keys`, { pem: weak })).body.errors).toMatchObject([{ path: 'pem' }]);
    expect((await t.api('GET', `/v1/agents/${id}/keys`)).body.data).toHaveLength(2);

    const { key_id } = first.body.data;
    const revoked = await t.api('POST', `/v1/agents/${id}/keys/${key_id}/revoke`, { reason: 'lost' });
    expect(revoked.body.data).toMatchObject({ key_id, status: 'revoked' });
    const again = await t.api('POST', `/v1/agents/${id}/keys/${key_id}/revoke`);
    expect(again.body).toEqual(revoked.body);
  });
});

describe('webhooks', () => {
  it('show their secret once', async () => {
    const body = { url: 'https://shop.example/hook', events: ['risk.alert', 'payment.captured'] };
    const { data } = (await t.api('POST', '/v1/webhooks', body)).body;
    expect(data).toMatchObject({ ...body, active: true, secret: expect.stringMatching(/^whsec_[A-Za-z0-9+/]{43}=$/) });
    const list = (await t.api('GET', '/v1/webhooks')).body.data;
    expect(list).toHaveLength(1);
    expect(JSON.stringify(list)).not.toContain(data.secret);
    const { rows } = await t.deps.pool.query('SELECT secret_sealed AS sealed FROM webhook_endpoints');
    expect(t.deps.sealer.open(rows[0].sealed)).toBe(data.secret);
  });

  it('must be https in production', async () => {
    const production = await startTestApi({
      PROKURA_ENV: 'production',
      PROKURA_SIGNING_KEY: 'x',
      PROKURA_DATA_KEY: 'x',
    });
    const answer = await production.api('POST', '/v1/webhooks', { url: 'http://shop.example', events: ['*'] });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ path: 'url' }] } });
    await production.close();
  });
});

describe('policies', () => {
  const rules = {
    max_amount: 1_000_000,
    currencies: ['EUR', 'GBP'],
    geo: { allow: ['EU'] },
    velocity: { window: '1h', max: 20 },
  };

  it('have versions, of which at most one is active', async () => {
    const one = await t.api('POST', '/v1/policies', { name: 'cards', rules, activate: true });
    expect(one).toMatchObject({
      status: 201,
      body: { version: 1, status: 'active', rules, activated_at: expect.any(String) },
    });
    const two = await t.api('POST', '/v1/policies', { name: 'cards', rules });
    expect(two.body).toMatchObject({ version: 2, status: 'draft' });
    expect(two.body).not.toHaveProperty('activated_at');
    const activated = await t.api('POST', `/v1/policies/${two.body.policy_id}/activate`);
    expect(activated).toMatchObject({ status: 200, body: { status: 'active' } });
    expect((await t.api('GET', `/v1/policies/${one.body.policy_id}`)).body.status).toBe('archived');
    expect((await t.api('POST', `/v1/policies/${two.body.policy_id}/activate`)).body).toEqual(activated.body);
    expect((await t.api('GET', '/v1/policies?status=active')).body.data).toEqual([activated.body]);
  });

  it('keep one active, and gapless versions, when many change them at once', async () => {
    const made = await Promise.all(
      Array.from({ length: 6 }, () => t.api('POST', '/v1/policies', { name: 'race', rules: {}, activate: true })),
    );
    expect(made.map((answer) => answer.body.version as number).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6]);
    expect((await t.api('GET', '/v1/policies?status=active')).body.data).toHaveLength(1);
  });
});

describe('the event log', () => {
  it('is signed, ordered and paged', async () => {
    const { id } = (await t.api('POST', '/v1/agents', { name: 'e', model_hash: 'h' })).body.data;
    for (let i = 0; i < 3; i++) {
      const body = { principal_id: t.tenant.orgId, agent_id: id, scope: { actions: ['*'] }, ttl_seconds: 60 };
      await t.api('POST', '/v1/identities/delegations', body);
    }
    const query = (more: object) =>
      t.api('POST', '/v1/execution/events/query', { agent_id: id, ...more }).then(({ body }) => body);
    const all = await query({});
    expect(all.data).toHaveLength(3);
    expect(all.data.map((event: { sequence: number }) => event.sequence)).toEqual(
      all.data.map((event: { sequence: number }) => event.sequence).sort((a: number, b: number) => a - b),
    );
    const first = await query({ limit: 2 });
    const second = await query({ limit: 2, cursor: first.next_cursor });
    expect([...first.data, ...second.data]).toEqual(all.data);
    expect(second.next_cursor).toBeNull();
    expect((await query({ order: 'desc' })).data).toEqual([...all.data].reverse());
    const at = all.data[1].occurred_at;
    expect((await query({ from: at })).data).toHaveLength(2);
    expect((await query({ to: at })).data).toHaveLength(1);
    expect((await query({ subject: all.data[1].subject })).data).toEqual([all.data[1]]);
    expect((await query({ types: ['payment.captured'] })).data).toEqual([]);

    expect(all.signature_key_id).toBe(t.deps.signer.kid);
    const key = (await importJWK(t.deps.signer.publicJwk, 'EdDSA')) as unknown as Parameters<typeof verify>[2];
    const { signature, ...event } = all.data[0];
    const { KeyObject } = await import('node:crypto');
    const verifies = (value: object) =>
      verify(
        null,
        Buffer.from(canonicalJson(value)),
        KeyObject.from(key as never),
        Buffer.from(signature, 'base64url'),
      );
    expect(verifies(event)).toBe(true);
    expect(verifies({ ...event, type: 'payment.captured' })).toBe(false);
  });

  it('of another organization is empty', async () => {
    const { key } = await t.stranger();
    const answer = await t.api('POST', '/v1/execution/events/query', {}, { authorization: `Bearer ${key}` });
    expect(answer.body.data).toEqual([]);
  });
});

describe('the audit trail', () => {
  it('is whole after everything above, and names the first entry that was changed', async () => {
    const whole = (await t.api('GET', '/v1/audit/verify')).body;
    const { data } = (await t.api('GET', '/v1/audit?limit=200&order=asc')).body;
    expect(whole).toEqual({ valid: true, entries_checked: data.length, first_break: null });
    expect(data.length).toBeGreaterThan(10);
    expect(data[0]).toMatchObject({
      sequence: 1,
      prev_hash: '0'.repeat(64),
      actor: expect.stringMatching(/^api_key:key_/),
    });

    const tamper = async (sql: string) => {
      const client = await t.deps.pool.connect();
      await client.query('BEGIN');
      await client.query(`SET LOCAL session_replication_role = replica`);
      await client.query(sql);
      await client.query('COMMIT');
      client.release();
      return (await t.api('GET', '/v1/audit/verify')).body;
    };
    const where = `WHERE org_id = '${t.tenant.orgId}' AND mode = 'test'`;
    expect(await tamper(`UPDATE audit_entries SET actor = 'nobody' ${where} AND seq = 5`)).toMatchObject({
      valid: false,
      entries_checked: 4,
      first_break: { sequence: 5, entry_id: data[4].entry_id, reason: 'entry_hash is not the hash of the entry' },
    });
    expect(await tamper(`DELETE FROM audit_entries ${where} AND seq = 4`)).toMatchObject({
      first_break: { sequence: 4, entry_id: null, reason: 'the entry is missing' },
    });
  });

  it('is filtered by type and subject, and paged', async () => {
    const { data } = (await t.api('GET', '/v1/audit?type=policy.activated')).body;
    expect(data.length).toBeGreaterThan(2);
    expect(new Set(data.map((entry: { type: string }) => entry.type))).toEqual(new Set(['policy.activated']));
    const bySubject = (await t.api('GET', `/v1/audit?subject=${data[0].subject}`)).body.data;
    expect(bySubject.every((entry: { subject: string }) => entry.subject === data[0].subject)).toBe(true);
    const page = (await t.api('GET', '/v1/audit?limit=3')).body;
    const next = (await t.api('GET', `/v1/audit?limit=3&cursor=${page.next_cursor}`)).body;
    expect(next.data[0].sequence).toBeLessThan(page.data[2].sequence);
  });

  it('cannot be changed through the database connection that the API uses', async () => {
    await expect(t.deps.pool.query('DELETE FROM audit_entries')).rejects.toThrow('append only');
  });

  it('of an organization without entries is valid', async () => {
    const { key } = await t.stranger();
    const answer = await t.api('GET', '/v1/audit/verify', undefined, { authorization: `Bearer ${key}` });
    expect(answer.body).toEqual({ valid: true, entries_checked: 0, first_break: null });
  });
});
