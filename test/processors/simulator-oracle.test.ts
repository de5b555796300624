import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SettlementView } from '../../src/processors/simulator/notification.ts';
import { newId } from './contract-payment.ts';
import { testPayment } from './simulator-payment.ts';
import { startTestSimulator, type TestSimulator } from './simulator-subject.ts';

let simulator: TestSimulator;
beforeAll(async () => {
  simulator = await startTestSimulator();
});
afterAll(() => simulator.stop());
const payment = (processor?: string) => testPayment(simulator, processor);

const settle = async (body: object) =>
  (await simulator.control<{ settlements: SettlementView[] }>('settle', body)).settlements;

describe('the oracle', () => {
  it('is found by our payment id, our operation id and the processor reference', async () => {
    const pay = payment();
    const operationId = newId('op');
    await pay.authorize();
    await pay.capture(4_000, true, operationId);
    const effects = await simulator.effects(pay.reference);
    expect(effects).toMatchObject([
      { type: 'authorize', amount_minor: 10_000, currency: 'EUR', reference: pay.reference, processor: 'alpha' },
      { type: 'capture', amount_minor: 4_000, released_minor: 6_000, operation_id: operationId },
    ]);
    await expect(simulator.effects(pay.processorReference())).resolves.toEqual(effects);
    await expect(simulator.effects(operationId)).resolves.toEqual([effects[1]]);
    await expect(simulator.effects('nobody')).resolves.toEqual([]);
  });

  it('pages through everything, and filters by processor', async () => {
    const pay = payment('pagers');
    await pay.authorize();
    await pay.capture(1);
    await pay.capture(2);
    type Page = { data: { seq: number; amount_minor: number }[]; next_cursor: string | null };
    const first = await simulator.control<Page>('effects?processor=pagers&limit=2');
    expect(first.data.map((effect) => effect.amount_minor)).toEqual([10_000, 1]);
    const second = await simulator.control<Page>(`effects?processor=pagers&limit=2&cursor=${first.next_cursor}`);
    expect(second).toMatchObject({ data: [{ amount_minor: 2 }], next_cursor: null });
  });

  it('sums by type', async () => {
    const pay = payment();
    await pay.authorize();
    await pay.capture(3_000);
    await pay.capture(2_000, true);
    await pay.refund(500);
    await expect(simulator.summary(pay.reference)).resolves.toEqual({
      reference: pay.reference,
      currencies: ['EUR'],
      processors: ['alpha'],
      authorize: { count: 1, amount_minor: 10_000 },
      capture: { count: 2, amount_minor: 5_000 },
      void: { count: 0, amount_minor: 0 },
      refund: { count: 1, amount_minor: 500 },
      expire: { count: 0, amount_minor: 0 },
      dispute: { count: 0, amount_minor: 0 },
      dispute_return: { count: 0, amount_minor: 0 },
      refund_return: { count: 0, amount_minor: 0 },
      increment: { count: 0, amount_minor: 0 },
      released_minor: 5_000,
      open_holds: { count: 0, amount_minor: 0 },
    });
  });

  it('cannot be rewritten', async () => {
    await payment().authorize();
    const { pool } = simulator;
    await expect(pool.query('UPDATE simulator.effects SET amount_minor = 1')).rejects.toThrow('append-only');
    await expect(pool.query('DELETE FROM simulator.effects')).rejects.toThrow('append-only');
  });

  it('keeps a hash of the API key, never the key', async () => {
    const pay = payment();
    await pay.authorize();
    const { rows } = await simulator.pool.query('SELECT * FROM simulator.effects WHERE reference = $1', [
      pay.reference,
    ]);
    expect(rows[0]).toMatchObject({ api_key_hash: expect.stringMatching(/^[0-9a-f]{16}$/) });
    expect(JSON.stringify(rows)).not.toContain('sim_key');
  });
});

describe('settlement', () => {
  it('takes each capture and refund once, per processor, and keeps 1 % of captures rounded down', async () => {
    const [a, b] = [payment('set-a'), payment('set-b')];
    const operationId = newId('op');
    await a.authorize();
    await a.capture(1_999, false, operationId);
    await a.refund(99);
    await b.authorize();
    await b.capture(500);
    const [first, ...others] = await settle({ processor: 'set-a' });
    expect(others).toEqual([]);
    expect(first).toMatchObject({
      processor: 'set-a',
      lines: [
        { type: 'capture', reference: a.reference, operation_id: operationId, amount_minor: 1_999, fee_minor: 19 },
        { type: 'refund', amount_minor: 99, fee_minor: 0 },
      ],
    });
    await expect(settle({ processor: 'set-a' })).resolves.toEqual([]);
    await expect(settle({ reference: b.reference })).resolves.toMatchObject([{ processor: 'set-b' }]);
    await expect(settle({})).resolves.not.toContainEqual(expect.objectContaining({ processor: 'set-b' }));
  });

  it('comes in batches that one announcement can carry', async () => {
    const pay = payment('set-many');
    await pay.authorize();
    await pay.capture(1);
    await simulator.pool.query(
      `INSERT INTO simulator.effects (type, amount_minor, currency, reference, operation_id, processor, mid, processor_reference)
       SELECT 'capture', i, currency, reference, operation_id || '-' || i, processor, mid, processor_reference
         FROM simulator.effects, generate_series(1, 2500) i WHERE processor = 'set-many' AND type = 'capture'`,
    );
    const batches = await settle({ processor: 'set-many' });
    expect(batches.map(({ lines }) => lines.length)).toEqual([1_000, 1_000, 501]);
    expect(new Set(batches.flatMap(({ lines }) => lines.map(({ line_id }) => line_id))).size).toBe(2_501);
    for (const batch of batches) expect(JSON.stringify(batch).length).toBeLessThan(1_048_576 / 2);
  });

  it('takes each once when several run together', async () => {
    for (let round = 0; round < 5; round++) {
      const pay = payment('set-race');
      await pay.authorize();
      await Promise.all([1, 2, 3, 4].map((amount) => pay.capture(amount)));
      const batches = await Promise.all(Array.from({ length: 8 }, () => settle({ processor: 'set-race' })));
      expect(batches.flat().flatMap((batch) => batch.lines)).toHaveLength(4);
    }
  });

  it.each([
    ['missing', []],
    ['over', [{ amount_minor: 1_005 }]],
    ['under', [{ amount_minor: 995 }]],
    ['currency_mismatch', [{ currency: 'USD', amount_minor: 1_000 }]],
    ['data_mismatch', [{ reference: expect.stringMatching(/x$/) }]],
    ['duplicate', [{ amount_minor: 1_000 }, { amount_minor: 1_000, line_id: expect.stringMatching(/_2$/) }]],
  ])('plants the discrepancy %s in the line named, and in no other', async (kind, lines) => {
    const processor = `set-${kind}`;
    const pay = payment(processor);
    const operationId = newId('op');
    await pay.authorize();
    await pay.capture(2_000);
    await pay.capture(1_000, false, operationId);
    const [batch] = await settle({ processor, discrepancies: [{ kind, operation_id: operationId, by_minor: 5 }] });
    expect(batch!.lines).toMatchObject([{ amount_minor: 2_000, currency: 'EUR', reference: pay.reference }, ...lines]);
    expect(batch!.lines).toHaveLength(lines.length + 1);
    await expect(settle({ processor })).resolves.toEqual([]);
  });
});
