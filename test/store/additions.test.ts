import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { returnBudget } from '../../src/store/budget-return.ts';
import { chargeAddition } from '../../src/store/payments/increment.ts';
import { approve, createWorld, type World } from './world.ts';

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

const LIMIT = 200_00;
const charge = (window: number, amountMinor: number) => [
  { delegationId: w.delegationId, window, amountMinor, limitMinor: LIMIT },
];

/** An execution of 100.00 that was charged to the first window of a fresh total. */
async function charged(): Promise<string> {
  await w.pool.query('UPDATE delegations SET budget_spent = 0, budget_window = 0 WHERE id = $1', [w.delegationId]);
  return approve(w, { charges: charge(0, 100_00) });
}

async function totals(id: string): Promise<[spent: number, held: number]> {
  const { rows } = await w.pool.query<{ spent: number; held: number }>(
    `SELECT d.budget_spent AS spent, e.budget_minor AS held FROM executions e, delegations d WHERE e.id = $1 AND d.id = $2`,
    [id, w.delegationId],
  );
  return [rows[0]!.spent, rows[0]!.held];
}

const add = (id: string, window: number, amountMinor: number) =>
  chargeAddition(w.pool, w.tenant, id, amountMinor, charge(window, amountMinor));

describe('an addition to what was charged', () => {
  it('in the same window is given back with the rest, to the minor unit', async () => {
    const id = await charged();
    await add(id, 0, 30_00);
    expect(await totals(id)).toEqual([130_00, 130_00]);
    await returnBudget(w.pool, w.tenant, [id], 120_00);
    expect(await totals(id)).toEqual([120_00, 120_00]);
    await add(id, 0, 5_00);
    await returnBudget(w.pool, w.tenant, [id], 0);
    expect(await totals(id)).toEqual([0, 0]);
  });

  it('in a later window is charged there, and leaves it first; the window gets back no more than it was charged', async () => {
    const id = await charged();
    await add(id, 1, 30_00);
    expect(await totals(id)).toEqual([30_00, 130_00]);
    // Of another execution, in the same window.
    await w.pool.query('UPDATE delegations SET budget_spent = budget_spent + 7 WHERE id = $1', [w.delegationId]);
    await returnBudget(w.pool, w.tenant, [id], 120_00);
    expect(await totals(id)).toEqual([20_07, 120_00]);
    await returnBudget(w.pool, w.tenant, [id], 90_00);
    expect(await totals(id)).toEqual([7, 90_00]);
    await add(id, 1, 5_00);
    expect(await totals(id)).toEqual([5_07, 95_00]);
    await returnBudget(w.pool, w.tenant, [id], 0);
    expect(await totals(id)).toEqual([7, 0]);
  });

  it('that does not fit any more changes nothing', async () => {
    const id = await charged();
    await expect(add(id, 0, 100_01)).rejects.toMatchObject({ code: 'PK001' });
    expect(await totals(id)).toEqual([100_00, 100_00]);
    await add(id, 0, 100_00);
    expect(await totals(id)).toEqual([200_00, 200_00]);
  });
});
