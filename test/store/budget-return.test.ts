import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { returnBudget } from '../../src/store/budget-return.ts';
import { revokeDelegations } from '../../src/store/revocation.ts';
import { insertStop, standAlone } from '../../src/store/stops/begin.ts';
import { closeUnder } from '../../src/store/stops/close-under.ts';
import { viewStop } from '../../src/store/stops/read.ts';
import { holdExecution, redecide } from '../../src/store/executions/redecide.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { newId } from '../../src/trust/new-id.ts';
import { addDelegation, approve, charge, complete, createWorld, DECLINED, follow, reserve, succeed } from './world.ts';
import type { World } from './world.ts';

/** What `approve` approves, in minor units. */
const APPROVED = 100_00;
const LIMIT = 500_00;

let w: World;
let chain: string[];
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());
beforeEach(async () => {
  const root = await addDelegation(w);
  const middle = await addDelegation(w, root);
  chain = [root, middle, await addDelegation(w, middle)];
});

/** An approval that is charged to all three, each in a window of its own. */
async function charged(): Promise<string> {
  const charges = chain.map((id, window) => ({ ...charge(id, APPROVED, LIMIT), window }));
  return approve(w, { delegationId: chain.at(-1)!, charges });
}

/** Spent by each of the chain, root first. */
async function spent(): Promise<number[]> {
  const { rows } = await w.pool.query<{ n: number }>(
    'SELECT budget_spent AS n FROM delegations WHERE id = ANY ($1) ORDER BY array_position($1::uuid[], id)',
    [chain],
  );
  return rows.map(({ n }) => n);
}
const all = (amount: number): number[] => chain.map(() => amount);

async function pay(executionId: string, amountMinor = APPROVED, more: Parameters<typeof reserve>[2] = {}) {
  const operationId = newId();
  await reserve(w, executionId, { operationId, ...more });
  return complete(w, operationId, { status: 'succeeded', processorReference: 'pr', amountMinor });
}

async function reconsider(id: string, stage: 'denied' | 'lapsed' | 'approved'): Promise<void> {
  await inTransaction(w.pool, async (db) => {
    const row = (await holdExecution(db, w.tenant, id))!;
    const { decision, reasons, risk, risk_payload_jws: riskPayloadJws } = row;
    const dates = { challengeStatus: null, tokenExpiresAt: null, reviewExpiresAt: null, at: new Date() };
    await redecide(db, w.tenant, row, { stage, decision, reasons, risk, riskPayloadJws, ...dates });
  });
}

/** Both halves of a revocation. @returns its stop */
async function revoke(delegationId: string): Promise<string> {
  const at = new Date();
  const { id } = await inTransaction(w.pool, async (db) => {
    await standAlone(db, w.tenant);
    await revokeDelegations(db, w.tenant, 'delegation', delegationId, { at, reason: 'left' });
    const target = { kind: 'revocation', targetKind: 'delegation', target: delegationId } as const;
    return insertStop(db, w.tenant, { id: newId(), ...target, reason: 'left', actor: 'test', voidOpen: false, at });
  });
  await closeUnder(w.pool, w.tenant, id, () => new Date());
  return id;
}

describe('every delegation of the chain gets back', () => {
  it('all of what was denied, or has lapsed; nothing while it stands', async () => {
    for (const stage of ['denied', 'lapsed'] as const) {
      const id = await charged();
      await reconsider(id, 'approved');
      expect(await spent()).toEqual(all(APPROVED));
      await reconsider(id, stage);
      expect(await spent()).toEqual(all(0));
      await reconsider(id, stage);
      expect(await spent()).toEqual(all(0));
    }
  });

  it('all of what waits under a revocation', async () => {
    const paying = await charged();
    await pay(paying);
    await charged();
    await charged();
    expect(await spent()).toEqual(all(3 * APPROVED));
    const id = await revoke(chain[1]!);
    expect((await viewStop(w.pool, w.tenant, id))!.stopped.executions).toBe(2);
    expect(await spent()).toEqual(all(APPROVED));
  });

  it('all of a payment that failed', async () => {
    const operationId = newId();
    await reserve(w, await charged(), { operationId });
    await complete(w, operationId, DECLINED);
    expect(await spent()).toEqual(all(0));
  });

  it('nothing while the outcome of a payment is unknown', async () => {
    const operationId = newId();
    await reserve(w, await charged(), { operationId });
    await complete(w, operationId, { status: 'unknown', reason: 'lost' });
    expect(await spent()).toEqual(all(APPROVED));
    await complete(w, operationId, { status: 'succeeded', processorReference: 'pr', amountMinor: APPROVED });
    expect(await spent()).toEqual(all(APPROVED));
  });

  it('all of a void, and of a void after a capture the rest', async () => {
    const whole = await charged();
    await pay(whole);
    await succeed(w, (await follow(w, 'void', whole))!);
    expect(await spent()).toEqual(all(0));
    const part = await charged();
    await pay(part);
    await succeed(w, (await follow(w, 'capture', part, { amountMinor: 30_00 }))!);
    expect(await spent()).toEqual(all(APPROVED));
    await succeed(w, (await follow(w, 'void', part))!);
    expect(await spent()).toEqual(all(30_00));
  });

  it('what a final capture releases, and nothing by a refund', async () => {
    const id = await charged();
    await pay(id);
    await succeed(w, (await follow(w, 'capture', id, { amountMinor: 70_00, final: true }))!);
    expect(await spent()).toEqual(all(70_00));
    await succeed(w, (await follow(w, 'refund', id))!);
    expect(await spent()).toEqual(all(70_00));
  });

  it('what was not asked for, or not authorized', async () => {
    await pay(await charged(), 40_00, { amountMinor: 40_00 });
    expect(await spent()).toEqual(all(40_00));
    await pay(await charged(), 25_00);
    expect(await spent()).toEqual(all(65_00));
  });

  it('nothing twice, whoever asks at once', async () => {
    const [one, other] = [await charged(), await charged()];
    expect(await spent()).toEqual(all(2 * APPROVED));
    await Promise.all(Array.from({ length: 6 }, () => returnBudget(w.pool, w.tenant, [one], 10_00)));
    expect(await spent()).toEqual(all(APPROVED + 10_00));
    await Promise.all([[one, other], [other, one], [one]].map((ids) => returnBudget(w.pool, w.tenant, ids, 0)));
    expect(await spent()).toEqual(all(0));
  });
});

describe('a window that has passed', () => {
  it('gets nothing back, and neither does the one that came after it', async () => {
    const id = await charged();
    await w.pool.query('UPDATE delegations SET budget_window = 7, budget_spent = 20 WHERE id = $1', [chain[1]]);
    await returnBudget(w.pool, w.tenant, [id], 0);
    expect(await spent()).toEqual([0, 20, 0]);
  });

  it('is the one that was charged, not the one of the time of the decision', async () => {
    // The middle is charged in window 1, though it was made just now: gathered before a boundary, committed after it.
    const id = await charged();
    const { rows } = await w.pool.query(
      'SELECT budget_window AS n FROM delegations WHERE id = ANY ($1) ORDER BY array_position($1::uuid[], id)',
      [chain],
    );
    expect(rows).toEqual([{ n: 0 }, { n: 1 }, { n: 2 }]);
    await returnBudget(w.pool, w.tenant, [id], 0);
    expect(await spent()).toEqual(all(0));
  });
});

describe('another tenant', () => {
  it('gives nothing back', async () => {
    const id = await charged();
    await returnBudget(w.pool, { ...w.tenant, mode: 'live' }, [id], 0);
    expect(await spent()).toEqual(all(APPROVED));
  });
});

describe('a revocation', () => {
  it.each([
    'after',
    // As they may, made within one millisecond.
    'before',
  ])(
    'and those who leave a stage do not block each other for good, where ids of sub-delegations come %s',
    async (order) => {
      if (order === 'before') {
        const root = await addDelegation(w);
        const [later, earlier] = [newId(Date.now() + 2), newId(Date.now() + 1)];
        await addDelegation(w, root, undefined, later);
        chain = [root, later, await addDelegation(w, later, undefined, earlier)];
      }
      for (let round = 0; round < 5; round++) {
        const ids = await Promise.all([charged(), charged(), charged()]);
        const leave = ids.map((id) => reconsider(id, 'denied'));
        await Promise.all([revoke(chain[1]!), ...leave]);
        expect(await spent()).toEqual(all(0));
        await w.pool.query(`UPDATE delegations SET status = 'active' WHERE id = ANY ($1)`, [chain]);
        await w.pool.query('UPDATE stops SET target = id');
      }
    },
  );
});
