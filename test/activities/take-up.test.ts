import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { operationIdOfAttempt } from '../../src/domain/ids.ts';
import { insertStop, liftFreeze } from '../../src/store/stops/begin.ts';
import { newId } from '../../src/trust/new-id.ts';
import { approve, ledgerOf, paymentOf } from '../store/world.ts';
import { createActivityWorld, dead, type ActivityWorld } from './setup.ts';

let w: ActivityWorld;
beforeAll(async () => {
  w = await createActivityWorld();
});
afterAll(() => w.close());
beforeEach(() => void w.calls());

const statusOf = async (id: string) =>
  (await w.pool.query<{ status: string }>('SELECT status FROM operations WHERE id = $1', [id])).rows[0]?.status;

/** A step of a payment: how it is run, and what it has done in the end. */
async function stepOf(kind: (typeof KINDS)[number]) {
  const executionId = await approve(w);
  const pay = w.payRequest();
  const ref = w.ref(executionId);
  const operationId = kind === 'authorize' ? pay.operationId : newId();
  const request = w.request();
  if (kind !== 'authorize') await w.run('authorizePayment', 1, ref, pay, 1);
  if (kind === 'refund')
    await w.run('capturePayment', 1, ref, { request: w.request(), operationId: newId(), final: false });
  const run = (attempt: number) => {
    switch (kind) {
      case 'authorize':
        return w.run('authorizePayment', attempt, ref, pay, 1);
      case 'increment':
        return w.run('incrementPayment', attempt, {
          tenant: w.tenant,
          request,
          paymentId: executionId,
          operationId,
          amountMinor: 30_00,
          timers: ref.timers,
        });
      case 'capture':
        return w.run('capturePayment', attempt, ref, { request, operationId, final: false });
      case 'void':
        return w.run('voidPayment', attempt, ref, { request, operationId });
      case 'refund':
        return w.run('refundPayment', attempt, {
          tenant: w.tenant,
          request,
          paymentId: executionId,
          operationId,
          timers: ref.timers,
        });
    }
  };
  w.calls();
  return { executionId, operationId, run };
}

const KINDS = ['authorize', 'increment', 'capture', 'void', 'refund'] as const;
const DONE = {
  authorize: { authorized: 100_00, captured: 0 },
  increment: { authorized: 130_00, increment_pending: 0 },
  capture: { captured: 100_00, capture_pending: 0 },
  void: { released: 100_00, void_pending: false },
  refund: { refunded: 100_00, refund_pending: 0 },
};

describe.each(KINDS)('a run of %s after one that died in the call', (kind) => {
  it.each([1, 2])('records what the processor did, and does not send it again (attempt %d)', async (attempt) => {
    const { executionId, operationId, run } = await stepOf(kind);
    await dead(w.dieIn(kind, 'after'), run(1));
    expect(await statusOf(operationId)).toBe('sent');
    w.calls();
    // A worker that takes over begins at attempt 1: what stands in the database tells it, not the number.
    expect(await run(attempt)).toMatchObject({ kind: 'succeeded' });
    expect(w.calls()).toEqual({ query: 1 });
    expect(await paymentOf(w, executionId)).toMatchObject(DONE[kind]);
    const effects = (await w.effects(executionId)).filter(({ type }) => type === kind);
    expect(effects).toMatchObject([{ operation_id: operationId }]);
  });

  it('sends nothing but a void while a freeze is in force, and says that the outcome is open', async () => {
    const { executionId, operationId, run } = await stepOf(kind);
    await dead(w.dieIn(kind, 'before'), run(1));
    w.calls();
    const target = { kind: 'freeze', targetKind: 'agent', target: w.agentId } as const;
    const at = new Date();
    const order = { id: newId(), ...target, reason: 'test', actor: 'test', voidOpen: false, at };
    const { id } = await insertStop(w.pool, w.tenant, order);
    try {
      const isVoid = kind === 'void';
      expect(await run(2)).toMatchObject({ kind: isVoid ? 'succeeded' : 'unknown' });
      expect(w.calls()).toEqual({ query: 1, ...(isVoid ? { void: 1 } : {}) });
      expect((await w.effects(executionId)).filter(({ type }) => type === kind)).toHaveLength(isVoid ? 1 : 0);
      expect(await statusOf(operationId)).toBe(isVoid ? 'succeeded' : 'unknown');
      if (isVoid) return;
      // Asked again long after: still nothing is sent, until the freeze is lifted.
      const operation = { tenant: w.tenant, paymentId: executionId, operationId, visibilityLagMs: 0 };
      expect(await w.run('resolveOperation', 1, operation)).toEqual({ kind: 'unknown' });
      await liftFreeze(w.pool, w.tenant, { id, actor: 'test', reason: 'over', at });
      expect(await w.run('resolveOperation', 1, operation)).toMatchObject({ kind: 'succeeded' });
      expect(await paymentOf(w, executionId)).toMatchObject(DONE[kind]);
    } finally {
      await liftFreeze(w.pool, w.tenant, { id, actor: 'test', reason: 'over', at });
    }
  });

  it('sends what the processor never saw, under the same key', async () => {
    const { executionId, operationId, run } = await stepOf(kind);
    await dead(w.dieIn(kind, 'before'), run(1));
    w.calls();
    expect(await run(2)).toMatchObject({ kind: 'succeeded' });
    expect(w.calls()).toEqual({ query: 1, [kind]: 1 });
    expect(await paymentOf(w, executionId)).toMatchObject(DONE[kind]);
    const effects = (await w.effects(executionId)).filter(({ type }) => type === kind);
    expect(effects).toMatchObject([{ operation_id: operationId }]);
    expect(await statusOf(operationId)).toBe('succeeded');
  });

  it('leaves it open when the processor cannot be asked, and finds it later', async () => {
    const { executionId, operationId, run } = await stepOf(kind);
    await dead(w.dieIn(kind, 'after'), run(1));
    await w.control('script', { operation: 'query', fault: 'unavailable', times: 1 });
    expect(await run(2)).toMatchObject({ kind: 'unknown' });
    expect(await statusOf(operationId)).toBe('unknown');
    const evidence = { tenant: w.tenant, paymentId: executionId, operationId, visibilityLagMs: 50 };
    expect(await w.run('resolveOperation', 1, evidence)).toMatchObject({ kind: 'succeeded' });
    expect(await paymentOf(w, executionId)).toMatchObject(DONE[kind]);
    expect((await w.effects(executionId)).filter(({ type }) => type === kind)).toHaveLength(1);
  });

  it('says again what was recorded, and asks nobody', async () => {
    const { executionId, run } = await stepOf(kind);
    const first = await run(1);
    w.calls();
    const entries = await ledgerOf(w, executionId);
    expect(await run(2)).toEqual(first);
    expect(await run(1)).toEqual(first);
    expect(w.calls()).toEqual({});
    expect(await ledgerOf(w, executionId)).toEqual(entries);
  });

  it('control: an operation that nobody made has no effect', async () => {
    const { executionId } = await stepOf(kind);
    expect((await w.effects(executionId)).filter(({ type }) => type === kind)).toEqual([]);
  });
});

describe('an authorization that was reserved, and not sent, before its authority was withdrawn', () => {
  it('is never sent: it has failed once the processor did not know it twice', async () => {
    const { executionId, operationId, run } = await stepOf('authorize');
    await dead(w.dieIn('authorize', 'before'), run(1));
    w.calls();
    await w.pool.query(`UPDATE delegations SET status = 'revoked', revoked_at = now() WHERE id = $1`, [w.delegationId]);
    try {
      expect(await run(2)).toMatchObject({ kind: 'unknown' });
      const operation = { tenant: w.tenant, paymentId: executionId, operationId, visibilityLagMs: 0 };
      const ended = { kind: 'failed', class: 'not_sent', code: 'authority_withdrawn', failover: false };
      expect(await w.run('resolveOperation', 1, operation)).toEqual(ended);
      expect(w.calls()).toEqual({ query: 2 });
      expect(await w.effects(executionId)).toEqual([]);
      expect(await paymentOf(w, executionId)).toMatchObject({ phase: 'failed', authorized: 0 });
    } finally {
      await w.pool.query(`UPDATE delegations SET status = 'active', revoked_at = NULL WHERE id = $1`, [w.delegationId]);
    }
  });

  it('is recorded when it had arrived: the money is held, whatever was withdrawn', async () => {
    const { executionId, run } = await stepOf('authorize');
    await dead(w.dieIn('authorize', 'after'), run(1));
    await w.pool.query(`UPDATE delegations SET status = 'revoked', revoked_at = now() WHERE id = $1`, [w.delegationId]);
    try {
      expect(await run(2)).toMatchObject({ kind: 'succeeded' });
      expect(await paymentOf(w, executionId)).toMatchObject(DONE.authorize);
    } finally {
      await w.pool.query(`UPDATE delegations SET status = 'active', revoked_at = NULL WHERE id = $1`, [w.delegationId]);
    }
  });
});

describe('the loser of two runs at the same time', () => {
  it('finds what the other made of it: one effect', async () => {
    const { executionId, run } = await stepOf('authorize');
    const steps = await Promise.all([run(1), run(1), run(2)]);
    expect(steps.map((step) => step.kind)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect(await paymentOf(w, executionId)).toMatchObject(DONE.authorize);
    expect(await w.effects(executionId)).toMatchObject([{ type: 'authorize' }]);
  });
});

describe('absence', () => {
  it('is believed only when seen twice, the visibility lag apart; then it is sent again under the same key', async () => {
    const executionId = await approve(w);
    const pay = w.payRequest('tok_lost_request');
    expect(await w.run('authorizePayment', 1, w.ref(executionId), pay, 1)).toMatchObject({ kind: 'unknown' });
    const ask = (visibilityLagMs: number) =>
      w.run('resolveOperation', 1, {
        tenant: w.tenant,
        paymentId: executionId,
        operationId: pay.operationId,
        visibilityLagMs,
      });
    w.calls();
    expect(await ask(60_000)).toMatchObject({ kind: 'unknown' });
    expect(w.calls()).toEqual({ query: 1 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await ask(1)).toMatchObject({ kind: 'succeeded' });
    expect(await w.effects(executionId)).toHaveLength(1);
  });
});

describe('an attempt that another has followed', () => {
  it('sends whoever asks about it again on to that, whatever has become of it', async () => {
    const executionId = await approve(w);
    const pay = w.payRequest('tok_decline_generic@alpha');
    const ref = w.ref(executionId);
    const second = { ...pay, operationId: operationIdOfAttempt(pay.operationId, 2) };
    const again = () => w.run('authorizePayment', 1, ref, pay, 1);
    // The control: it failed, and nobody was asked after it.
    expect(await again()).toMatchObject({ kind: 'failed', failover: true });
    await dead(w.dieIn('authorize', 'after'), w.run('authorizePayment', 1, ref, second, 2));
    for (const outcome of ['found', 'repeated']) {
      expect([outcome, await again()]).toMatchObject([outcome, { kind: 'failed', failover: true }]);
      expect(await w.run('authorizePayment', 1, ref, second, 2)).toMatchObject({ kind: 'succeeded' });
    }
    expect((await w.effects(executionId)).filter(({ type }) => type === 'authorize')).toHaveLength(1);
  });
});
