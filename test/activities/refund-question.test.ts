import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openQuestion } from '../../src/activities/money/open-question.ts';
import type { RefundInput } from '../../src/domain/messages.ts';
import { activatePolicy, insertPolicy } from '../../src/store/policies.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { insertStop, liftFreeze, standAlone } from '../../src/store/stops/begin.ts';
import { closeUnder } from '../../src/store/stops/close-under.ts';
import { viewStop } from '../../src/store/stops/read.ts';
import { newId } from '../../src/trust/new-id.ts';
import { approve } from '../store/world.ts';
import { createActivityWorld, TIMERS, type ActivityWorld } from './setup.ts';

let w: ActivityWorld;
let policyId: string;
beforeAll(async () => {
  w = await createActivityWorld();
  const rules = { step_up_above: 50_00 };
  ({ id: policyId } = await inTransaction(w.pool, (db) => insertPolicy(db, w.tenant, { name: 'refunds', rules })));
  await inTransaction(w.pool, (db) => activatePolicy(db, w.tenant, policyId, new Date()));
});
afterAll(() => w.close());

const ASKED = ['principal', 'operator'] as const;

/** A refund that waits for somebody's yes as soon as it is asked for. */
async function refundFor(asked: (typeof ASKED)[number]): Promise<RefundInput> {
  await w.pool.query('UPDATE principals SET totp_secret_sealed = $1', [asked === 'principal' ? 'sealed' : null]);
  const id = await approve(w, { policyId });
  await w.run('authorizePayment', 1, w.ref(id), w.payRequest(), 1);
  await w.run('capturePayment', 1, w.ref(id), { request: w.request(), operationId: newId(), final: false });
  return { tenant: w.tenant, request: w.request(), paymentId: id, operationId: newId(), timers: TIMERS };
}

/** A freeze of the agent that is committed once `meanwhile` waits for it. */
async function freezeAround<T>(meanwhile: () => Promise<T>): Promise<{ id: string; made: T }> {
  const id = newId();
  let commit = () => {};
  const told = new Promise<void>((resolve) => (commit = resolve));
  let begun = () => {};
  const inForce = new Promise<void>((resolve) => (begun = resolve));
  const order = { targetKind: 'agent', target: w.agentId, reason: 'odd', actor: 'test', voidOpen: false } as const;
  const committed = inTransaction(w.pool, async (db) => {
    await standAlone(db, w.tenant);
    await insertStop(db, w.tenant, { id, kind: 'freeze', ...order, at: new Date() });
    begun();
    await told;
  });
  await inForce;
  const made = meanwhile();
  await waitsForLock();
  commit();
  await committed;
  return { id, made: await made };
}

/** Until a transaction waits for the one that freezes. */
async function waitsForLock(): Promise<void> {
  for (let tried = 0; tried < 500; tried++) {
    const { rowCount } = await w.pool.query(
      `SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    );
    if (rowCount === 1) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('nothing waits for the freeze');
}

const lift = (id: string) => liftFreeze(w.pool, w.tenant, { id, actor: 'test', reason: 'over', at: new Date() });

describe('a question about a refund', () => {
  const answer = { fingerprint: 'fingerprint', status: 202, body: {} };

  it('is not asked when a freeze was committed after the refund was judged', async () => {
    const input = await refundFor('principal');
    let kept = 0;
    const keep = async () => void (kept += 1);
    const { id, made } = await freezeAround(() => openQuestion(w.deps, input, answer, keep));
    expect([made, kept]).toMatchObject([{ kind: 'refused', code: 'frozen' }, 0]);
    await lift(id);
    // The control.
    expect([await openQuestion(w.deps, input, answer, keep), kept]).toEqual([undefined, 1]);
  });
});

describe('a refund by a clock that is not that of the database', () => {
  it('is not judged, until the clock is right', async () => {
    const input = await refundFor('operator');
    w.deps.now = () => new Date(Date.now() + 600_000);
    await expect(w.run('refundPayment', 1, input)).rejects.toThrow('differs from the database');
    w.deps.now = () => new Date();
    expect(await w.run('refundPayment', 2, input)).toMatchObject({ kind: 'waits' });
  });
});

describe.each(ASKED)('a refund that %s is asked about', (asked) => {
  it('waits no more once a freeze has closed it, also when the step is taken again', async () => {
    const input = await refundFor(asked);
    expect(await w.run('refundPayment', 1, input)).toMatchObject({ kind: 'waits' });
    const order = { targetKind: 'agent', target: w.agentId, reason: 'odd', actor: 'test', voidOpen: false } as const;
    const { id } = await inTransaction(w.pool, async (db) => {
      await standAlone(db, w.tenant);
      return insertStop(db, w.tenant, { id: newId(), kind: 'freeze', ...order, at: new Date() });
    });
    // Whoever asked for the stop and its workflow may both do it.
    await Promise.all([1, 2].map(() => closeUnder(w.pool, w.tenant, id, () => new Date())));
    expect((await viewStop(w.pool, w.tenant, id))!.stopped.refunds).toBeGreaterThanOrEqual(1);
    const refused = { kind: 'refused', code: 'frozen', detail: 'Frozen while it waited: odd' };
    expect(await w.run('refundPayment', 2, input)).toEqual(refused);
    await lift(id);
    expect(await w.run('refundPayment', 2, input)).toEqual(refused);
    const { rows } = await w.pool.query('SELECT response FROM idempotency_keys WHERE key = $1', [input.request.key]);
    expect(rows[0]).toMatchObject({ response: { code: 'frozen' } });
    expect((await w.effects(input.paymentId)).filter(({ type }) => type === 'refund')).toEqual([]);
  });
});
