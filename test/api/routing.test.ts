import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './setup.ts';

let t: TestApi;
let production: TestApi;
beforeAll(async () => {
  t = await startTestApi();
  production = await startTestApi({ PROKURA_ENV: 'production', PROKURA_SIGNING_KEY: 'x', PROKURA_DATA_KEY: 'x' });
}, 60_000);
afterAll(async () => {
  await t.close();
  await production.close();
});

let made = 0;
const account = (more: object = {}) => ({
  processor: `acquirer-${++made}`,
  mid: 'shop',
  kind: 'simulator',
  base_url: 'https://api.processor.example/v1/',
  credentials: { api_key: 'sk_very_secret', notification_secret: 'whsec_very_secret' },
  ...more,
});
const add = async (more: object = {}, api = t) => {
  const { status, body } = await api.api('POST', '/v1/processors', account(more));
  expect({ status, body }).toMatchObject({ status: 201 });
  return body;
};

describe('an account at a processor', () => {
  it('is added with its terms, shown without its credentials, and audited without them', async () => {
    const body = await add({
      priority: 7,
      currencies: ['EUR', 'JPY'],
      merchants: ['mrc_hotel'],
      countries: ['DE'],
      caps: [
        { currency: 'EUR', min: '0.50', max: 5000 },
        { currency: 'JPY', max: 800_000 },
      ],
      cost: { basis_points: 140, fixed: [{ amount: 0.25, currency: 'EUR' }] },
      capabilities: { multicapture: true, overcapture: true, overcapture_percent: 15 },
      limits: { max_concurrent: 10 },
    });
    expect(body).toMatchObject({
      mid_id: expect.stringMatching(/^mid_/),
      base_url: 'https://api.processor.example/v1',
      priority: 7,
      caps: [
        { currency: 'EUR', min: 0.5, max: 5000 },
        { currency: 'JPY', max: 800_000 },
      ],
      cost: { basis_points: 140, fixed: [{ amount: 0.25, currency: 'EUR' }] },
      limits: { max_concurrent: 10, max_per_second: null },
      enabled: true,
      health: { state: 'in', attempted: 0, approved: 0, out_since: null },
    });
    const read = await t.api('GET', `/v1/processors/${body.mid_id}`);
    expect(read.body).toEqual(body);
    const list = await t.api('GET', '/v1/processors');
    expect(list.body.data).toContainEqual(body);
    const { rows } = await t.database.pool.query(
      `SELECT m.api_key_sealed AS key, m.notify_secret_sealed AS secret, (SELECT string_agg(a::text, ' ') FROM audit_entries a) AS audit,
              (SELECT string_agg(k::text, ' ') FROM idempotency_keys k) AS kept FROM mids m WHERE m.processor = $1`,
      [body.processor],
    );
    expect(t.deps.sealer.open(rows[0].key)).toBe('sk_very_secret');
    expect(t.deps.sealer.open(rows[0].secret)).toBe('whsec_very_secret');
    expect(JSON.stringify([read, list, rows])).not.toContain('very_secret');
    expect(rows[0].audit).toContain('processor_account.added');
  });

  it('is changed member by member; null takes a limit away', async () => {
    const { mid_id, ...before } = await add({ priority: 7, currencies: ['EUR'], limits: { max_concurrent: 10 } });
    const change = (body: object) => t.api('PATCH', `/v1/processors/${mid_id}`, body);
    const first = await change({ limits: { max_per_second: 5 }, caps: [{ currency: 'EUR', max: 10 }] });
    expect(first.body).toMatchObject({
      currencies: ['EUR'],
      limits: { max_concurrent: 10, max_per_second: 5 },
      caps: [{ currency: 'EUR', max: 10 }],
    });
    const second = await change({
      currencies: null,
      limits: { max_concurrent: null },
      credentials: { api_key: 'other' },
    });
    expect(second.body).toMatchObject({
      base_url: before.base_url,
      currencies: null,
      limits: { max_concurrent: null, max_per_second: 5 },
    });
    const { rows } = await t.database.pool.query('SELECT api_key_sealed AS key FROM mids WHERE processor = $1', [
      before.processor,
    ]);
    expect(t.deps.sealer.open(rows[0].key)).toBe('other');
  });

  it('is switched off and on, with a reason, and an outage is forgotten', async () => {
    const { mid_id, processor } = await add();
    const off = await t.api('POST', `/v1/processors/${mid_id}/disable`, { reason: 'moved' });
    expect(off.body).toMatchObject({ enabled: false, disabled_reason: 'moved' });
    await t.database.pool.query(
      `UPDATE mid_health SET out_since = now(), probe_at = now() + interval '1 minute'
        WHERE mid_id = (SELECT id FROM mids WHERE processor = $1)`,
      [processor],
    );
    const out = await t.api('GET', `/v1/processors/${mid_id}`);
    expect(out.body.health).toMatchObject({ state: 'out', out_since: expect.any(String) });
    const on = await t.api('POST', `/v1/processors/${mid_id}/enable`);
    expect(on.body).toMatchObject({ enabled: true, disabled_reason: null, health: { state: 'in' } });
  });

  it('of a kind has its credentials in the form of the kind, also when they change', async () => {
    const credentials = { api_key: 'sk_test_abc123', notification_secret: 'whsec_abcdefghijklmnop' };
    const { mid_id } = await add({ kind: 'stripe', base_url: 'https://api.stripe.com', credentials });
    const change = (to: object) => t.api('PATCH', `/v1/processors/${mid_id}`, { credentials: to });
    expect(await change({ api_key: 'nonsense' })).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'credentials.api_key' }] },
    });
    expect((await change({ notification_secret: 'whsec_ponmlkjihgfedcba' })).status).toBe(200);
  });

  it('exists once, and is refused a second time', async () => {
    const body = account();
    expect((await t.api('POST', '/v1/processors', body)).status).toBe(201);
    expect(await t.api('POST', '/v1/processors', body)).toMatchObject({ status: 422, body: { code: 'unprocessable' } });
  });

  it.each<[string, object, string]>([
    ['an unknown kind', { kind: 'nonsense' }, 'kind'],
    ['an unknown member', { colour: 'red' }, 'colour'],
    ['no credentials', { credentials: undefined }, 'credentials'],
    ['no key', { credentials: {} }, 'credentials.api_key'],
    ['a key of another kind', { kind: 'stripe' }, 'credentials.api_key'],
    ['a name in capitals', { processor: 'Alpha' }, 'processor'],
    ['an unknown currency', { currencies: ['XXY'] }, 'currencies.0'],
    ['an empty list', { currencies: [] }, 'currencies'],
    ['too many decimals', { caps: [{ currency: 'JPY', max: 1.5 }] }, 'caps.0.max'],
    ['a limit of nothing', { limits: { max_concurrent: 0 } }, 'limits.max_concurrent'],
    ['costs of more than everything', { cost: { basis_points: 10_001 } }, 'cost.basis_points'],
    ['an address that is none', { base_url: 'api.example' }, 'base_url'],
    ['credentials in the address', { base_url: 'https://u:p@api.example' }, 'base_url'],
    ['a query in the address', { base_url: 'https://api.example/?a=b' }, 'base_url'],
  ])('is refused with %s', async (_, wrong, path) => {
    const before = await t.rowCounts();
    const { status, body } = await t.api('POST', '/v1/processors', account(wrong));
    expect([status, body.errors?.[0]?.path]).toEqual([400, path]);
    expect(await t.rowCounts()).toEqual(before);
  });

  it.each([
    'http://api.processor.example',
    'https://127.0.0.1',
    'https://2130706433',
    'https://10.1.2.3:8443/v1',
    'https://169.254.169.254/latest',
    'https://[::1]',
    'https://[::ffff:10.0.0.1]',
    'https://[fd00::1]',
    'https://localhost',
    'https://metadata.internal',
    'https://intranet',
  ])('may not be at %s outside development', async (base_url) => {
    const { status, body } = await production.api('POST', '/v1/processors', account({ base_url }));
    expect([status, body.errors?.[0]?.path]).toEqual([400, 'base_url']);
    // The control: a public address is taken, and may not be changed to this one either.
    const { mid_id } = await add({}, production);
    expect((await production.api('PATCH', `/v1/processors/${mid_id}`, { base_url })).status).toBe(400);
  });

  it('may be on this machine in development', async () => {
    expect(await add({ base_url: 'http://127.0.0.1:8090/' })).toMatchObject({ base_url: 'http://127.0.0.1:8090' });
  });
});

const rule = (more: object = {}) => ({ name: 'all', targets: [{ processor: 'alpha' }], ...more });
const draft = (rules: object[], more: object = {}) =>
  t.api('POST', '/v1/routing-rules', { name: 'main', rules, ...more });

describe('routing rules', () => {
  it('have versions, of which one is active; a former one comes back by being activated', async () => {
    const when = { min_amount: { amount: 10.5, currency: 'EUR' }, countries: ['DE'], actions: ['payment.*'] };
    const one = await draft([rule({ when })]);
    expect(one).toMatchObject({
      status: 201,
      body: {
        routing_rules_id: expect.stringMatching(/^rtr_/),
        version: 1,
        status: 'draft',
        rules: [{ name: 'all', when, strategy: 'priority', fallback: 'none' }],
      },
    });
    const two = await draft([rule({ fallback: 'any' })], { activate: true });
    expect(two.body).toMatchObject({ version: 2, status: 'active' });
    const back = await t.api('POST', `/v1/routing-rules/${one.body.routing_rules_id}/activate`);
    expect(back.body).toMatchObject({ version: 1, status: 'active', activated_at: expect.any(String) });
    const active = await t.api('GET', '/v1/routing-rules?status=active');
    expect(active.body.data).toMatchObject([{ version: 1 }]);
    const read = await t.api('GET', `/v1/routing-rules/${two.body.routing_rules_id}`);
    expect(read.body).toMatchObject({ version: 2, status: 'archived' });
    const trail = await t.api('GET', '/v1/audit?type=routing_rules.activated');
    expect(trail.body.data).toHaveLength(2);
  });

  it.each<[string, object[], string]>([
    ['no target', [rule({ targets: [] })], 'rules.0.targets'],
    ['an unknown strategy', [rule({ strategy: 'luck' })], 'rules.0.strategy'],
    ['an unknown condition', [rule({ when: { weather: 'rain' } })], 'rules.0.when.weather'],
    ['a weight outside of a split', [rule({ targets: [{ processor: 'a', weight: 2 }] })], 'rules.0.targets.0.weight'],
    ['exploration outside of learning', [rule({ explore_percent: 10 })], 'rules.0.explore_percent'],
    ['too little exploration', [rule({ strategy: 'cost', explore_percent: 4 })], 'rules.0.explore_percent'],
    ['the same target twice', [rule({ targets: [{ processor: 'a' }, { processor: 'a' }] })], 'rules.0.targets.1'],
    ['the same name twice', [rule(), rule()], 'rules.1.name'],
    [
      'an amount with too many decimals',
      [rule({ when: { max_amount: { amount: '1.234', currency: 'EUR' } } })],
      'rules.0.when.max_amount.amount',
    ],
  ])('are refused with %s', async (_, rules, path) => {
    const before = await t.rowCounts();
    const { status, body } = await draft(rules);
    expect([status, body.errors?.[0]?.path]).toEqual([400, path]);
    expect(await t.rowCounts()).toEqual(before);
  });

  it('need the scope for routing', async () => {
    const reader = { authorization: `Bearer ${await t.keyWith(['routing:read', 'payments:write'])}` };
    expect((await t.api('GET', '/v1/routing-rules', undefined, reader)).status).toBe(200);
    expect((await t.api('POST', '/v1/routing-rules', { name: 'x', rules: [] }, reader)).status).toBe(403);
    expect((await t.api('POST', '/v1/processors', account(), reader)).status).toBe(403);
  });

  it('are replayed over nothing at first, and what is not there is not found', async () => {
    const { body } = await draft([rule()]);
    const replayed = await t.api('POST', `/v1/routing-rules/${body.routing_rules_id}/replay`, { limit: 10 });
    expect(replayed).toMatchObject({ status: 200, body: { replayed: 0, more: false, moved: 0, moves: [] } });
    const unknown = 'rtr_01h455vb4pex5vsknk084sn02q';
    expect((await t.api('POST', `/v1/routing-rules/${unknown}/replay`, {})).status).toBe(404);
    expect((await t.api('POST', `/v1/routing-rules/${unknown}/activate`)).status).toBe(404);
    expect((await t.api('POST', '/v1/routing-rules/nonsense/activate')).status).toBe(404);
  });
});
