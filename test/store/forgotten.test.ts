import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findForgotten, markTold } from '../../src/store/payments/forgotten.ts';
import { authorized, createWorld, follow, type World } from './world.ts';

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

const found = async (olderThanMs: number, againMs = 60_000) =>
  (await findForgotten(w.pool, { olderThanMs, againMs, limit: 100 })).map(({ id, told }) => [id, told]);

describe('operations whose lifecycle may have lost them', () => {
  it('are those that stay open, until it was told', async () => {
    const paymentId = await authorized(w);
    const reserved = (await follow(w, 'capture', paymentId))!;
    const { rows } = await w.pool.query<{ id: string }>(
      `SELECT id FROM operations WHERE payment_id = $1 AND type = 'capture'`,
      [paymentId],
    );
    const { id } = rows[0]!;
    expect(reserved).toBeDefined();
    expect(await found(0)).toEqual([[id, false]]);
    expect(await found(60_000)).toEqual([]);
    await markTold(w.pool, [id], new Date());
    expect(await found(0)).toEqual([]);
    // Whether its workflow still runs is looked at again and again.
    expect(await found(0, -1)).toEqual([[id, true]]);
  });
});
