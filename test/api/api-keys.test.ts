import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lastUsesOf } from '../../src/api/access/last-uses.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

const make = async (more: object = {}) => {
  const { status, body } = await t.api('POST', '/v1/api-keys', { name: 'k', scopes: ['agents:read'], ...more });
  expect(status).toBe(201);
  return body as { key_id: string; api_key: string; signing_secret?: string };
};
const rotate = (id: string, overlap_seconds: number, headers = {}) =>
  t.api('POST', `/v1/api-keys/${id}/rotate`, { overlap_seconds }, headers);
const status = async (key: string) =>
  (await t.api('GET', '/v1/agents', undefined, { authorization: `Bearer ${key}` })).status;

describe('an API key', () => {
  it('is listed page by page, without its text', async () => {
    const made = [await make(), await make(), await make()];
    const seen: { key_id: string }[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body } = await t.api('GET', `/v1/api-keys?limit=2${cursor && `&cursor=${cursor}`}`);
      expect(body.data.length).toBeLessThanOrEqual(2);
      seen.push(...(body.data as { key_id: string }[]));
      cursor = body.next_cursor as string | null;
    }
    expect(new Set(seen.map(({ key_id }) => key_id)).size).toBe(seen.length);
    for (const { key_id, api_key } of made) {
      expect(seen.map((key) => key.key_id)).toContain(key_id);
      expect(JSON.stringify(seen)).not.toContain(api_key);
      const { body } = await t.api('GET', `/v1/api-keys/${key_id}`);
      expect(body).toMatchObject({ key_id, name: 'k', scopes: ['agents:read'], hint: `…${api_key.slice(-4)}` });
    }
    expect((await t.api('GET', '/v1/api-keys?cursor=x')).status).toBe(400);
  });

  it('cannot be made for a time that has passed', async () => {
    const past = { name: 'k', scopes: ['agents:read'], expires_at: '2020-01-01T00:00:00Z' };
    expect(await t.api('POST', '/v1/api-keys', past)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'expires_at' }] },
    });
  });

  it('keeps the reason of its first revocation', async () => {
    const { key_id } = await make();
    const revoke = (reason: string) => t.api('POST', `/v1/api-keys/${key_id}/revoke`, { reason });
    expect((await revoke('leaked')).body).toMatchObject({ revocation_reason: 'leaked' });
    expect((await revoke('again')).body).toMatchObject({ revocation_reason: 'leaked' });
    const { rows } = await t.deps.pool.query(
      `SELECT body FROM audit_entries WHERE type = 'api_key.revoked' AND subject = $1`,
      [key_id],
    );
    expect(rows).toEqual([{ body: { reason: 'leaked' } }]);
  });

  it('says when it was last used, without a write for each request', async () => {
    const { key_id, api_key } = await make();
    const unused = await make();
    const began = Date.now();
    for (let n = 0; n < 5; n++) expect(await status(api_key)).toBe(200);
    expect((await t.api('GET', `/v1/api-keys/${key_id}`)).body).not.toHaveProperty('last_used_at');
    await lastUsesOf(t.deps.pool).flush();
    const used = new Date((await t.api('GET', `/v1/api-keys/${key_id}`)).body.last_used_at as string).getTime();
    expect(used).toBeGreaterThanOrEqual(began);
    expect(used).toBeLessThanOrEqual(Date.now());
    expect((await t.api('GET', `/v1/api-keys/${unused.key_id}`)).body).not.toHaveProperty('last_used_at');
  });
});

describe('rotation', () => {
  it('gives another text once, and lets the former one live as long as was asked', async () => {
    const { key_id, api_key: first } = await make();
    const { status: code, body } = await rotate(key_id, 1);
    expect(code).toBe(200);
    expect(body).toMatchObject({ key_id, scopes: ['agents:read'], hint: `…${body.api_key.slice(-4)}` });
    expect(body).not.toHaveProperty('signing_secret');
    expect([await status(first), await status(body.api_key)]).toEqual([200, 200]);
    await expect.poll(() => status(first), { timeout: 3_000 }).toBe(401);
    expect(Date.now()).toBeGreaterThanOrEqual(new Date(body.former_until as string).getTime());
    expect(await status(body.api_key)).toBe(200);
    expect((await t.api('GET', `/v1/api-keys/${key_id}`)).body.rotated_at).toBeDefined();
  });

  it('with no overlap ends every text that the key ever had', async () => {
    const { key_id, api_key: first } = await make();
    const second = (await rotate(key_id, 3_600)).body.api_key as string;
    const third = (await rotate(key_id, 3_600)).body.api_key as string;
    // Two rotations in a row shorten nothing that was promised.
    for (const text of [first, second, third]) expect(await status(text)).toBe(200);
    const last = (await rotate(key_id, 0)).body.api_key as string;
    for (const text of [first, second, third]) expect(await status(text)).toBe(401);
    expect(await status(last)).toBe(200);
    await t.api('POST', `/v1/api-keys/${key_id}/revoke`);
    expect(await status(last)).toBe(401);
    expect((await rotate(key_id, 0)).status).toBe(422);
  });

  it('ends former texts with their key', async () => {
    const { key_id, api_key: first } = await make();
    await rotate(key_id, 3_600);
    expect(await status(first)).toBe(200);
    await t.api('POST', `/v1/api-keys/${key_id}/revoke`);
    expect(await status(first)).toBe(401);
  });

  it('is refused to whoever lacks the scopes of the key', async () => {
    const admin = await make({ scopes: ['admin'] });
    const small = await make({ scopes: ['keys:write', 'agents:read'] });
    const headers = { authorization: `Bearer ${small.api_key}` };
    expect(await rotate(admin.key_id, 0, headers)).toMatchObject({ status: 403, body: { code: 'insufficient_scope' } });
    expect(await status(admin.api_key)).toBe(200);
    expect((await rotate((await make()).key_id, 0, headers)).status).toBe(200);
  });

  it('of a key in a member’s name is for that member, and for whoever manages members', async () => {
    const invited = { email: 'ada@example.com', name: 'Ada', roles: ['risk'] };
    const { member_id } = (await t.api('POST', '/v1/members', invited)).body;
    await t.api('PATCH', `/v1/members/${member_id}`, { status: 'active' });
    const scopes = ['agents:read', 'execution:write'];
    const key = await make({ scopes, member_id });
    const machine = await make({ scopes: ['keys:write', ...scopes] });
    const refused = await rotate(key.key_id, 0, { authorization: `Bearer ${machine.api_key}` });
    expect(refused).toMatchObject({ status: 403, body: { code: 'insufficient_scope', errors: [{ path: 'id' }] } });
    expect(await status(key.api_key)).toBe(200);
    const manager = await make({ scopes: ['keys:write', 'members:write', ...scopes] });
    expect((await rotate(key.key_id, 0, { authorization: `Bearer ${manager.api_key}` })).status).toBe(200);
    expect(await status(key.api_key)).toBe(401);
    // A developer may write keys: the own one too.
    await t.api('PATCH', `/v1/members/${member_id}`, { roles: ['developer'] });
    const own = await make({ scopes: ['keys:write', 'agents:read'], member_id });
    expect((await rotate(own.key_id, 60, { authorization: `Bearer ${own.api_key}` })).status).toBe(200);
  });

  it('gives a high-trust key another signing secret; each text is signed for with its own', async () => {
    const key = await make({ scopes: ['agents:write'], high_trust: true });
    expect(key.signing_secret).toMatch(/^prs_/);
    const rotated = (await rotate(key.key_id, 60)).body;
    expect(rotated.signing_secret).not.toBe(key.signing_secret);
    const body = JSON.stringify({ name: 'a', model_hash: 'h' });
    const post = async (text: string, secret: string) => {
      const at = (Date.now() / 1000).toFixed(6);
      const signature = createHmac('sha256', secret).update(`${at}.${body}`).digest('hex');
      return t.api('POST', '/v1/agents', body, {
        authorization: `Bearer ${text}`,
        'x-signature': `sha256=${signature}`,
        'x-signature-timestamp': at,
      });
    };
    expect((await post(key.api_key, key.signing_secret!)).status).toBe(201);
    expect((await post(rotated.api_key, rotated.signing_secret)).status).toBe(201);
    expect((await post(key.api_key, rotated.signing_secret)).status).toBe(401);
    expect((await post(rotated.api_key, key.signing_secret!)).status).toBe(401);
  });
});
