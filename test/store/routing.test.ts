import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { reserveNextAttempt } from '../../src/store/payments/reserve.ts';
import { newId } from '../../src/trust/new-id.ts';
import type { ProcessorOutcome } from '../../src/processors/port.ts';
import { approve, complete, createWorld, paymentOf, reserve, type World } from './world.ts';

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterEach(async () => {
  await w.pool.query(
    `UPDATE mid_health SET failures = 0, failed_at = NULL, out_since = NULL, probe_at = NULL, cooldown_seconds = 30,
            slots = array_fill(0::bigint, ARRAY[12])`,
  );
  await w.pool.query(`UPDATE mids SET enabled = true, max_concurrent = NULL, max_per_second = NULL`);
  // Nothing is in flight, and nothing was sent lately.
  await w.pool.query(`UPDATE operations SET sent_at = sent_at - interval '1 hour'`);
});
afterAll(() => w.database.drop());

const AWAY: ProcessorOutcome = { status: 'failed', class: 'not_sent', code: 'ECONNREFUSED', message: 'Refused.' };
const DECLINED: ProcessorOutcome = { status: 'failed', class: 'soft_decline', code: 'no', message: 'No.' };
const APPROVED: ProcessorOutcome = { status: 'succeeded', processorReference: 'pr_1', amountMinor: 100_00 };
const health = async (i: number) => {
  const { rows } = await w.pool.query<{
    health: { attempted: number; approved: number };
    failures: number;
    probe_at: Date | null;
    cooldown_seconds: number;
  }>(`SELECT health_of(h, now()) AS health, failures, probe_at, cooldown_seconds FROM mid_health h WHERE mid_id = $1`, [
    w.mids[i]!.id,
  ]);
  return rows[0]!;
};
/** An attempt of a payment of its own. */
async function attempt(outcome?: ProcessorOutcome, at = new Date()) {
  const operationId = newId();
  const id = await approve(w);
  const reserved = await reserve(w, id, { operationId, at });
  if (outcome) await complete(w, operationId, outcome);
  return { id, operationId, payment: reserved?.payment };
}
const next = (paymentId: string) =>
  reserveNextAttempt(w.pool, { tenant: w.tenant, paymentId, operationId: newId(), attempt: 2, at: new Date() });

describe('the choice of an account', () => {
  it('control: is the first of the plan, with the reason of the plan', async () => {
    const { payment } = await attempt();
    expect(payment).toMatchObject({ processor: 'alpha', candidates: [{ processor: 'alpha', reason: 'priority' }, {}] });
    expect(payment!.candidates[0]).not.toHaveProperty('skipped');
  });

  it('passes over what was switched off after the plan was made, also between two attempts', async () => {
    const first = await attempt(DECLINED);
    await w.pool.query('UPDATE mids SET enabled = false WHERE id = $1', [w.mids[1]!.id]);
    expect(await next(first.id)).toBeUndefined();
    await w.pool.query('UPDATE mids SET enabled = true WHERE id = $1', [w.mids[1]!.id]);
    expect(await next(first.id)).toMatchObject({ payment: { processor: 'beta' } });
  });

  it('keeps why others were passed over with the attempt', async () => {
    await w.pool.query('UPDATE mids SET enabled = false WHERE id = $1', [w.mids[0]!.id]);
    const { id, operationId } = await attempt();
    await complete(w, operationId, APPROVED);
    expect((await paymentOf(w, id)).attempts).toMatchObject([
      {
        processor: 'beta',
        reason: 'priority',
        message: 'by priority',
        skipped: [{ processor: 'alpha', mid: 'alpha-1', reason: 'disabled' }],
      },
    ]);
  });

  it.each([
    ['max_concurrent', 'at_capacity'],
    ['max_per_second', 'rate_limited'],
  ])('keeps to %s, however many come at the same time', async (limit, reason) => {
    await w.pool.query(`UPDATE mids SET ${limit} = 3 WHERE id = $1`, [w.mids[0]!.id]);
    const at = new Date();
    const made = await Promise.all(Array.from({ length: 8 }, () => attempt(undefined, at)));
    const processors = made.map(({ payment }) => payment!.processor);
    expect(processors.filter((processor) => processor === 'alpha')).toHaveLength(3);
    expect(processors.filter((processor) => processor === 'beta')).toHaveLength(5);
    const passed = made.find(({ payment }) => payment!.processor === 'beta')!;
    expect(passed.payment!.candidates[0]!.skipped).toEqual([{ processor: 'alpha', mid: 'alpha-1', reason }]);
  });

  it('is none while every account is at its limit, and the approval stands', async () => {
    await w.pool.query('UPDATE mids SET max_concurrent = 1');
    await attempt();
    await attempt();
    const id = await approve(w);
    expect(await reserve(w, id)).toBeUndefined();
    await w.pool.query('UPDATE mids SET max_concurrent = NULL');
    expect(await reserve(w, id)).toBeDefined();
  });
});

describe('the circuit of an account', () => {
  const fail = async (times: number, at?: Date) => {
    for (let i = 0; i < times; i++) await attempt(AWAY, at);
  };

  it('opens after five attempts without an answer, and payments go elsewhere', async () => {
    await fail(4);
    expect((await health(0)).probe_at).toBeNull();
    expect((await attempt()).payment).toMatchObject({ processor: 'alpha' });
    await fail(1);
    expect((await health(0)).probe_at!.getTime()).toBeGreaterThan(Date.now() + 20_000);
    const { payment } = await attempt();
    expect(payment!.processor).toBe('beta');
    expect(payment!.candidates[0]!.skipped).toMatchObject([{ processor: 'alpha', reason: 'outage' }]);
  });

  it('stays closed when an answer comes in between, declined ones too', async () => {
    for (let i = 0; i < 4; i++) {
      await fail(2);
      await attempt(DECLINED);
    }
    expect(await health(0)).toMatchObject({ failures: 0, probe_at: null, health: { attempted: 12, approved: 0 } });
  });

  it('sends one payment at a time when its pause is over, and closes with its answer', async () => {
    await fail(5);
    await w.pool.query(`UPDATE mid_health SET probe_at = now() - interval '1 second' WHERE probe_at IS NOT NULL`);
    const many = await Promise.all(Array.from({ length: 6 }, () => attempt()));
    const probes = many.filter(({ payment }) => payment!.processor === 'alpha');
    expect(probes).toHaveLength(1);
    expect(probes[0]!.payment!.candidates[0]).toMatchObject({ probe: true });
    await complete(w, probes[0]!.operationId, APPROVED);
    expect(await health(0)).toMatchObject({ probe_at: null, failures: 0, health: { attempted: 6, approved: 1 } });
    expect((await attempt()).payment!.processor).toBe('alpha');
  });

  it('waits twice as long after a probe that found nobody', async () => {
    await fail(5);
    await w.pool.query(`UPDATE mid_health SET probe_at = now() - interval '1 second' WHERE probe_at IS NOT NULL`);
    await fail(1);
    expect(await health(0)).toMatchObject({ cooldown_seconds: 60 });
    expect((await health(0)).probe_at!.getTime()).toBeGreaterThan(Date.now() + 50_000);
  });

  it('asks the first after all when everything is out: refusing would gain nothing', async () => {
    await w.pool.query(`UPDATE mid_health SET out_since = now(), probe_at = now() + interval '1 minute'`);
    const { payment } = await attempt();
    expect(payment!.processor).toBe('alpha');
    await w.pool.query('UPDATE mids SET enabled = false');
    expect(await reserve(w, await approve(w))).toBeUndefined();
  });

  it('counts an attempt once, whatever evidence comes later', async () => {
    const { operationId } = await attempt({ status: 'unknown', reason: 'timeout' });
    expect((await health(0)).health).toMatchObject({ attempted: 1, approved: 0 });
    await complete(w, operationId, APPROVED);
    expect((await health(0)).health).toMatchObject({ attempted: 1, approved: 0 });
  });

  it('forgets what is older than an hour', async () => {
    await attempt(APPROVED);
    const { rows } = await w.pool.query<{ health: object }>(
      `SELECT health_of(h, now() + interval '61 minutes') AS health FROM mid_health h WHERE mid_id = $1`,
      [w.mids[0]!.id],
    );
    expect(rows[0]!.health).toMatchObject({ attempted: 0, approved: 0 });
    expect((await health(0)).health).toMatchObject({ attempted: 1, approved: 1 });
  });
});
