import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayPass } from '../../src/activities/policy/replay-backtest.ts';
import { parseId } from '../../src/domain/ids.ts';
import { escaped } from '../../src/api/policies/backtests/svg.ts';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
let policyId: string;
beforeAll(async () => {
  t = await startTestApi();
  policyId = (await t.api('POST', '/v1/policies', { name: 'cards <&>', rules: { max_amount: 5 } })).body.policy_id;
});
afterAll(() => t.close());

const begin = (body: object = {}, id = policyId) => t.api('POST', `/v1/policies/${id}/backtest`, body);
const finish = (backtestId: string) =>
  replayPass(
    { pool: t.database.pool, now: () => new Date() },
    { tenant: t.tenant, backtestId: parseId(backtestId, 'bkt')! },
  );

describe('a backtest', () => {
  it('is answered at once, handed to its workflow, and has a result and a plot when it has ended', async () => {
    const { status, body } = await begin({ from: '2026-01-01T00:00:00Z' });
    expect(status).toBe(202);
    expect(body).toMatchObject({
      backtest_id: expect.stringMatching(/^bkt_/),
      policy: { policy_id: policyId, name: 'cards <&>', version: 1 },
      active_policy: null,
      status: 'queued',
      from: '2026-01-01T00:00:00.000Z',
      sample: { share: 1, size: null, seed: 'prokura' },
      progress: { done: 0, total: null, percent: 0 },
      result: null,
      plot_url: null,
    });
    expect(t.calls.backtests.at(-1)).toMatchObject({ id: parseId(body.backtest_id, 'bkt') });
    const path = `/v1/policies/${policyId}/backtests/${body.backtest_id}`;
    expect(await t.api('GET', `${path}/plot`)).toMatchObject({ status: 404 });
    await finish(body.backtest_id);
    const done = (await t.api('GET', path)).body;
    expect(done).toMatchObject({
      status: 'completed',
      progress: { done: 0, total: 0, percent: 100 },
      result: { decisions: 0, changed: 0, against_active: null, rules: [], days: [] },
      plot_url: `http://api.test${path}/plot`,
    });
    const plot = await t.api('GET', `${path}/plot`);
    expect(plot).toMatchObject({ status: 200, headers: { 'content-type': 'image/svg+xml; charset=utf-8' } });
    expect(plot.headers['content-security-policy']).toContain("default-src 'none'");
    const svg = (plot.body as Buffer).toString('utf8');
    expect(svg).toContain('Backtest of cards &lt;&amp;&gt;, version 1');
    expect(svg).not.toMatch(/<script|style=|href=|url\(/);
    const { data } = (await t.api('GET', `/v1/audit?subject=${body.backtest_id}`)).body;
    expect(data.map((entry: { type: string }) => entry.type).sort()).toEqual([
      'policy.backtest_completed',
      'policy.backtest_requested',
    ]);
  });

  it('may be of rules that are no policy, beside the active one', async () => {
    const active = (await t.api('POST', '/v1/policies', { name: 'on', rules: {}, activate: true })).body;
    const { status, body } = await t.api('POST', '/v1/policies/backtest', { rules: { max_amount: 1 }, sample: 250 });
    expect(status).toBe(202);
    expect(body).toMatchObject({
      policy: null,
      active_policy: { policy_id: active.policy_id },
      sample: { share: 1, size: 250 },
    });
    await finish(body.backtest_id);
    const done = (await t.api('GET', `/v1/policies/backtests/${body.backtest_id}`)).body;
    expect(done.result.against_active).toMatchObject({ changed: 0, directions: [] });
    expect((await t.api('GET', `/v1/policies/${policyId}/backtests/${body.backtest_id}`)).status).toBe(404);
    expect((await begin({}, active.policy_id)).body.active_policy).toBeNull();
    expect((await begin({ against_active: false })).body.active_policy).toBeNull();
  });

  it('is listed, of one policy and of all', async () => {
    const idsOf = async (path: string) =>
      (await t.api('GET', path)).body.data.map(({ backtest_id }: { backtest_id: string }) => backtest_id);
    const mine = (await begin()).body.backtest_id as string;
    const other = (await t.api('POST', '/v1/policies/backtest', { rules: {} })).body.backtest_id as string;
    expect((await idsOf('/v1/policies/backtests')).slice(0, 2)).toEqual([other, mine]);
    expect(await idsOf(`/v1/policies/${policyId}/backtests`)).not.toContain(other);
    expect((await idsOf(`/v1/policies/${policyId}/backtests?limit=1`))[0]).toBe(mine);
    expect(await idsOf('/v1/policies/backtests?status=completed')).not.toContain(mine);
    const first = (await t.api('GET', '/v1/policies/backtests?limit=1')).body;
    expect((await idsOf(`/v1/policies/backtests?limit=1&cursor=${first.next_cursor}`))[0]).toBe(mine);
  });

  it('is cancelled once, and one that has ended stays as it is', async () => {
    const { backtest_id } = (await begin()).body;
    const cancel = () => t.api('POST', `/v1/policies/${policyId}/backtests/${backtest_id}/cancel`);
    expect((await cancel()).body).toMatchObject({ status: 'cancelled', finished_at: expect.any(String) });
    expect((await finish(backtest_id)).status).toBe('cancelled');
    expect((await cancel()).body.status).toBe('cancelled');
    const { data } = (await t.api('GET', `/v1/audit?subject=${backtest_id}`)).body;
    expect(data).toHaveLength(2);
    const done = (await begin()).body.backtest_id as string;
    await finish(done);
    const late = await t.api('POST', `/v1/policies/backtests/${done}/cancel`);
    expect(late).toMatchObject({ status: 200, body: { status: 'completed' } });
  });

  it.each<[object, string]>([
    [{ from: '2026-02-01T00:00:00Z', to: '2026-01-01T00:00:00Z' }, 'from'],
    [{ from: '2199-01-01T00:00:00Z' }, 'from'],
    [{ from: 'yesterday' }, 'from'],
    [{ sample: 0 }, 'sample'],
    [{ sample: -1 }, 'sample'],
    [{ sample: 1.5 }, 'sample'],
    [{ bad: ['evil'] }, 'bad.0'],
    [{ bad: [] }, 'bad'],
    [{ seed: '' }, 'seed'],
    [{ rules: {} }, 'rules'],
  ])('%o is refused at %s, and nothing is written', async (body, path) => {
    const before = await t.rowCounts();
    const answer = await begin(body);
    expect([answer.status, answer.body.errors?.[0]?.path]).toEqual([400, path]);
    expect(await t.rowCounts()).toEqual(before);
  });

  it('of rules that could not be drafted is refused as a draft is', async () => {
    const cel = [{ name: 'typo', when: 'intent.amout > 5', effect: 'deny', message: 'No' }];
    const { status, body } = await t.api('POST', '/v1/policies/backtest', { rules: { cel } });
    expect([status, body.errors[0].path]).toEqual([400, 'rules.cel.0.when']);
  });

  it('is refused while ten of the organization are under way, however many ask at once', async () => {
    const { key, tenant } = await t.stranger();
    const headers = { authorization: `Bearer ${key}` };
    const ask = () => t.api('POST', '/v1/policies/backtest', { rules: {} }, headers);
    const answers = await Promise.all(Array.from({ length: 15 }, ask));
    const statuses = answers.map(({ status }) => status).sort((a, b) => a - b);
    expect(statuses).toEqual([...Array<number>(10).fill(202), ...Array<number>(5).fill(422)]);
    const one = answers.find(({ status }) => status === 202)!.body.backtest_id as string;
    await t.api('POST', `/v1/policies/backtests/${one}/cancel`, undefined, headers);
    expect((await ask()).status).toBe(202);
    expect(tenant.orgId).not.toBe(t.tenant.orgId);
  });

  it('belongs to its organization and mode', async () => {
    const { backtest_id } = (await begin()).body;
    const { key } = await t.stranger();
    const headers = { authorization: `Bearer ${key}` };
    for (const [method, path] of [
      ['POST', `/v1/policies/${policyId}/backtest`],
      ['GET', `/v1/policies/${policyId}/backtests`],
      ['GET', `/v1/policies/${policyId}/backtests/${backtest_id}`],
      ['GET', `/v1/policies/backtests/${backtest_id}`],
      ['GET', `/v1/policies/backtests/${backtest_id}/plot`],
      ['POST', `/v1/policies/backtests/${backtest_id}/cancel`],
    ] as const) {
      const body = method === 'POST' && path.endsWith('backtest') ? {} : undefined;
      expect([path, (await t.api(method, path, body, headers)).status]).toEqual([path, 404]);
    }
    expect((await t.api('GET', '/v1/policies/backtests', undefined, headers)).body.data).toEqual([]);
    const reader = { authorization: `Bearer ${await t.keyWith(['policy:read'])}` };
    expect((await t.api('GET', `/v1/policies/backtests/${backtest_id}`, undefined, reader)).status).toBe(200);
    expect((await t.api('POST', '/v1/policies/backtest', { rules: {} }, reader)).status).toBe(403);
  });
});

describe('the drawing', () => {
  it('takes no text for markup, and none that XML has no form for', () => {
    expect(escaped('<a b="c">&\u0000\u{1F600}')).toBe('&lt;a b=&quot;c&quot;&gt;&amp;\uFFFD\u{1F600}');
  });
});
