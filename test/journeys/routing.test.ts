import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Tenant } from '../../src/domain/types.ts';
import { parseId } from '../../src/domain/ids.ts';
import { keepLeaders } from '../../workers/routing-leaders.ts';
import { expectInvariants } from './invariants.ts';
import { refusal, startJourney, type Cast, type Journey, type Payment } from './journey.ts';

let t: Journey;
let cast: Cast;
let tenant: Tenant;
beforeAll(async () => {
  t = await startJourney();
  cast = await t.cast();
  tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' };
}, 60_000);
afterEach(async () => {
  await rules([]);
  await t.database.pool.query(
    'UPDATE mid_health SET failures = 0, failed_at = NULL, out_since = NULL, probe_at = NULL, cooldown_seconds = 30',
  );
  await expectInvariants(t);
});
afterAll(() => t.close());

interface Attempt {
  processor: string;
  reason?: string;
  message?: string;
  probe?: boolean;
  skipped?: { processor: string; mid: string; reason: string }[];
}
const attemptsOf = ({ attempts }: Payment) => attempts as unknown as Attempt[];
const to = (...processors: string[]) => processors.map((processor) => ({ processor }));

async function rules(some: object[]): Promise<string> {
  const { status, body } = await t.api<{ routing_rules_id: string }>('POST', '/v1/routing-rules', {
    name: 'journey',
    rules: some,
    activate: true,
  });
  expect({ status, body }).toMatchObject({ status: 201 });
  return body.routing_rules_id;
}
const accounts = async () => {
  const { body } = await t.api<{ data: { mid_id: string; processor: string; health: { state: string } }[] }>(
    'GET',
    '/v1/processors',
  );
  return Object.fromEntries(body.data.map((account) => [account.processor, account]));
};
const paid = async () => (await t.pay(await t.approved(cast))).body;

describe('moving a merchant to another processor', () => {
  it('is one change of rules; open payments stay where they are', async () => {
    const before = await paid();
    expect(before.processor).toBe('alpha');
    const planned = await t.approved(cast);
    const id = await rules([{ name: 'hotel moves', when: { merchants: ['mrc_hotel'] }, targets: to('beta') }]);
    const after = await paid();
    expect(after).toMatchObject({ processor: 'beta' });
    expect(attemptsOf(after)).toMatchObject([{ processor: 'beta', reason: 'priority' }]);
    expect(attemptsOf(after)[0]!.message).toContain('hotel moves');
    // What was planned before keeps its plan, unless it is routed anew.
    const route = await t.api('POST', '/v1/payments/route', { execution_ref: planned.execution_ref });
    expect(route.body).toMatchObject({
      candidates: [{ processor: 'beta' }],
      dropped: [{ processor: 'alpha', reason: 'not_a_target' }],
      rule: { routing_rules_id: id, name: 'hotel moves' },
    });
    // The plan is of that execution alone: asking again would not help another one, whose approval stays as it is.
    const other = await t.approved(cast);
    const foreign = await t.pay(other, 'tok_approve', { route_plan_id: route.body['route_plan_id'] });
    expect([...refusal(foreign), foreign.body.detail]).toEqual([
      400,
      'invalid_request',
      expect.stringMatching(/^route_plan_id /),
    ]);
    expect((await t.pay(other)).status).toBe(201);
    const rerouted = await t.pay(planned, 'tok_approve', { route_plan_id: route.body['route_plan_id'] });
    expect(rerouted.body.processor).toBe('beta');
    // The open payment is captured and refunded where it was authorized.
    const captured = await t.api('POST', '/v1/payments/capture', { payment_id: before.payment_id });
    expect(captured).toMatchObject({ status: 200, body: { processor: 'alpha', status: 'captured' } });
    const effects = await t.simulator<{ data: { processor: string; type: string }[] }>(
      'GET',
      `/control/effects?reference=${before.payment_id}`,
    );
    expect(new Set(effects.body.data.map(({ processor }) => processor))).toEqual(new Set(['alpha']));
  });

  it('can be asked before it is done, and nothing is kept', async () => {
    const { execution_ref } = await t.approved(cast);
    const draft = await t.api<{ routing_rules_id: string }>('POST', '/v1/routing-rules', {
      name: 'draft',
      rules: [{ name: 'to beta', targets: to('beta') }],
    });
    const ask = (more: object) => t.api('POST', '/v1/payments/route', { execution_ref, ...more });
    const { routing_rules_id } = draft.body;
    expect((await ask({ dry_run: true, routing_rules_id })).body).toMatchObject({
      candidates: [{ processor: 'beta' }],
    });
    expect((await ask({ dry_run: true })).body).toMatchObject({ candidates: [{ processor: 'alpha' }, {}] });
    expect((await ask({ routing_rules_id })).status).toBe(400);
    const replay = await t.api('POST', `/v1/routing-rules/${routing_rules_id}/replay`, {});
    expect(replay.body).toMatchObject({
      unroutable: 0,
      more: false,
      moves: [{ from: { processor: 'alpha' }, to: { processor: 'beta' } }],
    });
    const { replayed, moved } = replay.body as { replayed: number; moved: number };
    expect(moved).toBeGreaterThan(0);
    expect(moved).toBeLessThan(replayed);
    const bounded = await t.api('POST', `/v1/routing-rules/${routing_rules_id}/replay`, { limit: 1 });
    expect(bounded.body).toMatchObject({ replayed: 1, more: true });
  });
});

describe('an account that is switched off', () => {
  it('after the plan was made is passed over, and the attempt says why', async () => {
    const decided = await t.approved(cast);
    const { alpha } = await accounts();
    await t.api('POST', `/v1/processors/${alpha!.mid_id}/disable`, { reason: 'maintenance' });
    try {
      const { body } = await t.pay(decided);
      expect(attemptsOf(body)).toMatchObject([
        { processor: 'beta', skipped: [{ processor: 'alpha', mid: 'alpha-demo', reason: 'disabled' }] },
      ]);
    } finally {
      await t.api('POST', `/v1/processors/${alpha!.mid_id}/enable`);
    }
    expect((await paid()).processor).toBe('alpha');
  });

  it('between two attempts leaves the answer of the first', async () => {
    const decided = await t.approved(cast);
    const { beta } = await accounts();
    await t.api('POST', `/v1/processors/${beta!.mid_id}/disable`);
    try {
      const { status, body } = await t.pay(decided, 'tok_decline_generic@alpha');
      expect({ status, body }).toMatchObject({
        status: 402,
        body: { code: 'payment_declined', decline: { class: 'soft_decline' } },
      });
    } finally {
      await t.api('POST', `/v1/processors/${beta!.mid_id}/enable`);
    }
  });
});

describe('an outage', () => {
  it('eliminates an account, probes it when its pause is over, and brings it back', async () => {
    await t.simulator('POST', '/control/outage', { processor: 'alpha', mode: '503' });
    try {
      for (let i = 0; i < 5; i++) {
        const payment = await paid();
        expect(attemptsOf(payment).map(({ processor }) => processor)).toEqual(['alpha', 'beta']);
      }
      expect((await accounts())['alpha']).toMatchObject({ health: { state: 'out' } });
      const without = await paid();
      expect(attemptsOf(without)).toMatchObject([{ processor: 'beta', reason: 'priority' }]);
      const plan = await t.api('POST', '/v1/payments/route', {
        execution_ref: (await t.approved(cast)).execution_ref,
        dry_run: true,
      });
      expect(plan.body).toMatchObject({
        candidates: [
          { processor: 'beta', reason: 'priority' },
          { processor: 'alpha', reason: 'outage' },
        ],
      });
      // Half open: one goes there, finds nobody, and the pause is longer.
      await t.database.pool.query('UPDATE mid_health SET probe_at = now() WHERE probe_at IS NOT NULL');
      const probe = await paid();
      expect(attemptsOf(probe)).toMatchObject([{ processor: 'alpha', probe: true }, { processor: 'beta' }]);
      expect((await accounts())['alpha']).toMatchObject({ health: { state: 'out' } });
    } finally {
      await t.simulator('POST', '/control/outage', { processor: 'alpha', mode: 'off' });
    }
    expect(attemptsOf(await paid()).map(({ processor }) => processor)).toEqual(['beta']);
    await t.database.pool.query('UPDATE mid_health SET probe_at = now() WHERE probe_at IS NOT NULL');
    expect(attemptsOf(await paid())).toMatchObject([{ processor: 'alpha', probe: true }]);
    expect((await accounts())['alpha']).toMatchObject({ health: { state: 'in' } });
    expect(attemptsOf(await paid())).toMatchObject([{ processor: 'alpha', reason: 'priority' }]);
  });

  it('never sends a payment elsewhere whose outcome is unknown', async () => {
    await t.simulator('POST', '/control/outage', { processor: 'beta', mode: '503' });
    try {
      const { status, body } = await t.pay(await t.approved(cast), 'tok_lost_answer@alpha');
      expect([201, 202]).toContain(status);
      const settled = await t.becomes(body, ({ status: now }) => now === 'authorized');
      expect(settled.processor).toBe('alpha');
      const effects = await t.simulator<{ data: { processor: string }[] }>(
        'GET',
        `/control/effects?reference=${body.payment_id}`,
      );
      expect(effects.body.data.map(({ processor }) => processor)).toEqual(['alpha']);
    } finally {
      await t.simulator('POST', '/control/outage', { processor: 'beta', mode: 'off' });
    }
  });
});

describe('routing by success', () => {
  it('has a leader that stays until another is clearly better', async () => {
    const { pool } = t.database;
    const id = await rules([{ name: 'best', targets: to('alpha', 'beta'), strategy: 'success_rate' }]);
    const fare = (processor: string, approved: number) =>
      pool.query(
        `UPDATE mid_health SET slots[1] = floor(extract(epoch FROM now()) / 300), attempted[1] = 100, approved[1] = $2,
                slots[2] = 0, slots[3] = 0, slots[4] = 0, slots[5] = 0, slots[6] = 0, slots[7] = 0, slots[8] = 0,
                slots[9] = 0, slots[10] = 0, slots[11] = 0, slots[12] = 0
          WHERE mid_id = (SELECT id FROM mids WHERE processor = $1)`,
        [processor, approved],
      );
    const leader = async () => {
      const { body } = await t.api<{ rules: { leader?: string }[] }>('GET', `/v1/routing-rules/${id}`);
      return body.rules[0]!.leader;
    };
    const { alpha, beta } = await accounts();
    const look = (minutes: number) => keepLeaders(pool, tenant, new Date(Date.now() + minutes * 60_000));
    await fare('alpha', 90);
    await fare('beta', 90);
    await look(0);
    expect(await leader()).toBe(alpha!.mid_id);
    await fare('beta', 91);
    await look(6);
    expect(await leader()).toBe(alpha!.mid_id);
    await fare('beta', 99);
    await look(12);
    expect(await leader()).toBe(beta!.mid_id);
    const { body } = await t.api<{ candidates: { processor: string; reason: string; message: string }[] }>(
      'POST',
      '/v1/payments/route',
      { execution_ref: (await t.approved(cast)).execution_ref, dry_run: true },
    );
    const best = body.candidates.find(({ processor }) => processor === 'beta')!;
    expect(best).toMatchObject({ reason: 'success_rate', message: expect.stringContaining('leads') });
  });
});
