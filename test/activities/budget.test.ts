import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newId } from '../../src/trust/new-id.ts';
import { addDelegation, approve, charge } from '../store/world.ts';
import { createActivityWorld, type ActivityWorld } from './setup.ts';

const APPROVED = 100_00;

let w: ActivityWorld;
let chain: [root: string, child: string];
beforeAll(async () => {
  w = await createActivityWorld();
});
afterAll(() => w.close());
beforeEach(async () => {
  const root = await addDelegation(w);
  chain = [root, await addDelegation(w, root)];
});

async function charged(more: Parameters<typeof approve>[1] = {}): Promise<string> {
  return approve(w, {
    delegationId: chain[1],
    charges: chain.map((id) => charge(id, APPROVED, 10 * APPROVED)),
    ...more,
  });
}

async function spent(): Promise<number[]> {
  const { rows } = await w.pool.query<{ n: number }>(
    'SELECT budget_spent AS n FROM delegations WHERE id = ANY ($1) ORDER BY array_position($1::uuid[], id)',
    [chain],
  );
  return rows.map(({ n }) => n);
}

describe('a step that ends something gives back to the whole chain', () => {
  it('when a challenge, a review or an approval was not used in time', async () => {
    const stages = { challenged: 'challenge', in_review: 'review', approved: 'approved' } as const;
    for (const [stage, decision] of Object.entries(stages) as [keyof typeof stages, 'challenge'][]) {
      const id = await charged({ stage, decision });
      expect(await spent()).toEqual([APPROVED, APPROVED]);
      await w.run('expireStage', 1, w.ref(id), stage);
      expect(await spent()).toEqual([0, 0]);
    }
  });

  it('when an operator denies it', async () => {
    const id = await charged({ stage: 'in_review', decision: 'review' });
    const verdict = { request: w.request(), verdict: 'deny', note: 'no' } as const;
    expect(await w.run('answerReview', 1, w.ref(id), verdict)).toMatchObject({ stage: 'denied' });
    expect(await spent()).toEqual([0, 0]);
  });

  it('when a hold runs out: all of it, or what was not captured', async () => {
    const whole = await charged();
    await w.run('authorizePayment', 1, w.ref(whole), w.payRequest(), 1);
    await w.run('expireHold', 1, w.ref(whole));
    expect(await spent()).toEqual([0, 0]);
    const part = await charged();
    await w.run('authorizePayment', 1, w.ref(part), w.payRequest(), 1);
    const capture = { request: w.request(), operationId: newId(), amountMinor: 30_00, final: false };
    await w.run('capturePayment', 1, w.ref(part), capture);
    expect(await spent()).toEqual([APPROVED, APPROVED]);
    await w.run('expireHold', 1, w.ref(part));
    expect(await spent()).toEqual([30_00, 30_00]);
  });

  it('when a payment is declined, and when it was left between two attempts', async () => {
    const declined = await charged();
    await w.run('authorizePayment', 1, w.ref(declined), w.payRequest('tok_decline_lost'), 1);
    expect(await spent()).toEqual([0, 0]);
    const left = await charged();
    await w.run('authorizePayment', 1, w.ref(left), w.payRequest('tok_unavailable_once@alpha'), 1);
    expect(await spent()).toEqual([APPROVED, APPROVED]);
    await w.run('standingOfPayment', 1, w.ref(left));
    expect(await spent()).toEqual([0, 0]);
  });

  it('and not while the processor’s answer is outstanding, nor for a refund', async () => {
    const id = await charged();
    await w.run('authorizePayment', 1, w.ref(id), w.payRequest('tok_pending'), 1);
    expect(await spent()).toEqual([APPROVED, APPROVED]);
    const refunded = await charged();
    await w.run('authorizePayment', 1, w.ref(refunded), w.payRequest(), 1);
    await w.run('capturePayment', 1, w.ref(refunded), { request: w.request(), operationId: newId(), final: false });
    const refund = { tenant: w.tenant, request: w.request(), paymentId: refunded, operationId: newId() };
    const step = await w.run('refundPayment', 1, { ...refund, timers: w.ref(refunded).timers });
    expect(step).toMatchObject({ kind: 'succeeded' });
    expect(await spent()).toEqual([2 * APPROVED, 2 * APPROVED]);
  });
});
