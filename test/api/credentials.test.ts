import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Credentials, credentialsOf, UNHEARD_MS } from '../../src/api/access/credentials.ts';
import { insertOauthClient } from '../../src/store/oauth-clients.ts';
import { Listener } from '../../src/store/listener.ts';
import { createPool } from '../../src/store/pool.ts';
import { startOther } from './other-process.ts';
import { startTestApi, type TestApi } from './setup.ts';

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

let t: TestApi;
let other: Awaited<ReturnType<typeof startOther>>;
beforeAll(async () => {
  t = await startTestApi();
  other = await startOther(t);
});
afterAll(async () => {
  await other.close();
  await t.close();
});

async function newKey(scopes = ['agents:read', 'keys:write', 'identities:write']) {
  const { status, body } = await t.api('POST', '/v1/api-keys', { name: 'k', scopes });
  expect(status).toBe(201);
  return body as { key_id: string; api_key: string };
}

async function newToken() {
  const secret = 'prs_x';
  const id = await insertOauthClient(t.deps.pool, { tenant: t.tenant, name: 'c', scopes: ['agents:read'], secret });
  const members = { grant_type: 'client_credentials', client_id: id, client_secret: secret };
  const { body } = await t.api('POST', '/oauth/token', members, { authorization: '' });
  return { token: body.access_token as string, client_id: id, client_secret: secret };
}

/** Milliseconds until the other process refuses the credential. */
async function refusedAfter(secret: string): Promise<number> {
  const began = performance.now();
  while ((await other.status(secret)) === 200) {
    if (performance.now() - began > 3_000) throw new Error('is still accepted');
    await sleep(10);
  }
  return performance.now() - began;
}

describe('a credential that another process knows', () => {
  it('costs no read while it is good, for longer than it may be believed unheard', async () => {
    const { api_key } = await newKey();
    const { token } = await newToken();
    for (const secret of [api_key, token]) {
      expect(await other.status(secret)).toBe(200);
      const before = other.lookups();
      const until = performance.now() + 1.5 * UNHEARD_MS;
      while (performance.now() < until) {
        expect(await other.status(secret)).toBe(200);
        await sleep(20);
      }
      expect(other.lookups()).toBe(before);
    }
  });

  const deaths: [string, () => Promise<{ secret: string; kill: () => Promise<unknown> }>][] = [
    [
      'API key is revoked',
      async () => {
        const { key_id, api_key } = await newKey();
        return { secret: api_key, kill: () => t.api('POST', `/v1/api-keys/${key_id}/revoke`) };
      },
    ],
    [
      'API key is rotated without overlap',
      async () => {
        const { key_id, api_key } = await newKey();
        const kill = () => t.api('POST', `/v1/api-keys/${key_id}/rotate`, { overlap_seconds: 0 });
        return { secret: api_key, kill };
      },
    ],
    [
      'API key is revoked as a key of an identity',
      async () => {
        const { key_id, api_key } = await newKey();
        return { secret: api_key, kill: () => t.api('POST', '/v1/identities/revoke', { key_id, reason: 'r' }) };
      },
    ],
    [
      'access token is revoked',
      async () => {
        const { token, ...client } = await newToken();
        return {
          secret: token,
          kill: () => t.api('POST', '/oauth/revoke', { token, ...client }, { authorization: '' }),
        };
      },
    ],
    [
      'OAuth client is withdrawn in the database',
      async () => {
        const { token, client_id } = await newToken();
        const kill = () => t.deps.pool.query('UPDATE oauth_clients SET revoked_at = now() WHERE id = $1', [client_id]);
        return { secret: token, kill };
      },
    ],
    [
      'organization is suspended in the database',
      async () => {
        const { key, tenant } = await t.stranger();
        const kill = () =>
          t.deps.pool.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [tenant.orgId]);
        return { secret: key, kill };
      },
    ],
  ];
  it.each(deaths)('is refused within a second once its %s', async (_, prepare) => {
    const { secret, kill } = await prepare();
    const bystander = await t.stranger();
    for (const known of [secret, bystander.key]) expect(await other.status(known)).toBe(200);
    const before = other.lookups();
    expect(await other.status(secret)).toBe(200);
    // The control: it was known without being asked for.
    expect(other.lookups()).toBe(before);
    await kill();
    expect(await refusedAfter(secret)).toBeLessThan(UNHEARD_MS);
    expect(await other.status(bystander.key)).toBe(200);
  });

  it('ends at its expiry, by the clock', async () => {
    const expires_at = new Date(Date.now() + 900).toISOString();
    const { body } = await t.api('POST', '/v1/api-keys', { name: 'k', scopes: ['agents:read'], expires_at });
    expect(await other.status(body.api_key)).toBe(200);
    expect(await refusedAfter(body.api_key)).toBeLessThan(3_000);
  });
});

describe('a key in a member’s name', () => {
  it('does within a second no more than the roles that the member is left with', async () => {
    const invited = { email: 'grace@example.com', name: 'Grace', roles: ['admin'] };
    const { member_id } = (await t.api('POST', '/v1/members', invited)).body;
    const change = (body: object) => t.api('PATCH', `/v1/members/${member_id}`, body);
    await change({ status: 'active' });
    const made = await t.api('POST', '/v1/api-keys', { name: 'k', scopes: ['agents:read', 'keys:read'], member_id });
    const both = async () => [
      await other.status(made.body.api_key, '/v1/agents'),
      await other.status(made.body.api_key, '/v1/api-keys'),
    ];
    expect(await both()).toEqual([200, 200]);
    await change({ roles: ['viewer'] });
    await expect.poll(both, { timeout: UNHEARD_MS }).toEqual([200, 403]);
    await change({ roles: ['admin'] });
    await expect.poll(both, { timeout: UNHEARD_MS }).toEqual([200, 200]);
  });
});

describe('the signing secret before a rotation', () => {
  it('is not remembered beyond its overlap, however well the token is known', async () => {
    const { token, client_id } = await newToken();
    await t.api('POST', `/v1/oauth-clients/${client_id}/rotate-secret`, { overlap_seconds: 60 });
    const { body } = await t.api('POST', `/v1/oauth-clients/${client_id}/rotate-secret`, { overlap_seconds: 2 });
    const former = async () => {
      const access = await credentialsOf(other.pool).ofAccessToken(t.deps.signer, t.deps.config.publicUrl, token);
      return access!.previousSigningSecretSealed !== null;
    };
    expect(await former()).toBe(true);
    const before = other.lookups();
    expect(await former()).toBe(true);
    expect(other.lookups()).toBe(before);
    await sleep(Date.parse(body.previous_secret_expires_at as string) - Date.now() + 100);
    expect(await former()).toBe(false);
  });
});

describe('a lookup that is under way when the credential dies', () => {
  it.each([true, false])('is not remembered (control: it is, when nothing was said: %s)', async (revoked) => {
    const { key_id, api_key } = await newKey();
    const pool = createPool(t.database.url, 2);
    const listener = new Listener();
    const credentials = new Credentials(pool);
    credentials.follow(listener);
    await listener.listen(t.database.url);
    const forget = vi.spyOn(credentials, 'forget');
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const query = pool.query.bind(pool) as (asked: unknown) => Promise<unknown>;
    const slow = async (asked: unknown) => {
      const answer = await query(asked);
      await held;
      return answer;
    };
    const spy = vi.spyOn(pool as { query(asked: unknown): Promise<unknown> }, 'query').mockImplementationOnce(slow);
    const first = credentials.ofApiKey(api_key);
    const heardBefore = forget.mock.calls.length;
    await sleep(50);
    if (revoked) await t.api('POST', `/v1/api-keys/${key_id}/revoke`);
    await expect.poll(() => forget.mock.calls.length > heardBefore).toBe(revoked);
    release();
    expect(await first).toMatchObject({ kind: 'api_key' });
    expect((await credentials.ofApiKey(api_key)) === undefined).toBe(revoked);
    expect(spy).toHaveBeenCalledTimes(revoked ? 2 : 1);
    await listener.close();
    await pool.end();
  });
});

describe('a listener that hears nothing', () => {
  /** A way to the database that can be cut without a word: connections stay open, and nothing passes. */
  async function startWay() {
    const { hostname, port } = new URL(t.database.url);
    const sockets: Socket[] = [];
    let cut = false;
    const server = createServer((near) => {
      const far = connect(Number(port), hostname);
      sockets.push(near, far);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on('data', (chunk) => (cut ? undefined : to.write(chunk))).on('error', () => undefined);
        from.on('close', () => to.destroy());
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = new URL(t.database.url);
    url.port = String((server.address() as AddressInfo).port);
    return {
      url: url.href,
      cut: () => (cut = true),
      mend() {
        cut = false;
        // What was swallowed is lost: the connection is of no use any more, as after a failover.
        for (const socket of sockets.splice(0)) socket.destroy();
      },
      close: () => {
        for (const socket of sockets) socket.destroy();
        server.close();
      },
    };
  }

  it('has nothing believed for more than a second, and everything forgotten when it hears again', async () => {
    const way = await startWay();
    const deaf = await startOther(t, way.url);
    const revoked = await newKey();
    const kept = await newKey();
    for (const { api_key } of [revoked, kept]) expect(await deaf.status(api_key)).toBe(200);
    way.cut();
    await t.api('POST', `/v1/api-keys/${revoked.key_id}/revoke`);
    const began = performance.now();
    await expect.poll(() => deaf.status(revoked.api_key), { interval: 20, timeout: 3_000 }).toBe(401);
    expect(performance.now() - began).toBeLessThan(UNHEARD_MS + 500);
    // Good ones go on, at the price of a lookup a second.
    await sleep(UNHEARD_MS);
    const before = deaf.lookups();
    const since = performance.now();
    for (let n = 0; n < 20; n++) expect(await deaf.status(kept.api_key)).toBe(200);
    expect(deaf.lookups() - before).toBeGreaterThan(0);
    expect(deaf.lookups() - before).toBeLessThanOrEqual(1 + (performance.now() - since) / UNHEARD_MS);
    way.mend();
    const remembersAgain = async () => {
      await deaf.status(kept.api_key);
      const asked = deaf.lookups();
      await sleep(UNHEARD_MS + 100);
      await deaf.status(kept.api_key);
      return deaf.lookups() === asked;
    };
    await expect.poll(remembersAgain, { timeout: 10_000, interval: 100 }).toBe(true);
    // It hears again: word of a revocation arrives.
    expect(await deaf.status(kept.api_key)).toBe(200);
    await t.api('POST', `/v1/api-keys/${kept.key_id}/revoke`);
    await expect.poll(() => deaf.status(kept.api_key), { interval: 20, timeout: 3_000 }).toBe(401);
    await deaf.close();
    way.close();
  }, 30_000);
});

describe('word of a change', () => {
  it('names the organization, and does not come of statements that change nothing', async () => {
    const heard: string[] = [];
    const listener = new Listener();
    listener.on('prokura_credentials', (payload) => heard.push(payload));
    await listener.listen(t.database.url);
    const { pool } = t.deps;
    await pool.query('UPDATE api_keys SET name = name WHERE false');
    await pool.query(`UPDATE api_keys SET name = 'again' WHERE org_id = $1`, [t.tenant.orgId]);
    await pool.query(`UPDATE organizations SET name = 'Test' WHERE id = $1`, [t.tenant.orgId]);
    await pool.query(`UPDATE organizations SET status = status WHERE id = $1`, [t.tenant.orgId]);
    await pool.query(`INSERT INTO revoked_tokens (jti, expires_at) VALUES (gen_random_uuid(), now())`);
    await expect.poll(() => heard).toEqual([t.tenant.orgId, '*', '*']);
    const agent = await t.api('POST', '/v1/agents', { name: 'a', model_hash: 'h' });
    await pool.query('UPDATE agents SET name = name, updated_at = now()');
    await pool.query('UPDATE agents SET status = status');
    await pool.query(`UPDATE agents SET status = 'retired' WHERE id = $1`, [agent.body.data.id]);
    await pool.query(`INSERT INTO revoked_tokens (jti, expires_at) VALUES (gen_random_uuid(), now())`);
    await expect.poll(() => heard).toEqual([t.tenant.orgId, '*', '*', t.tenant.orgId, '*']);
    await listener.close();
  });
});
