import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { superviseEndpoint } from '../../src/activities/webhooks/supervise.ts';
import { deleteWebhook, pauseWebhook, resumeWebhook } from '../../src/store/webhooks/endpoints.ts';
import { insertReplay, listReplays } from '../../src/store/webhooks/replay.ts';
import { createHookWorld, type HookWorld } from './setup.ts';

let w: HookWorld;
beforeAll(async () => {
  w = await createHookWorld();
});
afterAll(() => w.close());

const pass = (id: string, now = new Date()) =>
  superviseEndpoint({ pool: w.pool, now: () => now }, { tenant: w.tenant, endpointId: id });
const set = (id: string, what: string) => w.pool.query(`UPDATE deliveries SET ${what} WHERE endpoint_id = $1`, [id]);
const statuses = async (id: string) => (await w.deliveries(id)).map(({ status }) => status);

describe('the supervisor of an endpoint', () => {
  it('replays dead letters, what was missed, or everything, within the time that was asked for', async () => {
    const { id } = await w.endpoint(w.farm.url('/'), { events: ['payment.voided'] });
    await w.event(undefined, 'payment.voided');
    await set(id, `status = 'dead'`);
    await w.event(undefined, 'payment.voided');
    await w.pool.query(`UPDATE deliveries SET status = 'delivered' WHERE endpoint_id = $1 AND status = 'pending'`, [
      id,
    ]);
    await w.pool.query('UPDATE webhook_endpoints SET active = false WHERE id = $1', [id]);
    await w.event(undefined, 'payment.voided');
    await w.event(undefined, 'payment.captured');
    await w.pool.query('UPDATE webhook_endpoints SET active = true WHERE id = $1', [id]);
    const to = new Date(Date.now() + 1_000);
    const replayed = async (what: 'dead' | 'missed' | 'all', from?: Date) => {
      await insertReplay(w.pool, w.tenant, id, { what, from, to });
      expect((await pass(id)).more).toBe(false);
      const [last] = await listReplays(w.pool, w.tenant, id);
      expect(last!.doneAt).not.toBeNull();
      return [last!.scheduled, await statuses(id)];
    };
    expect(await replayed('all', to)).toEqual([0, ['dead', 'delivered']]);
    expect(await replayed('dead')).toEqual([1, ['pending', 'delivered']]);
    expect(await replayed('missed')).toEqual([1, ['pending', 'delivered', 'pending']]);
    expect(await replayed('all')).toEqual([1, ['pending', 'pending', 'pending']]);
  });

  it('gives up what is too old at an endpoint that fails, and nothing that waits for another reason', async () => {
    const { id } = await w.endpoint(w.farm.url('/'));
    await w.event();
    const paused = await w.endpoint(w.farm.url('/'));
    await w.event();
    await pauseWebhook(w.pool, w.tenant, paused.id);
    await pass(id);
    expect(await statuses(id)).toEqual(['pending', 'pending']);
    const fails = (each: string, since: string, last: string) =>
      w.pool.query(
        `UPDATE webhook_relay SET failures = 9, failing_since = now() - $2::interval, last_failure_at = now() - $3::interval
          WHERE endpoint_id = $1`,
        [each, since, last],
      );
    for (const each of [id, paused.id]) await set(each, `due_since = now() - interval '5 days'`);
    // Not tried since, or well until lately: a limit, or an outage of ours, is no fault of the endpoint.
    await pass(id);
    await fails(id, '5 days', '5 days');
    await pass(id);
    await fails(id, '1 day', '1 minute');
    await pass(id);
    expect(await statuses(id)).toEqual(['pending', 'pending']);
    for (const each of [id, paused.id]) {
      await fails(each, '5 days', '1 minute');
      await pass(each);
    }
    expect([await statuses(id), await statuses(paused.id)]).toEqual([['dead', 'dead'], ['pending']]);
    // Resumed after days: it gets what was collected.
    await resumeWebhook(w.pool, w.tenant, paused.id);
    await pass(paused.id);
    expect(await statuses(paused.id)).toEqual(['pending']);
  });

  it('removes what ended long ago, with its log', async () => {
    const { id } = await w.endpoint(w.farm.url('/'));
    await w.event();
    await w.event();
    await w.pool.query(
      `UPDATE deliveries SET status = 'delivered' WHERE id = (SELECT min(id) FROM deliveries WHERE endpoint_id = $1)`,
      [id],
    );
    await pass(id, new Date(Date.now() + 29 * 86_400_000));
    expect(await statuses(id)).toHaveLength(2);
    await pass(id, new Date(Date.now() + 31 * 86_400_000));
    expect(await statuses(id)).toEqual(['pending']);
  });

  it('says what is stuck and why, without the URL', async () => {
    const { id } = await w.endpoint(w.farm.url('/token-in-path'));
    expect(await pass(id)).toMatchObject({ stage: 'delivering', needsAttention: false });
    await w.event();
    await w.pool.query(
      `UPDATE webhook_relay SET failures = 7, failing_since = now() - interval '1 hour', last_error = 'ECONNREFUSED',
         open_until = now() + interval '1 minute' WHERE endpoint_id = $1`,
      [id],
    );
    const report = await pass(id);
    expect(report).toMatchObject({ stage: 'stuck', needsAttention: true });
    expect(report.details).toMatch(/waiting: 1.*ECONNREFUSED.*circuit open/s);
    expect(report.details).not.toContain('token-in-path');
  });

  it('buries what a disabled one was to get, and removes a deleted one whole', async () => {
    const { id } = await w.endpoint(w.farm.url('/'));
    await w.event();
    await w.pool.query(`UPDATE webhook_endpoints SET active = false, disabled_reason = 'gone' WHERE id = $1`, [id]);
    expect(await pass(id)).toMatchObject({ stage: 'disabled', needsAttention: true });
    expect(await statuses(id)).toEqual(['dead']);
    await deleteWebhook(w.pool, w.tenant, id);
    expect(await pass(id)).toMatchObject({ gone: true });
    expect(await w.deliveries(id)).toEqual([]);
    expect((await w.pool.query('SELECT 1 FROM webhook_endpoints WHERE id = $1', [id])).rows).toEqual([]);
    expect(await pass(id)).toMatchObject({ gone: true });
  });
});
