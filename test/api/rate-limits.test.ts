import request from 'supertest';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { credentialsOf } from '../../src/api/access/credentials.ts';
import { createApp } from '../../src/api/app.ts';
import { clientNetwork } from '../../src/api/pipeline/client-address.ts';
import { EXCHANGE_MS } from '../../src/api/pipeline/shared-limit.ts';
import { ConfigError, loadConfig } from '../../src/config.ts';
import { findLiveApiKey } from '../../src/store/api-keys.ts';
import { createPool } from '../../src/store/pool.ts';
import { sha256 } from '../../src/trust/canonical.ts';
import { startTestApi, type TestApi } from './setup.ts';

/** A day: no test crosses its end. */
const WINDOW = { RATE_LIMIT_WINDOW_SECONDS: '86400' };
const QUOTA = 20;

let t: TestApi;
beforeAll(async () => {
  t = await startTestApi();
});
afterAll(() => t.close());

/** Another process with these settings on the same database: own pool, own memory. */
function startProcess(settings: Record<string, string>) {
  const pool = createPool(t.database.url, 3);
  const config = loadConfig({ DATABASE_URL: t.database.url, PUBLIC_URL: 'http://api.test', ...WINDOW, ...settings });
  const app = createApp({ ...t.deps, config, pool });
  return {
    pool,
    get: (key: string, headers: Record<string, string> = {}, path = '/v1/agents') =>
      request(app)
        .get(path)
        .set({ ...(key && { authorization: `Bearer ${key}` }), ...headers }),
    close: () => pool.end(),
  };
}

/** What all processes have used of the limit of an API key. */
async function usedOf(id: string): Promise<number | undefined> {
  const { rows } = await t.deps.pool.query<{ used: number }>('SELECT used FROM rate_counts WHERE name = $1', [
    `credential:${id}`,
  ]);
  return rows[0]?.used;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('a credential', () => {
  it('is refused beyond its limit, and is told how it stands at every request', async () => {
    const one = startProcess({ RATE_LIMIT_PER_CREDENTIAL: '3' });
    const key = await t.keyWith(['admin']);
    for (const left of [2, 1, 0]) {
      const { status, headers } = await one.get(key);
      expect(status).toBe(200);
      expect(headers['ratelimit-policy']).toBe('"address";q=120000;w=86400, "credential";q=3;w=86400');
      expect(headers['ratelimit']).toMatch(new RegExp(`, "credential";r=${left};t=\\d+$`));
    }
    const refused = await one.get(key);
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited', status: 429 } });
    const seconds = /"credential";r=0;t=(\d+)/.exec(refused.headers['ratelimit'] as string)![1];
    expect(refused.headers['retry-after']).toBe(seconds);
    // Another one is not hindered, and probes are not counted.
    expect((await one.get(await t.keyWith(['admin']))).status).toBe(200);
    expect((await one.get(key, {}, '/health')).headers).not.toHaveProperty('ratelimit');
    await one.close();
  });

  it('is refused over all processes once they have heard of each other', async () => {
    const settings = { RATE_LIMIT_PER_CREDENTIAL: String(QUOTA) };
    const one = startProcess(settings);
    const other = startProcess(settings);
    const key = await t.keyWith(['admin']);
    const { id } = (await findLiveApiKey(t.deps.pool, key))!;
    const shared = async (count: number) => {
      await expect.poll(() => usedOf(id), { timeout: 5_000 }).toBe(count);
      // The statement has been committed; its answer is on the way.
      await sleep(100);
    };
    for (let n = 0; n < QUOTA - 2; n++) expect((await one.get(key)).status).toBe(200);
    await shared(QUOTA - 2);
    // The other one hears of the rest with its first exchange.
    expect((await other.get(key)).status).toBe(200);
    await shared(QUOTA - 1);
    const statuses = [];
    for (let n = 0; n < 3; n++) statuses.push((await other.get(key)).status);
    expect(statuses).toEqual([200, 429, 429]);
    await shared(QUOTA);
    // The bound: what a process takes before it has heard is on top.
    expect((await one.get(key)).status).toBe(200);
    await shared(QUOTA + 1);
    expect((await one.get(key)).status).toBe(429);
    await Promise.all([one.close(), other.close()]);
  });

  it('costs no round trip of its requests: what is used is exchanged every 250 ms', async () => {
    const one = startProcess({});
    const key = await t.keyWith(['admin']);
    const { id } = (await findLiveApiKey(t.deps.pool, key))!;
    const query = vi.spyOn(one.pool, 'query');
    const exchanges = () =>
      query.mock.calls.filter(([asked]) => (asked as unknown as { name?: string }).name === 'exchange-rates').length;
    const began = performance.now();
    for (let n = 0; n < 10; n++) await one.get(key, {}, '/v1/api-keys/01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10');
    await expect.poll(() => usedOf(id), { timeout: 5_000 }).toBe(10);
    expect(exchanges()).toBeGreaterThan(0);
    expect(exchanges()).toBeLessThanOrEqual((performance.now() - began) / EXCHANGE_MS);
    await one.close();
  });

  it('is let through while PostgreSQL is away, as far as this process counts', async () => {
    const one = startProcess({ RATE_LIMIT_PER_CREDENTIAL: '4' });
    const key = await t.keyWith(['admin']);
    const { id } = (await findLiveApiKey(t.deps.pool, key))!;
    expect((await one.get(key)).status).toBe(200);
    const query = one.pool.query.bind(one.pool) as (...asked: unknown[]) => Promise<unknown>;
    let failed = 0;
    const away = async (...asked: unknown[]) => {
      if ((asked[0] as { name?: string }).name !== 'exchange-rates') return query(...asked);
      failed++;
      throw new Error('away');
    };
    const spy = vi
      .spyOn(one.pool as { query(...asked: unknown[]): Promise<unknown> }, 'query')
      .mockImplementation(away);
    expect((await one.get(key)).status).toBe(200);
    await expect.poll(() => failed, { timeout: 5_000 }).toBeGreaterThan(1);
    spy.mockRestore();
    // Nothing of it is lost.
    await expect.poll(() => usedOf(id), { timeout: 5_000 }).toBe(2);
    const statuses = [];
    for (let n = 0; n < 3; n++) statuses.push((await one.get(key)).status);
    expect(statuses).toEqual([200, 200, 429]);
    await one.close();
  });
});

describe('an address', () => {
  it('is refused beyond its limit, whatever it claims to be', async () => {
    const one = startProcess({ RATE_LIMIT_PER_IP: '2' });
    const statuses = [];
    for (let n = 0; n < 3; n++) statuses.push((await one.get(t.key, { 'x-forwarded-for': `192.0.2.${n}` })).status);
    expect(statuses).toEqual([200, 200, 429]);
    await one.close();
  });

  it('is the one that a trusted proxy names', async () => {
    const one = startProcess({ RATE_LIMIT_PER_IP: '1', TRUST_PROXY: 'loopback' });
    for (let n = 0; n < 3; n++) {
      const from = { 'x-forwarded-for': `203.0.113.9, 198.51.100.${n}` };
      expect((await one.get(t.key, from)).status).toBe(200);
      expect((await one.get(t.key, from)).status).toBe(429);
    }
    await one.close();
  });

  it('that guesses credentials is stopped; credentials known to be good are not', async () => {
    const one = startProcess({ RATE_LIMIT_FAILURES_PER_IP: '5' });
    const known = await t.keyWith(['admin']);
    const unknown = await t.keyWith(['admin']);
    expect((await one.get(known)).status).toBe(200);
    const query = vi.spyOn(one.pool, 'query');
    const guess = (n: number) => one.get(`prk_test_${String(n).padStart(43, 'x')}`);
    for (let n = 0; n < 5; n++) expect((await guess(n)).status).toBe(401);
    const lookups = () =>
      query.mock.calls.filter(([asked]) => (asked as unknown as { name?: string }).name === 'find-live-api-key').length;
    expect(lookups()).toBe(5);
    for (let n = 5; n < 8; n++) {
      const refused = await guess(n);
      expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
      expect(refused.headers['retry-after']).toMatch(/^\d+$/);
    }
    // They cost no read any more; and a good one that nobody knows yet must wait as well.
    expect(lookups()).toBe(5);
    expect((await one.get(unknown)).status).toBe(429);
    expect((await one.get('')).status).toBe(429);
    expect((await one.get(known)).status).toBe(200);
    // Nor once word came that some credential has changed, and all are to be looked up anew.
    credentialsOf(one.pool).forget();
    expect((await one.get(known)).status).toBe(200);
    // One that is good no longer is a guess like any other.
    await t.deps.pool.query('UPDATE api_keys SET revoked_at = now() WHERE secret_sha256 = $1', [sha256(known)]);
    credentialsOf(one.pool).forget();
    expect([(await one.get(known)).status, (await one.get(known)).status]).toEqual([401, 429]);
    expect((await one.get('', {}, '/.well-known/jwks.json')).status).toBe(200);
    await one.close();
  });
});

describe('the settings', () => {
  it('of 0 switch everything off', async () => {
    const off = { RATE_LIMIT_PER_CREDENTIAL: '0', RATE_LIMIT_PER_IP: '0', RATE_LIMIT_FAILURES_PER_IP: '0' };
    const one = startProcess(off);
    for (let n = 0; n < 130; n++) expect((await one.get('prk_test_x')).status).toBe(401);
    const { status, headers } = await one.get(t.key);
    expect(status).toBe(200);
    expect(headers).not.toHaveProperty('ratelimit');
    await one.close();
  });

  it.each(['1', '2', 'loopback', '10.0.0.0/8', '10.0.0.1, fd00::/8, uniquelocal'])(
    'take %s for TRUST_PROXY',
    (value) => {
      expect(loadConfig({ DATABASE_URL: 'postgres://u@h/d', TRUST_PROXY: value }).TRUST_PROXY).toBeDefined();
    },
  );

  it.each(['true', '0', '-1', '10.0.0.0/33', '10.0.0.0/', 'proxy.example', '*'])('refuse %s for it', (value) => {
    expect(() => loadConfig({ DATABASE_URL: 'postgres://u@h/d', TRUST_PROXY: value })).toThrow(ConfigError);
  });
});

describe('the network that is counted', () => {
  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0001::1', '2001:db8:1:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::/64'],
    [undefined, ''],
  ])('of %s is %s', (address, network) => expect(clientNetwork(address)).toBe(network));
});
