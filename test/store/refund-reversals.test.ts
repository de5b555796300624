import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toTypeId } from '../../src/domain/ids.ts';
import type { EvidenceSays } from '../../src/store/payments/evidence.ts';
import { listConflicts } from '../../src/store/payments/conflicts.ts';
import { tellOperation } from '../../src/store/payments/news.ts';
import { findOperation } from '../../src/store/payments/read.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { findUnreversed, reverseRefund } from '../../src/store/refunds/reverse.ts';
import {
  authorized,
  complete,
  createWorld,
  DECLINED,
  follow,
  ledgerOf,
  paymentOf,
  succeed,
  type World,
} from './world.ts';

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

interface Refund {
  paymentId: string;
  operationId: string;
  amountMinor: number;
}

/** A refund of 40.00 of a captured payment, sent and not answered. */
async function sent(): Promise<Refund> {
  const paymentId = await authorized(w);
  await succeed(w, (await follow(w, 'capture', paymentId, { final: true }))!);
  const refund = (await follow(w, 'refund', paymentId, { amountMinor: 40_00 }))!;
  return { paymentId, ...refund };
}
async function tell({ paymentId, operationId }: Refund, says: EvidenceSays, midId?: string) {
  const payment = await paymentOf(w, paymentId);
  const about = { paymentId, operationId, from: payment.processor!, midId: midId ?? payment.mid_id! };
  const evidence = { source: 'notification', says, detail: 'refund_returned', at: new Date() } as const;
  return inTransaction(w.pool, (db) => tellOperation(db, about, evidence));
}
const statusOf = async ({ operationId }: Refund) =>
  (await findOperation(w.pool, w.tenant, operationId))!.operation.status;
const conflictsOf = ({ paymentId }: Refund) => listConflicts(w.pool, w.tenant, { paymentId, limit: 10 });
const reversals = async ({ paymentId }: Refund) =>
  (await ledgerOf(w, paymentId)).filter(({ kind }) => kind === 'refund_reversed');

describe('a refund that is told to have come back', () => {
  it('is reversed once, by an entry of its own, however often and by whomever it is told', async () => {
    const refund = await sent();
    await succeed(w, refund);
    await Promise.all([tell(refund, 'reversed'), tell(refund, 'reversed'), tell(refund, 'reversed')]);
    await tell(refund, 'reversed');
    expect(await statusOf(refund)).toBe('reversed');
    const payment = await paymentOf(w, refund.paymentId);
    expect(payment).toMatchObject({ captured: 100_00, refunded: 0, refund_pending: 0 });
    expect(payment.needs_attention).toContain('came back');
    expect(await reversals(refund)).toEqual([{ kind: 'refund_reversed', moved: 40_00, sum: 0 }]);
    const { rows } = await w.pool.query<{ type: string }>(
      `SELECT type FROM audit_entries WHERE type = 'payment.refund_reversed' AND subject = $1`,
      [toTypeId('pay', refund.paymentId)],
    );
    expect(rows).toHaveLength(1);
  });

  it('may be made again', async () => {
    const refund = await sent();
    await succeed(w, refund);
    await tell(refund, 'reversed');
    await succeed(w, (await follow(w, 'refund', refund.paymentId, { amountMinor: 100_00 }))!);
    expect(await paymentOf(w, refund.paymentId)).toMatchObject({ refunded: 100_00, needs_attention: null });
  });

  it('is no contradiction, also where the success is told after it', async () => {
    const refund = await sent();
    await succeed(w, refund);
    await tell(refund, 'reversed');
    await tell(refund, 'succeeded');
    await tell(refund, 'failed');
    const failed = await sent();
    await tell(failed, 'reversed');
    await complete(w, failed.operationId, DECLINED);
    await tell(failed, 'succeeded');
    expect([await conflictsOf(refund), await conflictsOf(failed)]).toEqual([[], []]);
    expect([await statusOf(refund), await statusOf(failed)]).toEqual(['reversed', 'declined']);
  });

  it('control: a failure that takes nothing back contradicts, and changes nothing', async () => {
    const refund = await sent();
    await succeed(w, refund);
    await tell(refund, 'failed');
    expect(await conflictsOf(refund)).toMatchObject([{ stands: 'succeeded', told: 'failed' }]);
    expect(await paymentOf(w, refund.paymentId)).toMatchObject({ refunded: 40_00 });
  });

  it('before its success is recorded is reversed afterwards', async () => {
    const refund = await sent();
    await tell(refund, 'reversed');
    const found = async () =>
      (await findUnreversed(w.pool, 100)).filter((one) => one.operationId === refund.operationId);
    expect(await found()).toEqual([]);
    await succeed(w, refund);
    const [late] = await found();
    expect(late).toMatchObject({ tenant: w.tenant, code: 'refund_returned' });
    const reversal = { ...late!, actor: 'processor:alpha', at: new Date() };
    await inTransaction(w.pool, (db) => reverseRefund(db, late!.tenant, reversal));
    expect(await found()).toEqual([]);
    expect(await paymentOf(w, refund.paymentId)).toMatchObject({ refunded: 0 });
  });

  it('by another account than it is at, or in the name of another organization, is not heard', async () => {
    const refund = await sent();
    await succeed(w, refund);
    const stranger = '01890000-0000-7000-8000-000000000000';
    expect(await tell(refund, 'reversed', stranger)).toBeUndefined();
    const foreign = { orgId: stranger, mode: w.tenant.mode };
    const reversal = { operationId: refund.operationId, code: 'x', actor: 'test', at: new Date() };
    expect(await inTransaction(w.pool, (db) => reverseRefund(db, foreign, reversal))).toBeUndefined();
    expect(await statusOf(refund)).toBe('succeeded');
  });

  it('is a conflict where it is a capture that was taken back', async () => {
    const paymentId = await authorized(w);
    const capture = (await follow(w, 'capture', paymentId, { final: true }))!;
    await succeed(w, capture);
    await tell({ paymentId, ...capture }, 'reversed');
    expect(await conflictsOf({ paymentId, ...capture })).toMatchObject([{ stands: 'succeeded', told: 'failed' }]);
    expect(await paymentOf(w, paymentId)).toMatchObject({ captured: 100_00 });
  });
});
