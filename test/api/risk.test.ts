import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RISK_TABLE } from '../../src/domain/risk/table.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

const intent = { amount: 120, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' };
const scored = async (key?: string) => {
  const { status, body } = await t.api(
    'POST',
    '/v1/execution/evaluate-risk',
    { intent },
    key ? { authorization: `Bearer ${key}` } : {},
  );
  expect(status).toBe(200);
  return body;
};

describe('the configuration of the risk model', () => {
  it('is the documented table at first', async () => {
    const { body } = await t.api('GET', '/v1/risk/config');
    expect(body).toMatchObject({ model_version: 'additive-1', version: 0, bands: { elevated: 40, high: 60 } });
    expect(body.signals.map(({ type }: { type: string }) => type)).toEqual(RISK_TABLE.map(({ type }) => type));
    expect(await scored()).toMatchObject({ model_version: 'additive-1' });
    expect(await scored()).not.toHaveProperty('measures');
  });

  it('holds from the next score on, under a version of its own, for this tenant alone', async () => {
    const before = await scored();
    const signals = { merchant_new: [{ severity: 'medium', points: 33 }] };
    const put = await t.api('PUT', '/v1/risk/config', { bands: { elevated: 20, high: 90 }, signals });
    expect(put).toMatchObject({ status: 200, body: { version: 1, model_version: 'additive-1/1' } });
    const after = await scored();
    expect(after).toMatchObject({ model_version: 'additive-1/1', score: before.score + 23 });
    const stranger = await t.stranger();
    const live = await t.keyWith(['execution:read'], { tenant: { ...t.tenant, mode: 'live' } });
    for (const key of [stranger.key, live]) expect(await scored(key)).toEqual(before);

    await t.api('PUT', '/v1/risk/config', {});
    expect(await scored()).toEqual({ ...before, model_version: 'additive-1/2' });
    const history = await t.api('GET', '/v1/risk/config/history?limit=1');
    expect(history.body).toMatchObject({ data: [{ version: 2, config: {} }], next_cursor: expect.any(String) });
    const rest = await t.api('GET', `/v1/risk/config/history?cursor=${history.body.next_cursor}`);
    expect(rest.body).toMatchObject({ data: [{ version: 1, config: { signals } }], next_cursor: null });
    expect(rest.body.data[0].created_by).toMatch(/^api_key:key_/);
    const theirs = await t.api('GET', '/v1/risk/config/history', undefined, {
      authorization: `Bearer ${stranger.key}`,
    });
    expect(theirs.body.data).toEqual([]);
    const trail = await t.api('GET', '/v1/audit?type=risk.config_changed');
    expect(trail.body.data.map((entry: { body: unknown }) => entry.body)).toMatchObject([
      { model_version: 'additive-1/2' },
      { model_version: 'additive-1/1' },
    ]);
  });

  it.each<[string, unknown, string]>([
    ['an unknown signal', { signals: { moon: [] } }, 'signals.moon'],
    [
      'points beyond the scale',
      { signals: { velocity: [{ at: 5, severity: 'low', points: 101 }] } },
      'signals.velocity.0.points',
    ],
    [
      'a severity that there is not',
      { signals: { velocity: [{ at: 5, severity: 'dire', points: 1 }] } },
      'signals.velocity.0.severity',
    ],
    [
      'a threshold on a flag',
      { signals: { merchant_new: [{ at: 5, severity: 'low', points: 1 }] } },
      'signals.merchant_new.0.at',
    ],
    ['bands the wrong way round', { bands: { elevated: 60, high: 40 } }, 'bands'],
    ['a band of nothing', { bands: { elevated: 0, high: 40 } }, 'bands.elevated'],
    ['an unknown member', { weights: {} }, ''],
  ])('is refused with %s, and nothing changes', async (_, body, path) => {
    const before = await t.rowCounts();
    const answer = await t.api('PUT', '/v1/risk/config', body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(answer.body.errors[0].path).toContain(path);
    expect(await t.rowCounts()).toEqual(before);
    const compared = await t.api('POST', '/v1/risk/config/compare', { config: body });
    expect(compared.status).toBe(400);
  });

  it('needs the scopes of policies', async () => {
    const reader = { authorization: `Bearer ${await t.keyWith(['policy:read'])}` };
    expect((await t.api('GET', '/v1/risk/config', undefined, reader)).status).toBe(200);
    expect((await t.api('PUT', '/v1/risk/config', {}, reader)).status).toBe(403);
    const other = { authorization: `Bearer ${await t.keyWith(['execution:write'])}` };
    expect((await t.api('GET', '/v1/risk/config', undefined, other)).status).toBe(403);
  });

  it('gets gapless versions when many change it at once', async () => {
    const { body: before } = await t.api('GET', '/v1/risk/config');
    const all = await Promise.all(Array.from({ length: 6 }, () => t.api('PUT', '/v1/risk/config', {})));
    const versions = all.map(({ body }) => (body.version as number) - (before.version as number)).sort((a, b) => a - b);
    expect(versions).toEqual([1, 2, 3, 4, 5, 6]);
  });
});
