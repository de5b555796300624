import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findPayment } from '../../src/store/payments/read.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { newId } from '../../src/trust/new-id.ts';
import { approve } from '../store/world.ts';
import { createActivityWorld, type ActivityWorld } from './setup.ts';

let w: ActivityWorld;
beforeAll(async () => {
  w = await createActivityWorld();
});
afterAll(() => w.close());

async function captured(): Promise<string> {
  const id = await approve(w);
  await w.run('authorizePayment', 1, w.ref(id), w.payRequest(), 1);
  await w.run('capturePayment', 1, w.ref(id), { request: w.request(), operationId: newId(), final: true });
  return id;
}

async function noted(): Promise<number> {
  const { rowCount } = await w.pool.query(`SELECT 1 FROM audit_entries WHERE type = 'payment.settlement_overdue'`);
  return rowCount!;
}

describe('a settlement that is overdue', () => {
  it('is noted once, however often it is looked for', async () => {
    const id = await captured();
    const before = await noted();
    await w.run('flagOverdueSettlement', 1, w.ref(id));
    await w.run('flagOverdueSettlement', 2, w.ref(id));
    expect(await noted()).toBe(before + 1);
    expect(await findPayment(w.pool, w.tenant, id)).toMatchObject({ needs_attention: 'Settlement is overdue' });
  });

  it('does not hide that a person is needed for something else', async () => {
    const id = await captured();
    await w.pool.query(`UPDATE payments SET needs_attention = 'Unknown past its deadline' WHERE id = $1`, [id]);
    await w.run('flagOverdueSettlement', 1, w.ref(id));
    const marked = { needs_attention: 'Unknown past its deadline', reconciliation_status: 'missing' };
    expect(await findPayment(w.pool, w.tenant, id)).toMatchObject(marked);
  });

  it('is none when the line is just being applied', async () => {
    const id = await captured();
    const before = await noted();
    let looking = Promise.resolve();
    await inTransaction(w.pool, async (db) => {
      await db.query('UPDATE payments SET settled = captured WHERE id = $1', [id]);
      looking = w.run('flagOverdueSettlement', 1, w.ref(id));
      await waitsForRow();
    });
    await looking;
    expect(await noted()).toBe(before);
    expect((await findPayment(w.pool, w.tenant, id))!.needs_attention).toBeNull();
  });
});

/** Until somebody waits for a row that another holds. */
async function waitsForRow(): Promise<void> {
  for (let tried = 0; tried < 500; tried++) {
    const { rowCount } = await w.pool.query(
      `SELECT 1 FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted
          AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())`,
    );
    if (rowCount! > 0) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('nobody waits');
}
