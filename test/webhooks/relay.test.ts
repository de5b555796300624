import { setTimeout as sleep } from 'node:timers/promises';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pauseWebhook, resumeWebhook } from '../../src/store/webhooks/endpoints.ts';
import { recallRead, wakeRelay } from '../../src/store/webhooks/replay.ts';
import { verifyWebhook } from '../../src/verify/index.ts';
import { eventually } from '../journeys/journey.ts';
import { createHookWorld, type HookWorld } from './setup.ts';

let w: HookWorld;
beforeAll(async () => {
  w = await createHookWorld();
  await w.relay();
});
afterAll(() => w.close());

const statuses = async (id: string) => (await w.deliveries(id)).map(({ status }) => status);

describe('a delivery', () => {
  it('arrives at once, and verifies with the official library, the published key and our own verifier', async () => {
    const { secret } = await w.endpoint(w.farm.url('/ok'), { jws: true, headers: { 'x-tenant': 'berlin' } });
    const began = Date.now();
    const id = await w.event();
    const [got] = await eventually(
      async () => w.farm.received('/ok'),
      (all) => all.length > 0,
    );
    expect(got!.at - began).toBeLessThan(900);
    expect(got!.headers['webhook-id']).toBe(id);
    expect(got!.headers['x-tenant']).toBe('berlin');
    expect(new Webhook(secret).verify(got!.body, got!.headers)).toMatchObject({ id, type: 'payment.captured' });
    const input = { headers: got!.headers, body: got!.body };
    const both = await verifyWebhook({ ...input, secret });
    expect(both.detail).toBe('signed (standard-webhooks, x-signature)');
    const published = { keys: [w.signer.publicJwk] };
    expect((await verifyWebhook({ ...input, public_key: published })).detail).toBe(
      'signed (standard-webhooks, x-fidacy-signature)',
    );
    // The control: another body, another key.
    expect(() => new Webhook(secret).verify(got!.body.replace('captured', 'refunded'), got!.headers)).toThrow();
    const forged = { ...input, body: got!.body.replace('captured', 'refunded') };
    expect((await verifyWebhook({ ...forged, public_key: published })).valid).toBe(false);
  });

  it('carries two signatures while a rotation overlaps', async () => {
    const { rotateWebhookSecret } = await import('../../src/store/webhooks/endpoints.ts');
    const { id, secret } = await w.endpoint(w.farm.url('/rotated'));
    const rotated = (await rotateWebhookSecret(w.pool, w.sealer, w.tenant, id, 60))!;
    await w.event();
    const [got] = await eventually(
      async () => w.farm.received('/rotated'),
      (all) => all.length > 0,
    );
    for (const each of [secret, rotated.secret]) new Webhook(each).verify(got!.body, got!.headers);
    await rotateWebhookSecret(w.pool, w.sealer, w.tenant, id, 0);
    await w.event();
    const [, last] = await eventually(
      async () => w.farm.received('/rotated'),
      (all) => all.length > 1,
    );
    expect(() => new Webhook(rotated.secret).verify(last!.body, last!.headers)).toThrow();
  });

  it('can be a CloudEvent', async () => {
    await w.endpoint(w.farm.url('/cloud'), { format: 'cloudevents' });
    const id = await w.event();
    const [got] = await eventually(
      async () => w.farm.received('/cloud'),
      (all) => all.length > 0,
    );
    expect(got!.headers['content-type']).toContain('application/cloudevents+json');
    expect(JSON.parse(got!.body)).toMatchObject({
      specversion: '1.0',
      id,
      source: expect.stringMatching(/^http:\/\/api\.test\/org_/),
      type: 'payment.captured',
    });
  });

  it('is only of events that the endpoint asked for, and of its own tenant', async () => {
    const { id } = await w.endpoint(w.farm.url('/filtered'), { events: ['payment.voided'] });
    await w.event();
    const wanted = await w.event(undefined, 'payment.voided');
    await w.event(undefined, 'payment.voided', { ...w.tenant, mode: 'live' });
    await eventually(
      () => statuses(id),
      (all) => all.join() === 'delivered',
    );
    expect(w.farm.received('/filtered').map(({ headers }) => headers['webhook-id'])).toEqual([wanted]);
  });
});

describe('an endpoint that misbehaves', () => {
  it.each([
    ['answers 500, then 200', '/flaky', 'answered 500'],
    ['redirects to a private address', '/redirect', 'answered 302'],
    ['closes the socket', '/cut', 'socket hang up'],
  ] as const)('and %s is tried again with the same id', async (_, path, error) => {
    const bad = {
      '/flaky': 500,
      '/redirect': { status: 302, headers: { location: w.farm.url('/inside') } },
      '/cut': 'cut',
    } as const;
    w.farm.script(path, bad[path], 200);
    const { id } = await w.endpoint(w.farm.url(path));
    await w.event();
    const [failed] = await eventually(
      () => w.deliveries(id),
      ([one]) => one?.attempts === 1,
    );
    expect([failed!.status, failed!.last_error ?? 'answered ' + (path === '/flaky' ? 500 : 302)]).toEqual([
      'pending',
      error,
    ]);
    await w.hurry(id);
    await eventually(
      () => statuses(id),
      (all) => all.join() === 'delivered',
    );
    const ids = w.farm.received(path).map(({ headers }) => headers['webhook-id']);
    expect([ids.length, new Set(ids).size]).toEqual([2, 1]);
    expect(w.farm.received('/inside')).toEqual([]);
  });

  it.each(['drip', 'huge'] as const)(
    'and answers without end (%s) has answered; a little of it is kept',
    async (how) => {
      w.farm.script(`/${how}`, how);
      const { id } = await w.endpoint(w.farm.url(`/${how}`));
      await w.event();
      await eventually(
        () => statuses(id),
        (all) => all.join() === 'delivered',
      );
      const { rows } = await w.pool.query<{ answer: string }>(
        'SELECT answer FROM delivery_attempts a JOIN deliveries d ON d.id = a.delivery_id WHERE d.endpoint_id = $1',
        [id],
      );
      expect(rows[0]!.answer.length).toBeLessThanOrEqual(1_024);
      expect(rows[0]!.answer).toMatch(/^[.x]+$/);
    },
  );

  it('and speaks no TLS is a failed attempt', async () => {
    const { id } = await w.endpoint(w.farm.url('/tls').replace('http:', 'https:'));
    await w.event();
    const [failed] = await eventually(
      () => w.deliveries(id),
      ([one]) => one?.attempts === 1,
    );
    expect(failed!.last_error).toMatch(/SSL|EPROTO|wrong version/i);
  });

  it('and says 410 is sent nothing more', async () => {
    w.farm.script('/gone', 410);
    const { id } = await w.endpoint(w.farm.url('/gone'));
    await w.event();
    await eventually(
      () => statuses(id),
      (all) => all.join() === 'dead',
    );
    await w.event();
    expect(await statuses(id)).toEqual(['dead']);
    const { rows } = await w.pool.query('SELECT active, disabled_reason FROM webhook_endpoints WHERE id = $1', [id]);
    expect(rows).toEqual([{ active: false, disabled_reason: 'the endpoint answered 410 Gone' }]);
  });

  it('and asks for a pause gets it', async () => {
    w.farm.script('/busy', { status: 429, headers: { 'retry-after': '120' } });
    const { id } = await w.endpoint(w.farm.url('/busy'));
    await w.event();
    await eventually(
      () => w.deliveries(id),
      ([one]) => one?.attempts === 1,
    );
    await w.event();
    const due = await eventually(
      async () =>
        (
          await w.pool.query<{ wait: number; open: boolean }>(
            `SELECT extract(epoch FROM d.next_at - now())::float8 AS wait, r.open_until > now() + interval '100 s' AS open
               FROM deliveries d JOIN webhook_relay r USING (endpoint_id) WHERE endpoint_id = $1 ORDER BY d.id`,
            [id],
          )
        ).rows,
      ([one]) => one?.open === true,
    );
    expect(due[0]!.wait).toBeGreaterThan(100);
    expect(w.farm.received('/busy')).toHaveLength(1);
  });

  it('and is dead opens its circuit, and hurts nobody else', async () => {
    w.farm.script('/dead', 500);
    const dead = await w.endpoint(w.farm.url('/dead'));
    const well = await w.endpoint(w.farm.url('/well'));
    for (let i = 0; i < 30; i++) await w.event();
    await eventually(
      () => statuses(well.id),
      (all) => all.length === 30 && all.every((status) => status === 'delivered'),
    );
    const opened = await eventually(
      async () =>
        (
          await w.pool.query('SELECT failures, open_until > now() AS open FROM webhook_relay WHERE endpoint_id = $1', [
            dead.id,
          ])
        ).rows[0] as { failures: number; open: boolean },
      ({ open }) => open,
    );
    expect(opened.failures).toBeGreaterThanOrEqual(5);
    // Those that were under way when it opened, and no more.
    expect(w.farm.received('/dead').length).toBeLessThanOrEqual(20);
    w.farm.script('/dead', 200);
    await w.hurry(dead.id);
    await eventually(
      () => statuses(dead.id),
      (all) => all.every((status) => status === 'delivered'),
    );
  });
});

describe('an ordered endpoint', () => {
  it('gets the events of a subject in their order, a failed one before those after it', async () => {
    const { id } = await w.endpoint(w.farm.url('/ordered'), { ordered: true });
    w.farm.script('/ordered', 500, 200);
    const subject = 'pay_01h455vb4pex5vsknk084sn02q';
    const first = await w.event(subject);
    await eventually(
      () => w.deliveries(id),
      ([one]) => one?.attempts === 1,
    );
    const rest = [await w.event(subject), await w.event(subject), await w.event(subject)];
    const other = await w.event();
    await eventually(
      () => statuses(id),
      (all) => all.at(-1) === 'delivered',
    );
    expect(await statuses(id)).toEqual(['pending', 'pending', 'pending', 'pending', 'delivered']);
    await w.hurry(id);
    await eventually(
      () => statuses(id),
      (all) => all.every((status) => status === 'delivered'),
    );
    const order = w.farm.received('/ordered').map(({ headers }) => headers['webhook-id']);
    expect(order).toEqual([first, other, first, ...rest]);
  });
});

describe('a rate limit', () => {
  it('holds', async () => {
    const { id } = await w.endpoint(w.farm.url('/limited'), { rateLimit: 5 });
    for (let i = 0; i < 12; i++) await w.event();
    await eventually(
      () => statuses(id),
      (all) => all.length === 12 && all.every((status) => status === 'delivered'),
    );
    const { rows } = await w.pool.query<{ seconds: number }>(
      `SELECT extract(epoch FROM max(a.at) - min(a.at))::float8 AS seconds FROM delivery_attempts a
         JOIN deliveries d ON d.id = a.delivery_id WHERE d.endpoint_id = $1`,
      [id],
    );
    // Five at once, then one each 200 ms: 1.4 s, less what the first five took to be signed.
    expect(rows[0]!.seconds).toBeGreaterThan(1);
  });
});

describe('a paused endpoint', () => {
  it('collects, and is sent nothing until it is resumed', async () => {
    const { id } = await w.endpoint(w.farm.url('/paused'));
    await pauseWebhook(w.pool, w.tenant, id);
    await w.event();
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    expect([await statuses(id), w.farm.received('/paused')]).toEqual([['pending'], []]);
    await resumeWebhook(w.pool, w.tenant, id);
    await eventually(
      () => statuses(id),
      (all) => all.join() === 'delivered',
    );
  });

  it.each([
    ['once it is told', true],
    ['within seconds when the word of it is lost', false],
  ])('is sent nothing more of what was read before, %s', { timeout: 40_000 }, async (_, told) => {
    const { id } = await w.endpoint(w.farm.url('/recalled'), { rateLimit: 2 });
    const before = w.farm.received('/recalled').length;
    const count = () => w.farm.received('/recalled').length - before;
    await Promise.all(Array.from({ length: 40 }, () => w.event()));
    await eventually(
      async () => count(),
      (n) => n >= 3,
    );
    await pauseWebhook(w.pool, w.tenant, id);
    if (told) await recallRead(w.pool, id);
    // What was read would be sent for another twenty seconds.
    const sent = await eventually(
      async () => {
        const before = count();
        await sleep(1_700);
        return [before, count()] as const;
      },
      ([before, after]) => before === after,
    );
    expect(sent[1]).toBeLessThan(30);
    // Control: it goes on when it is resumed.
    await resumeWebhook(w.pool, w.tenant, id);
    await wakeRelay(w.pool, id);
    await eventually(
      async () => count(),
      (n) => n > sent[1],
    );
    await pauseWebhook(w.pool, w.tenant, id);
  });

  it('gets at once what waited for its next attempt, when it is resumed', async () => {
    w.farm.script('/mended', 500, 200);
    const { id } = await w.endpoint(w.farm.url('/mended'));
    await w.event();
    await eventually(
      () => w.deliveries(id),
      ([one]) => one?.attempts === 1,
    );
    await w.pool.query(`UPDATE deliveries SET next_at = now() + interval '5 hours' WHERE endpoint_id = $1`, [id]);
    await resumeWebhook(w.pool, w.tenant, id);
    await wakeRelay(w.pool, id);
    const [done] = await eventually(
      () => w.deliveries(id),
      ([one]) => one?.status === 'delivered',
    );
    expect(done!.attempts).toBe(2);
  });
});

describe('several relays', () => {
  it('deliver each event once while all live', async () => {
    const relays = [await w.relay(), await w.relay()];
    const { id } = await w.endpoint(w.farm.url('/shared'));
    await Promise.all(Array.from({ length: 60 }, () => w.event()));
    await eventually(
      () => statuses(id),
      (all) => all.length === 60 && all.every((status) => status === 'delivered'),
    );
    const ids = w.farm.received('/shared').map(({ headers }) => headers['webhook-id']);
    expect([ids.length, new Set(ids).size]).toEqual([60, 60]);
    await Promise.all(relays.map((relay) => relay.stop()));
  });

  it('hear nothing, and find what is due all the same', async () => {
    const deaf = await createHookWorld();
    await deaf.relay({ listener: undefined });
    const { id } = await deaf.endpoint(deaf.farm.url('/polled'));
    await deaf.event();
    await eventually(
      () => deaf.deliveries(id),
      ([one]) => one?.status === 'delivered',
      4_000,
    );
    expect(deaf.farm.received('/polled')).toHaveLength(1);
    await deaf.close();
  });
});
