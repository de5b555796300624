import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { operationIdOfGiveBack } from '../../src/domain/ids.ts';
import { capturable, paymentStatus, refundable } from '../../src/domain/payment.ts';
import { newId } from '../../src/trust/new-id.ts';
import { CaptureBeyond, CEILING, expectSame, modelOf, Outcome, Raise, Reserve, Return } from './payment-commands.ts';
import { TOTAL } from './raise.ts';
import {
  approve,
  authorized,
  charge,
  complete,
  createWorld,
  decisionOf,
  follow,
  ledgerOf,
  paymentOf,
  reserve,
  type World,
} from './world.ts';

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

const AUTHORIZED = 100;

const someCommands = fc.commands(
  [
    fc
      .tuple(
        fc.constantFrom('capture' as const, 'capture' as const, 'refund' as const, 'void' as const),
        fc.integer({ min: 1, max: 70 }),
        fc.boolean(),
      )
      .map((args) => new Reserve(...args)),
    fc
      .tuple(
        fc.nat({ max: 3 }),
        fc.constantFrom('succeeded' as const, 'succeeded' as const, 'declined' as const, 'unknown' as const),
      )
      .map((args) => new Outcome(...args)),
    fc.nat({ max: 3 }).map((which) => new Return(which)),
    fc.integer({ min: 1, max: 60 }).map((amount) => new Raise(amount)),
    fc.integer({ min: 1, max: 20 }).map((amount) => new CaptureBeyond(amount)),
  ],
  { maxCommands: 16, size: '+1' },
);

/** An authorized payment that is all that was ever charged to the world's total. */
async function charged(): Promise<string> {
  await w.pool.query('UPDATE delegations SET budget_spent = 0 WHERE id = $1', [w.delegationId]);
  return authorized(w, AUTHORIZED, [charge(w.delegationId, AUTHORIZED, TOTAL)]);
}

const allow = (multicapture: boolean) =>
  w.pool.query('UPDATE mids SET capabilities = $1', [
    JSON.stringify({ multicapture, overcapture: true, overcapture_percent: CEILING }),
  ]);

describe('the SQL of a payment', () => {
  it.each([
    ['several captures', false],
    ['one capture', true],
  ])(
    'keeps the counters, the status and the refusals of the domain, whatever happens in whatever order, where the account takes %s',
    async (_, single) => {
      await allow(!single);
      await fc.assert(
        fc.asyncProperty(someCommands, async (commands) => {
          const paymentId = await charged();
          const setup = () => ({
            model: { ...modelOf(AUTHORIZED), single },
            real: { w, paymentId },
          });
          await fc.asyncModelRun(setup, commands);
        }),
        // A shrunk case needs a payment of its own, which every run makes.
        { numRuns: 100 },
      );
      await allow(true);
    },
  );

  it('of a grant that nobody accepts gives back what was granted, and lets nothing be captured of it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: AUTHORIZED - 1 }), fc.boolean(), async (granted, captured) => {
        const paymentId = await approve(w, { intent: { ...decisionOf(w).intent, amountMinor: AUTHORIZED } });
        const operationId = newId();
        await reserve(w, paymentId, { operationId, capture: captured ? 'automatic' : 'manual' });
        const grant = { status: 'succeeded', processorReference: 'pr', amountMinor: granted, captured } as const;
        await complete(w, operationId, grant);
        const held = await paymentOf(w, paymentId);
        expect(held).toMatchObject({ phase: 'open', authorized: granted, decline: { code: 'partial_approval' } });
        expect(await follow(w, 'capture', paymentId, { amountMinor: 1 })).toBeUndefined();
        expect(await follow(w, 'void', paymentId)).toBeUndefined();
        const giveBack = operationIdOfGiveBack(operationId);
        await complete(w, giveBack, { status: 'succeeded', processorReference: 'pr', amountMinor: granted });
        const back = await paymentOf(w, paymentId);
        expect(paymentStatus(back, back.phase, back.closed_by ?? undefined)).toBe(captured ? 'refunded' : 'voided');
        expect([capturable(back), refundable(back), back.refund_pending]).toEqual([0, 0, 0]);
        expect((await ledgerOf(w, paymentId)).filter(({ sum }) => sum !== 0)).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });

  it('control: a row that lost a minor unit is noticed', async () => {
    const paymentId = await charged();
    await expectSame(modelOf(AUTHORIZED), { w, paymentId });
    await w.pool.query('UPDATE payments SET released = 1 WHERE id = $1', [paymentId]);
    await expect(expectSame(modelOf(AUTHORIZED), { w, paymentId })).rejects.toThrow('to deeply equal');
  });

  it('control: an addition that is not given back to the running total is noticed', async () => {
    const paymentId = await charged();
    await w.pool.query('UPDATE delegations SET budget_spent = budget_spent + 1 WHERE id = $1', [w.delegationId]);
    await expect(expectSame(modelOf(AUTHORIZED), { w, paymentId })).rejects.toThrow('to deeply equal');
  });
});
