import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reserveNextAttempt } from '../../src/store/payments/reserve.ts';
import { newId } from '../../src/trust/new-id.ts';
import {
  addDelegation,
  approve,
  authorized,
  complete,
  createWorld,
  DECLINED,
  follow,
  paymentOf,
  reserve,
  succeed,
  type World,
} from './world.ts';

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

const operationsOf = async (paymentId: string) =>
  (await w.pool.query<{ type: string }>('SELECT type FROM operations WHERE payment_id = $1', [paymentId])).rows;

/** Lets something be otherwise for the length of one act. */
async function withRow<T>(table: string, id: string, change: string, back: string, act: () => Promise<T>): Promise<T> {
  await w.pool.query(`UPDATE ${table} SET ${change} WHERE id = $1`, [id]);
  try {
    return await act();
  } finally {
    await w.pool.query(`UPDATE ${table} SET ${back} WHERE id = $1`, [id]);
  }
}

describe('an approval', () => {
  it('is spent once, however many try at the same time', async () => {
    const executionId = await approve(w);
    const results = await Promise.all([1, 2, 3, 4].map(() => reserve(w, executionId)));
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(await operationsOf(executionId)).toEqual([{ type: 'authorize' }]);
    expect(await paymentOf(w, executionId)).toMatchObject({ phase: 'authorizing', processor: 'alpha', authorized: 0 });
  });

  const REVOKED = `status = 'revoked'`;
  it.each([
    ['whose delegation is revoked', 'delegations', () => w.delegationId, REVOKED, `status = 'active'`],
    [
      'whose delegation has expired',
      'delegations',
      () => w.delegationId,
      `expires_at = now() - interval '1 second'`,
      `expires_at = now() + interval '1 hour'`,
    ],
    ['whose agent is retired', 'agents', () => w.agentId, `status = 'retired'`, `status = 'active'`],
    ['whose agent is suspended', 'agents', () => w.agentId, `status = 'suspended'`, `status = 'active'`],
    ['whose principal is suspended', 'principals', () => w.principalId, `status = 'suspended'`, `status = 'active'`],
  ])('%s reserves nothing, and is not spent', async (_, table, id, change, back) => {
    const executionId = await approve(w);
    expect(await withRow(table, id(), change, back, () => reserve(w, executionId))).toBeUndefined();
    expect(await operationsOf(executionId)).toEqual([]);
    // The control: nothing else was wrong with it.
    expect(await reserve(w, executionId)).toBeDefined();
  });

  it.each([
    ['that has expired', { tokenExpiresAt: new Date(Date.now() - 1) }, {}],
    ['that is a challenge', { stage: 'challenged', tokenExpiresAt: null }, {}],
    ['that was denied', { stage: 'denied', tokenExpiresAt: null }, {}],
    ['for less', {}, { amountMinor: 100_01 }],
    ['in another currency', {}, { currency: 'USD' }],
    ['whose plan has no such processor', {}, { processor: 'gamma' }],
    ['with a route plan of something else', {}, { routePlanId: newId() }],
    ['of another mode', {}, { tenant: 'live' }],
  ])('%s reserves nothing', async (_, decided, asked) => {
    const executionId = await approve(w, decided);
    const more = 'tenant' in asked ? { tenant: { ...w.tenant, mode: 'live' as const } } : asked;
    expect(await reserve(w, executionId, more)).toBeUndefined();
    expect(await operationsOf(executionId)).toEqual([]);
  });

  it('goes to the next account when the first is disabled, and to none when all are', async () => {
    const [alpha, beta] = w.mids as [World['mids'][0], World['mids'][0]];
    const both = [await approve(w), await approve(w)];
    await withRow('mids', alpha.id, 'enabled = false', 'enabled = true', async () => {
      expect(await reserve(w, both[0]!)).toMatchObject({
        account: { mid_id: beta.id },
        payment: { processor: 'beta' },
      });
      await withRow('mids', beta.id, 'enabled = false', 'enabled = true', async () => {
        expect(await reserve(w, both[1]!)).toBeUndefined();
      });
    });
    expect(await reserve(w, both[1]!)).toMatchObject({ account: { mid_id: alpha.id } });
  });

  it('is not spent when the key is taken', async () => {
    const executionId = await approve(w);
    const key = randomUUID();
    await reserve(w, await approve(w), { key });
    await expect(reserve(w, executionId, { key })).rejects.toMatchObject({ constraint: 'idempotency_keys_pkey' });
    expect(await reserve(w, executionId)).toBeDefined();
  });

  it('of a delegation revoked at the same moment is either spent or refused, never both', async () => {
    for (let round = 0; round < 5; round++) {
      const delegationId = await addDelegation(w);
      const executionId = await approve(w, { delegationId });
      const [spent] = await Promise.all([
        reserve(w, executionId),
        w.pool.query(`UPDATE delegations SET status = 'revoked' WHERE id = $1`, [delegationId]),
      ]);
      expect(await operationsOf(executionId)).toHaveLength(spent ? 1 : 0);
      expect(await reserve(w, executionId)).toBeUndefined();
    }
  });
});

describe('a next attempt', () => {
  const declinedOnce = async () => {
    const executionId = await approve(w);
    const operationId = newId();
    await reserve(w, executionId, { operationId });
    return { executionId, operationId };
  };
  const next = (paymentId: string) =>
    reserveNextAttempt(w.pool, { tenant: w.tenant, paymentId, operationId: newId(), attempt: 2, at: new Date() });

  it('goes to the next account of the plan', async () => {
    const { executionId, operationId } = await declinedOnce();
    await complete(w, operationId, { ...DECLINED, class: 'throttled' } as typeof DECLINED);
    expect(await next(executionId)).toMatchObject({ account: { processor: 'beta' } });
  });

  it('is refused by the database while the attempt before may have succeeded', async () => {
    const { executionId, operationId } = await declinedOnce();
    await expect(next(executionId)).rejects.toMatchObject({ constraint: 'one_open_authorization' });
    await complete(w, operationId, { status: 'unknown', reason: 'timeout' });
    await expect(next(executionId)).rejects.toMatchObject({ constraint: 'one_open_authorization' });
    expect(await paymentOf(w, executionId)).toMatchObject({ processor: 'alpha', phase: 'auth_unknown' });
  });

  it('is not made for a payment that has failed for good', async () => {
    const { executionId, operationId } = await declinedOnce();
    await complete(w, operationId, DECLINED);
    expect(await paymentOf(w, executionId)).toMatchObject({ phase: 'failed' });
    expect(await next(executionId)).toBeUndefined();
  });
});

describe('captures', () => {
  it('of everything, at the same time: one is reserved', async () => {
    const paymentId = await authorized(w);
    const results = await Promise.all([1, 2, 3].map(() => follow(w, 'capture', paymentId)));
    expect(results.filter(Boolean)).toMatchObject([{ amountMinor: 100_00 }]);
    expect(await paymentOf(w, paymentId)).toMatchObject({ capture_pending: 100_00, captured: 0 });
  });

  it('of parts, at the same time: as many as fit', async () => {
    const paymentId = await authorized(w);
    const parts = [1, 2, 3, 4].map(() => follow(w, 'capture', paymentId, { amountMinor: 30_00 }));
    expect((await Promise.all(parts)).filter(Boolean)).toHaveLength(3);
    expect(await paymentOf(w, paymentId)).toMatchObject({ capture_pending: 90_00 });
  });

  it('completed at the same time are both counted', async () => {
    const paymentId = await authorized(w);
    const parts = await Promise.all(
      [40_00, 35_00].map((amountMinor) => follow(w, 'capture', paymentId, { amountMinor })),
    );
    await Promise.all(parts.map((part) => succeed(w, part!)));
    expect(await paymentOf(w, paymentId)).toMatchObject({ captured: 75_00, capture_pending: 0 });
  });

  it.each([[0], [-1], [100_01]])('of %d minor units are refused', async (amountMinor) => {
    expect(await follow(w, 'capture', await authorized(w), { amountMinor })).toBeUndefined();
  });

  it('are refused once the hold has expired', async () => {
    const paymentId = await authorized(w);
    await w.pool.query(`UPDATE payments SET authorization_expires_at = now() - interval '1 s' WHERE id = $1`, [
      paymentId,
    ]);
    expect(await follow(w, 'capture', paymentId)).toBeUndefined();
    // What the processor let go by itself may still be given back.
    expect(await follow(w, 'void', paymentId)).toBeDefined();
  });

  it('under a taken key reserve nothing', async () => {
    const paymentId = await authorized(w);
    const key = randomUUID();
    await follow(w, 'capture', paymentId, { amountMinor: 10, key });
    await expect(follow(w, 'capture', paymentId, { amountMinor: 10, key })).rejects.toMatchObject({ code: '23505' });
    expect(await paymentOf(w, paymentId)).toMatchObject({ capture_pending: 10 });
  });
});

describe('a void', () => {
  it('is refused while a capture is pending', async () => {
    const paymentId = await authorized(w);
    const capture = await follow(w, 'capture', paymentId, { amountMinor: 10_00 });
    expect(await follow(w, 'void', paymentId)).toBeUndefined();
    await complete(w, capture!.operationId, DECLINED);
    expect(await follow(w, 'void', paymentId)).toMatchObject({ amountMinor: 100_00 });
  });

  it('pending, refuses captures, final ones and another void', async () => {
    const paymentId = await authorized(w);
    const voided = await follow(w, 'void', paymentId);
    expect(await follow(w, 'capture', paymentId, { amountMinor: 1 })).toBeUndefined();
    expect(await follow(w, 'capture', paymentId, { amountMinor: 1, final: true })).toBeUndefined();
    expect(await follow(w, 'void', paymentId)).toBeUndefined();
    await complete(w, voided!.operationId, DECLINED);
    expect(await follow(w, 'capture', paymentId, { amountMinor: 1 })).toBeDefined();
  });

  it('and a capture at the same time: one of them is reserved', async () => {
    for (let round = 0; round < 5; round++) {
      const paymentId = await authorized(w);
      const both = await Promise.all([follow(w, 'void', paymentId), follow(w, 'capture', paymentId)]);
      expect(both.filter(Boolean)).toHaveLength(1);
    }
  });

  it('is refused when everything is captured, and for a payment that is not open', async () => {
    const captured = await authorized(w);
    await succeed(w, (await follow(w, 'capture', captured))!);
    expect(await follow(w, 'void', captured)).toBeUndefined();
    const authorizing = await approve(w);
    await reserve(w, authorizing);
    expect(await follow(w, 'void', authorizing)).toBeUndefined();
    expect(await follow(w, 'capture', authorizing)).toBeUndefined();
  });
});

describe('refunds', () => {
  const captured = async (amountMinor = 80_00) => {
    const paymentId = await authorized(w);
    await succeed(w, (await follow(w, 'capture', paymentId, { amountMinor }))!);
    return paymentId;
  };

  it('never exceed what was captured, in sequence and at the same time', async () => {
    const paymentId = await captured();
    expect(await follow(w, 'refund', paymentId, { amountMinor: 80_01 })).toBeUndefined();
    const many = await Promise.all([1, 2, 3, 4].map(() => follow(w, 'refund', paymentId, { amountMinor: 30_00 })));
    expect(many.filter(Boolean)).toHaveLength(2);
    expect(await follow(w, 'refund', paymentId)).toMatchObject({ amountMinor: 20_00 });
    expect(await follow(w, 'refund', paymentId)).toBeUndefined();
  });

  it('leave alone what a dispute holds', async () => {
    const paymentId = await captured();
    await w.pool.query('UPDATE payments SET dispute_held = 5000, dispute_lost = 1000 WHERE id = $1', [paymentId]);
    expect(await follow(w, 'refund', paymentId, { amountMinor: 20_01 })).toBeUndefined();
    expect(await follow(w, 'refund', paymentId)).toMatchObject({ amountMinor: 20_00 });
  });

  it('are not made of money that is only held', async () => {
    expect(await follow(w, 'refund', await authorized(w))).toBeUndefined();
  });

  it('of another tenant are not made', async () => {
    const paymentId = await captured();
    const tenant = { ...w.tenant, mode: 'live' as const };
    expect(await follow(w, 'refund', paymentId, { tenant })).toBeUndefined();
  });
});
