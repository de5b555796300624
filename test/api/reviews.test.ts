import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

const DEFAULTS = {
  quorum: 1,
  members_only: false,
  approver: { max_approvals: null, max_amounts: {}, window_seconds: 86_400 },
  auto_release_below: null,
  auto_deny_from: null,
};

describe('how an organization reviews', () => {
  it('has defaults, is replaced as a whole, and is audited', async () => {
    expect((await t.api('GET', '/v1/review-settings')).body).toEqual(DEFAULTS);
    const set = await t.api('PUT', '/v1/review-settings', {
      quorum: 2,
      approver: { max_amounts: { EUR: '1000.50', JPY: 5000 } },
    });
    expect(set).toMatchObject({
      status: 200,
      body: {
        quorum: 2,
        approver: { max_amounts: { EUR: { amount: 1000.5, amount_minor: 100_050 }, JPY: { amount_minor: 5000 } } },
      },
    });
    expect((await t.api('GET', '/v1/review-settings')).body).toEqual(set.body);
    const trail = await t.api('GET', '/v1/audit?type=review.settings_changed');
    expect(trail.body.data).toHaveLength(1);
    await t.api('PUT', '/v1/review-settings', {});
    expect((await t.api('GET', '/v1/review-settings')).body).toEqual(DEFAULTS);
  });

  it('is of one organization and mode', async () => {
    await t.api('PUT', '/v1/review-settings', { quorum: 3 });
    const other = await t.stranger();
    const seen = await t.api('GET', '/v1/review-settings', undefined, { authorization: `Bearer ${other.key}` });
    expect(seen.body).toEqual(DEFAULTS);
  });

  it.each<[object, string]>([
    [{ quorum: 0 }, 'quorum'],
    [{ quorum: 11 }, 'quorum'],
    [{ quorum: 1.5 }, 'quorum'],
    [{ approver: { max_approvals: 0 } }, 'approver.max_approvals'],
    [{ approver: { max_amounts: { EUR: -1 } } }, 'approver.max_amounts.EUR'],
    [{ approver: { max_amounts: { XXX: 1 } } }, 'approver.max_amounts.XXX'],
    [{ approver: { window_seconds: 1 } }, 'approver.window_seconds'],
    [{ auto_release_below: 0 }, 'auto_release_below'],
    [{ auto_release_below: 50, auto_deny_from: 40 }, 'auto_release_below'],
    [{ quorums: 1 }, 'quorums'],
  ])('%j is refused, and changes nothing', async (body, path) => {
    const before = await t.rowCounts();
    const answer = await t.api('PUT', '/v1/review-settings', body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(answer.body.errors.map((error: { path: string }) => error.path)).toContain(path);
    expect(await t.rowCounts()).toEqual(before);
  });
});

describe('a key in a member’s name', () => {
  const member = async (roles: string[], status?: string) => {
    const { body } = await t.api('POST', '/v1/members', {
      email: `${crypto.randomUUID()}@example.com`,
      name: 'Ada',
      roles,
    });
    if (status) await t.api('PATCH', `/v1/members/${body.member_id}`, { status });
    return body.member_id as string;
  };
  const newKey = (member_id: string, scopes: string[], key = t.key) =>
    t.api('POST', '/v1/api-keys', { name: 'own', scopes, member_id }, { authorization: `Bearer ${key}` });

  it('is given by whoever manages members, within the member’s roles', async () => {
    const active = await member(['risk'], 'active');
    const given = await newKey(active, ['execution:write']);
    expect(given).toMatchObject({ status: 201, body: { member_id: active } });
    expect((await t.api('GET', `/v1/api-keys/${given.body.key_id}`)).body).toMatchObject({ member_id: active });
    expect(await newKey(active, ['keys:write'])).toMatchObject({ status: 422, body: { errors: [{ path: 'scopes' }] } });
    const invited = await newKey(await member(['risk']), ['execution:write']);
    expect(invited).toMatchObject({ status: 422, body: { errors: [{ path: 'member_id' }] } });
    const weaker = await t.keyWith(['keys:write', 'execution:write']);
    expect(await newKey(active, ['execution:write'], weaker)).toMatchObject({
      status: 403,
      body: { code: 'insufficient_scope', errors: [{ path: 'member_id' }] },
    });
    expect(await newKey('mbr_01h455vb4pex5vsknk084sn02q', ['execution:write'])).toMatchObject({ status: 404 });
  });

  it('ends with the member', async () => {
    const id = await member(['risk'], 'active');
    const { body } = await newKey(id, ['execution:read']);
    const asked = () => t.api('GET', '/v1/executions', undefined, { authorization: `Bearer ${body.api_key}` });
    expect((await asked()).status).toBe(200);
    await t.api('DELETE', `/v1/members/${id}`);
    await expect.poll(async () => (await asked()).status, { timeout: 5_000 }).toBe(401);
  });
});
