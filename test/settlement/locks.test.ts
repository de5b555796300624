import type { PoolClient } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toTypeId } from '../../src/domain/ids.ts';
import { recordFact } from '../../src/store/facts.ts';
import { applyNotified } from '../../src/store/payments/settlement.ts';
import { eventually } from '../journeys/journey.ts';
import { authorized, complete, createWorld, DECLINED, follow, paymentOf, type World } from '../store/world.ts';
import { captured, HEADER, lineOf, queued, workOff, type Captured } from './stage.ts';

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

/** A payment whose capture the processor declined. */
async function declined(): Promise<Captured> {
  const paymentId = await authorized(w);
  const { operationId } = (await follow(w, 'capture', paymentId))!;
  await complete(w, operationId, DECLINED);
  return { paymentId, operationId };
}

/** A notification that settles what each of them captured, or did not. */
function notify(payments: Captured[], eventId: string) {
  const lines = payments.map(({ paymentId, operationId }, n) => ({
    lineId: `${eventId}-${n}`,
    type: 'capture' as const,
    reference: toTypeId('pay', paymentId),
    operationId: toTypeId('op', operationId),
    amountMinor: 100_00,
    feeMinor: 100,
    currency: 'EUR',
  }));
  const settlement = { processor: 'alpha', settlementId: eventId, settledAt: new Date().toISOString(), lines };
  return applyNotified(w.pool, 'simulator:alpha', { eventId, body: {} }, settlement, new Date());
}

/**
 * A step of a lifecycle, cut in two: it locks its payment, then `meanwhile` runs until it waits for that payment, then
 * the step records its fact. A deadlock is an error of either.
 */
async function besideStep(paymentId: string, meanwhile: () => Promise<unknown>): Promise<void> {
  const step: PoolClient = await w.pool.connect();
  try {
    await step.query('BEGIN');
    await step.query('SELECT 1 FROM payments WHERE id = $1 FOR UPDATE', [paymentId]);
    const other = meanwhile();
    other.catch(() => undefined);
    // The control: they do meet.
    await eventually(
      async () => (await w.pool.query('SELECT FROM pg_locks WHERE NOT granted')).rowCount,
      (waiting) => waiting! > 0,
    );
    const subject = toTypeId('pay', paymentId);
    await recordFact(step, {
      tenant: w.tenant,
      at: new Date(),
      type: 'test.step',
      actor: 'test',
      subject,
      body: {},
      events: [],
    });
    await step.query('COMMIT');
    await other;
  } finally {
    await step.query('ROLLBACK');
    step.release();
  }
}

describe('a settlement and a step of a lifecycle wait for each other in one order', () => {
  it('a notification that contradicts several operations', async () => {
    const payments = [await declined(), await declined()];
    // Held back in order of operations: the first one has been told when the second is waited for.
    const [, last] = payments.toSorted((a, b) => (a.operationId < b.operationId ? -1 : 1));
    await besideStep(last!.paymentId, () => notify(payments, 'n1'));
    for (const { paymentId, operationId } of payments) {
      expect((await paymentOf(w, paymentId)).needs_attention).toMatch(/Settlement|is told/);
      const { rowCount } = await w.pool.query('SELECT FROM payment_conflicts WHERE operation_id = $1', [operationId]);
      expect(rowCount).toBe(1);
    }
  });

  it('a notification that contradicts an operation, and settles another', async () => {
    const [bad, good] = [await declined(), await captured(w)];
    await besideStep(good.paymentId, () => notify([bad, good], 'n2'));
    expect(await paymentOf(w, good.paymentId)).toMatchObject({ settled: 100_00, reconciliation_status: 'matched' });
    // Told again, it changes nothing.
    expect(await notify([bad, good], 'n2')).toEqual([]);
    expect(await paymentOf(w, good.paymentId)).toMatchObject({ settled: 100_00 });
  });

  it('a file', async () => {
    const good = await captured(w);
    const id = await queued(w, `${HEADER}\n${lineOf(good, 'f1')}\n`);
    await besideStep(good.paymentId, () => workOff(w, id));
    expect(await paymentOf(w, good.paymentId)).toMatchObject({ settled: 100_00, reconciliation_status: 'matched' });
  });

  it('notifications and files at once, each with lines of the same payments in another order', async () => {
    const payments = [];
    for (let n = 0; n < 12; n++) payments.push(n % 2 === 0 ? await declined() : await captured(w));
    const file = await queued(w, `${[HEADER, ...payments.map((one, n) => lineOf(one, `f-${n}`))].join('\n')}\n`);
    await Promise.all([notify(payments, 'a'), notify(payments.toReversed(), 'b'), workOff(w, file)]);
    const { rows } = await w.pool.query(
      `SELECT status, count(*) FROM settlement_lines WHERE payment_id = ANY ($1) GROUP BY 1 ORDER BY 1`,
      [payments.map(({ paymentId }) => paymentId)],
    );
    expect(rows).toEqual([
      { status: 'data_mismatch', count: 18 },
      { status: 'duplicate', count: 12 },
      { status: 'matched', count: 6 },
    ]);
  });
});
