import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { postings } from '../../src/domain/ledger.ts';
import { verifyAudit } from '../../src/store/audit.ts';
import { postEntry } from '../../src/store/payments/hold.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { newId } from '../../src/trust/new-id.ts';
import {
  approve,
  authorized,
  complete,
  createWorld,
  DECLINED,
  follow,
  ledgerOf,
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

const eventsOf = async (paymentId: string) =>
  (
    await w.pool.query<{ type: string }>(
      `SELECT type FROM events WHERE execution_id = $1 AND type LIKE 'payment.%' ORDER BY sequence`,
      [paymentId],
    )
  ).rows.map(({ type }) => type);

describe('the completion of an operation', () => {
  it('happens once: the second call changes nothing and says so', async () => {
    const paymentId = await authorized(w);
    const capture = (await follow(w, 'capture', paymentId))!;
    expect(await succeed(w, capture)).toMatchObject({ captured: 100_00, capture_pending: 0 });
    const after = [await paymentOf(w, paymentId), await ledgerOf(w, paymentId), await eventsOf(paymentId)];
    expect(await succeed(w, capture)).toBeUndefined();
    expect(await complete(w, capture.operationId, DECLINED)).toBeUndefined();
    expect([await paymentOf(w, paymentId), await ledgerOf(w, paymentId), await eventsOf(paymentId)]).toEqual(after);
  });

  it('happens once when two learn of the outcome at the same time', async () => {
    const paymentId = await authorized(w);
    const capture = (await follow(w, 'capture', paymentId))!;
    const results = await Promise.all([succeed(w, capture), succeed(w, capture), succeed(w, capture)]);
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(await paymentOf(w, paymentId)).toMatchObject({ captured: 100_00, capture_pending: 0 });
    expect(await eventsOf(paymentId)).toEqual(['payment.authorized', 'payment.captured']);
  });

  it.each([
    ['another operation that a person is asked about', 'The outcome of a capture is unknown', true],
    ['its settlement', 'Settlement is overdue', false],
  ])('leaves a payment that needs a person for %s as it is', async (_, attention, review) => {
    const paymentId = await authorized(w);
    const [asked, other] = [
      (await follow(w, 'capture', paymentId, { amountMinor: 10_00, final: false }))!,
      (await follow(w, 'capture', paymentId, { amountMinor: 20_00, final: false }))!,
    ];
    await w.pool.query('UPDATE payments SET needs_attention = $2 WHERE id = $1', [paymentId, attention]);
    if (review) {
      await w.pool.query(`UPDATE operations SET status = 'needs_review' WHERE id = $1`, [asked.operationId]);
      await w.pool.query(
        `UPDATE payments SET operations = jsonb_set(operations, ARRAY[$2, 'status'], '"needs_review"') WHERE id = $1`,
        [paymentId, asked.operationId],
      );
    }
    expect(await succeed(w, other)).toMatchObject({ needs_attention: attention });
    // The control: the outcome of the one that was asked about ends that, and nothing but that.
    expect(await succeed(w, asked)).toMatchObject({ needs_attention: review ? null : attention });
  });

  it('keeps what is unknown reserved, until it is known', async () => {
    const paymentId = await authorized(w);
    const capture = (await follow(w, 'capture', paymentId, { amountMinor: 60_00 }))!;
    await complete(w, capture.operationId, { status: 'unknown', reason: 'timeout' });
    expect(await paymentOf(w, paymentId)).toMatchObject({ captured: 0, capture_pending: 60_00 });
    await succeed(w, capture);
    expect(await paymentOf(w, paymentId)).toMatchObject({ captured: 60_00, capture_pending: 0 });
  });

  it('takes a smaller authorization for what it is', async () => {
    const paymentId = await approve(w);
    const operationId = newId();
    await reserve(w, paymentId, { operationId });
    await complete(w, operationId, { status: 'succeeded', processorReference: 'pr', amountMinor: 40_00 });
    expect(await paymentOf(w, paymentId)).toMatchObject({ phase: 'open', authorized: 40_00 });
    expect(await follow(w, 'capture', paymentId, { amountMinor: 40_01 })).toBeUndefined();
  });

  it('captures at once what was asked to be captured at once', async () => {
    const paymentId = await approve(w);
    const operationId = newId();
    await reserve(w, paymentId, { operationId, capture: 'automatic' });
    const outcome = { status: 'succeeded', processorReference: 'pr', amountMinor: 100_00, captured: true } as const;
    expect(await complete(w, operationId, outcome)).toMatchObject({ authorized: 100_00, captured: 100_00 });
    expect(await ledgerOf(w, paymentId)).toEqual([
      { kind: 'authorized', moved: 100_00, sum: 0 },
      { kind: 'captured', moved: 200_00, sum: 0 },
    ]);
  });

  it('of a final capture releases the remainder, with an entry that balances', async () => {
    const paymentId = await authorized(w);
    await succeed(w, (await follow(w, 'capture', paymentId, { amountMinor: 25_00 }))!);
    const row = await succeed(w, (await follow(w, 'capture', paymentId, { amountMinor: 30_00, final: true }))!);
    expect(row).toMatchObject({ captured: 55_00, capture_pending: 0, released: 45_00 });
    expect(await ledgerOf(w, paymentId)).toEqual([
      { kind: 'authorized', moved: 100_00, sum: 0 },
      { kind: 'captured', moved: 50_00, sum: 0 },
      { kind: 'captured', moved: 60_00, sum: 0 },
      { kind: 'released', moved: 45_00, sum: 0 },
    ]);
    expect(await follow(w, 'capture', paymentId)).toBeUndefined();
  });

  it('of a final capture of everything posts no empty release', async () => {
    const paymentId = await authorized(w);
    await succeed(w, (await follow(w, 'capture', paymentId, { final: true }))!);
    expect((await ledgerOf(w, paymentId)).map(({ kind }) => kind)).toEqual(['authorized', 'captured']);
  });

  it('of a final capture that was declined releases nothing, and lets captures be made again', async () => {
    const paymentId = await authorized(w);
    const final = (await follow(w, 'capture', paymentId, { amountMinor: 30_00, final: true }))!;
    expect(await follow(w, 'capture', paymentId, { amountMinor: 1 })).toBeUndefined();
    expect(await complete(w, final.operationId, DECLINED)).toMatchObject({ released: 0, capture_pending: 0 });
    expect(await follow(w, 'capture', paymentId)).toMatchObject({ amountMinor: 100_00 });
  });

  it('of a void gives back exactly what was not captured', async () => {
    const paymentId = await authorized(w);
    await succeed(w, (await follow(w, 'capture', paymentId, { amountMinor: 25_00 }))!);
    const row = await succeed(w, (await follow(w, 'void', paymentId))!);
    expect(row).toMatchObject({ released: 75_00, captured: 25_00, closed_by: 'void' });
    expect((await ledgerOf(w, paymentId)).at(-1)).toEqual({ kind: 'released', moved: 75_00, sum: 0 });
  });

  it('leaves a whole audit trail', async () => {
    expect(await verifyAudit(w.pool, w.tenant)).not.toHaveProperty('firstBreak');
  });
});

describe('the database', () => {
  const entry = async (lines: ReturnType<typeof postings>) => {
    const paymentId = await authorized(w);
    return inTransaction(w.pool, (db) => postEntry(db, w.tenant, { kind: 'test', paymentId, at: new Date(), lines }));
  };
  const balanced = () => postings({ type: 'captured', mid: 'm', amountMinor: 5, currency: 'EUR' });

  it('takes an entry that sums to zero', async () => {
    await expect(entry(balanced())).resolves.toBeUndefined();
  });

  it.each([
    ['in one currency', () => [...balanced(), { account: 'bank', amountMinor: 1, currency: 'EUR' }]],
    [
      'though it does over two currencies',
      () => [
        { account: 'bank', amountMinor: 5, currency: 'EUR' },
        { account: 'sales', amountMinor: -5, currency: 'USD' },
      ],
    ],
  ])('refuses an entry that does not %s', async (_, lines) => {
    await expect(entry(lines())).rejects.toMatchObject({ code: '23514' });
  });

  it.each(['ledger_entries', 'ledger_lines', 'audit_entries'])(
    'lets nobody change, remove or empty %s',
    async (table) => {
      const column = table === 'ledger_lines' ? 'account' : table === 'audit_entries' ? 'type' : 'kind';
      await authorized(w);
      await expect(w.pool.query(`UPDATE ${table} SET ${column} = 'x'`)).rejects.toMatchObject({ code: '23001' });
      await expect(w.pool.query(`DELETE FROM ${table}`)).rejects.toMatchObject({ code: '23001' });
      const error = await w.pool
        .query(`TRUNCATE ${table} CASCADE`)
        .then(String, (reason: { code?: string }) => reason.code);
      expect(error).toBe('23001');
    },
  );

  it.each([
    ['more captures than were authorized', 'captured = 10001'],
    ['more reserved than is left', 'capture_pending = 5001, captured = 5000'],
    ['more released than is left', 'released = 10001'],
    ['more refunds than captures', 'refunded = 1'],
    ['a counter below zero', 'captured = -1'],
  ])('holds the limits by itself: never %s', async (_, change) => {
    const paymentId = await authorized(w);
    await expect(w.pool.query(`UPDATE payments SET ${change} WHERE id = $1`, [paymentId])).rejects.toMatchObject({
      code: '23514',
    });
  });
});
