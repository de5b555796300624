import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { LaneReport, StopRef } from '../../src/activities/types.ts';
import { findKey } from '../../src/store/executions/read.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { insertStop, liftFreeze, standAlone, type StopRow } from '../../src/store/stops/begin.ts';
import { closeUnder } from '../../src/store/stops/close-under.ts';
import { viewStop } from '../../src/store/stops/read.ts';
import { operationIdOfAttempt } from '../../src/domain/ids.ts';
import { newId } from '../../src/trust/new-id.ts';
import { approve, decisionOf, ledgerOf, paymentOf } from '../store/world.ts';
import { createActivityWorld, type ActivityWorld } from './setup.ts';

let w: ActivityWorld;
let inForce: StopRow | undefined;
/** A merchant of its own for each test: what is under the freeze is what the test has made. */
let merchantRef: string;
beforeAll(async () => {
  w = await createActivityWorld();
});
afterAll(() => w.close());
beforeEach(() => void (merchantRef = `mrc_${newId()}`));
afterEach(async () => {
  if (inForce) await liftFreeze(w.pool, w.tenant, { id: inForce.id, actor: 'test', reason: 'over', at: new Date() });
  inForce = undefined;
});

async function freeze(): Promise<StopRef> {
  const order = { targetKind: 'merchant', target: merchantRef, reason: 'test', actor: 'test', voidOpen: true } as const;
  inForce = await inTransaction(w.pool, async (db) => {
    await standAlone(db, w.tenant);
    return insertStop(db, w.tenant, { id: newId(), kind: 'freeze', ...order, at: new Date() });
  });
  await closeUnder(w.pool, w.tenant, inForce.id, () => new Date());
  return { tenant: w.tenant, stopId: inForce.id, visibilityLagMs: 50 };
}
const view = async ({ stopId }: StopRef) => (await viewStop(w.pool, w.tenant, stopId))!;

const approved = () => approve(w, { intent: { ...decisionOf(w).intent, merchantRef } });

async function holds(count: number): Promise<string[]> {
  const ids = [];
  for (let i = 0; i < count; i++) {
    const id = await approved();
    await w.run('authorizePayment', 1, w.ref(id), w.payRequest(), 1);
    ids.push(id);
  }
  return ids;
}

describe('an attempt at the next processor under a freeze', () => {
  it('is not made: the payment has failed, its key answers so, and nothing was sent', async () => {
    const executionId = await approved();
    const pay = w.payRequest('tok_unavailable_once@alpha');
    const first = await w.run('authorizePayment', 1, w.ref(executionId), pay, 1);
    expect(first).toMatchObject({ kind: 'failed', failover: true });
    await freeze();
    w.calls();
    const next = { ...pay, operationId: operationIdOfAttempt(pay.operationId, 2) };
    const second = await w.run('authorizePayment', 1, w.ref(executionId), next, 2);
    expect(second).toEqual({ kind: 'failed', class: 'not_sent', code: 'frozen', failover: false });
    expect(w.calls()).toEqual({});
    expect(await w.effects(executionId)).toEqual([]);
    expect(await paymentOf(w, executionId)).toMatchObject({ phase: 'failed', decline: { code: 'frozen' } });
    expect(await findKey(w.pool, w.tenant, pay.request.key)).toMatchObject({
      status: 402,
      response: { payment: { decline: { code: 'frozen' } } },
    });
    // The same step again, after its worker died.
    expect(await w.run('authorizePayment', 2, w.ref(executionId), next, 2)).toEqual(second);
  });

  it('is made without one', async () => {
    const executionId = await approved();
    const pay = w.payRequest('tok_unavailable_once@alpha');
    await w.run('authorizePayment', 1, w.ref(executionId), pay, 1);
    const next = { ...pay, operationId: operationIdOfAttempt(pay.operationId, 2) };
    expect(await w.run('authorizePayment', 1, w.ref(executionId), next, 2)).toMatchObject({ kind: 'succeeded' });
  });
});

describe('voiding the holds of a freeze', () => {
  it('gives each back once, whatever runs beside it', async () => {
    const ids = await holds(6);
    const ref = await freeze();
    const midId = w.mids[0]!.id;
    const passes: LaneReport[] = await Promise.all([
      w.run('voidHolds', 1, ref, midId, false),
      w.run('voidHolds', 1, ref, midId, false),
    ]);
    expect(passes.every(({ stuck }) => !stuck)).toBe(true);
    const { voided, stillDangerous } = await view(ref);
    expect({ voided: new Set(voided), stillDangerous }).toEqual({ voided: new Set(ids), stillDangerous: [] });
    for (const id of ids) {
      expect((await w.effects(id)).map(({ type }) => type)).toEqual(['authorize', 'void']);
      expect((await ledgerOf(w, id)).map(({ sum }) => sum)).toEqual([0, 0]);
    }
  });

  it('goes on after a pass that died in its call, and does not void again', async () => {
    const [id] = await holds(1);
    const ref = await freeze();
    const midId = w.mids[0]!.id;
    const died = w.dieIn('void', 'after');
    void w.run('voidHolds', 1, ref, midId, false);
    await died;
    expect(await view(ref)).toMatchObject({ voided: [], stillDangerous: [{ paymentId: id, why: 'void_in_flight' }] });
    // Its sender may still be at it: left alone, and not called stopped.
    expect(await w.run('voidHolds', 1, ref, midId, false)).toMatchObject({ tried: 0 });
    w.deps.now = () => new Date(Date.now() + 60_000);
    try {
      expect(await w.run('voidHolds', 2, ref, midId, false)).toEqual({ tried: 1, stuck: false, absent: false });
    } finally {
      w.deps.now = () => new Date();
    }
    expect(await view(ref)).toMatchObject({ voided: [id], stillDangerous: [] });
    expect((await w.effects(id!)).map(({ type }) => type)).toEqual(['authorize', 'void']);
  });

  it('stops at the first call that is not answered', async () => {
    const ids = await holds(3);
    const ref = await freeze();
    await w.control('outage', { processor: 'alpha', mode: 'refuse' });
    const pass = await w.run('voidHolds', 1, ref, w.mids[0]!.id, true);
    await w.control('outage', { processor: 'alpha', mode: 'off' });
    expect(pass).toEqual({ tried: 1, stuck: true, absent: false });
    const { stillDangerous } = await view(ref);
    expect(new Set(stillDangerous.map(({ paymentId }) => paymentId))).toEqual(new Set(ids));
  });

  it('is confirmed by the look that finds nothing dangerous, and by no other', async () => {
    await holds(1);
    const ref = await freeze();
    expect(await w.run('reviewStop', 1, ref, [])).toMatchObject({
      status: 'in_progress',
      dangers: 1,
      midIds: [w.mids[0]!.id],
    });
    await w.run('voidHolds', 1, ref, w.mids[0]!.id, false);
    const waiting = w.deps.replies.next(w.tenant, ref.stopId, 2_000);
    expect(await w.run('reviewStop', 1, ref, ['test'])).toMatchObject({ status: 'confirmed', dangers: 0, untold: 1 });
    expect(await waiting.committed).toMatchObject({ status: 200 });
  });
});

describe('telling the workflows', () => {
  it('goes on until each has heard, and says what it was', async () => {
    const [paid] = await holds(1);
    const unspent = await approved();
    const ref = await freeze();
    await w.run('voidHolds', 1, ref, w.mids[0]!.id, false);
    const told: [string, string][] = [];
    let failures = 1;
    w.deps.signal = async (workflowId, name) => {
      if (failures-- > 0) throw new Error('away');
      told.push([workflowId, name]);
      return true;
    };
    try {
      await expect(w.run('tellStopped', 1, ref)).rejects.toThrow('away');
      await w.run('tellStopped', 2, ref);
      await w.run('tellStopped', 3, ref);
    } finally {
      w.deps.signal = async () => true;
    }
    const { workflow_id } = await paymentOf(w, paid!);
    expect(new Set(told.map((one) => one.join(' ')))).toEqual(
      new Set([`exec:${unspent} revoked`, `${workflow_id} look`]),
    );
    expect(told).toHaveLength(2);
  });
});
