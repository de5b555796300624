import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assertCounters,
  capturable,
  CounterError,
  failCapture,
  failRefund,
  holdDispute,
  loseDispute,
  openCounters,
  paymentStatus,
  postCapture,
  postRefund,
  releaseRemainder,
  reserveCapture,
  reserveRefund,
  reverseRefund,
  settle,
  winDispute,
} from '../../src/domain/payment.ts';
import type { Counters } from '../../src/domain/payment.ts';

const OPERATIONS = {
  reserveCapture,
  postCapture,
  failCapture,
  releaseRemainder,
  reserveRefund,
  postRefund,
  failRefund,
  reverseRefund,
  holdDispute,
  winDispute,
  loseDispute,
  settle,
};
const someOperation = fc.tuple(
  fc.constantFrom(...(Object.keys(OPERATIONS) as (keyof typeof OPERATIONS)[])),
  fc.integer({ min: 1, max: 60 }),
);

/** A refusal changes nothing, as with the conditional UPDATE that matches no row. */
function attempt(c: Counters, transition: (c: Counters) => Counters): Counters {
  try {
    return transition(c);
  } catch (error) {
    if (error instanceof CounterError && error.code !== 'broken_invariant') return c;
    throw error;
  }
}

/** One request: it reserves, then calls the processor, which moves money or not, then writes down what happened. */
interface Request {
  kind: 'capture' | 'refund';
  amount: number;
  succeeds: boolean;
}
const someRequests = fc.array(
  fc.record({
    kind: fc.constantFrom('capture' as const, 'capture' as const, 'refund' as const),
    amount: fc.integer({ min: 1, max: 80 }),
    succeeds: fc.boolean(),
  }),
  { minLength: 2, maxLength: 6 },
);
/** Which request takes its next step; those that have finished are passed over. */
const someSchedule = fc.array(fc.nat({ max: 5 }), { minLength: 6, maxLength: 24 });

interface World {
  counters: Counters;
  /** What the processor really did. */
  moved: { capture: number; refund: number };
}
type Step = (world: World) => void;

function reserving({ kind, amount, succeeds }: Request): Step[] {
  const [reserve, post, fail] =
    kind === 'capture' ? [reserveCapture, postCapture, failCapture] : [reserveRefund, postRefund, failRefund];
  let reserved = false;
  return [
    (world) => {
      const before = world.counters;
      world.counters = attempt(before, (c) => reserve(c, amount));
      reserved = world.counters !== before;
    },
    (world) => {
      if (reserved && succeeds) world.moved[kind] += amount;
    },
    (world) => {
      if (reserved) world.counters = (succeeds ? post : fail)(world.counters, amount);
    },
  ];
}

/** The control: looks at the limit, calls, and adds afterwards, without setting anything aside. */
function lookingOnly({ kind, amount, succeeds }: Request): Step[] {
  let allowed = false;
  return [
    (world) => {
      const limit = kind === 'capture' ? capturable(world.counters) : world.counters.captured - world.counters.refunded;
      allowed = amount <= limit;
    },
    (world) => {
      if (allowed && succeeds) world.moved[kind] += amount;
    },
    (world) => {
      const name = kind === 'capture' ? 'captured' : 'refunded';
      if (allowed && succeeds) world.counters = { ...world.counters, [name]: world.counters[name] + amount };
    },
  ];
}

function interleave(requests: Request[], schedule: number[], stepsOf: (request: Request) => Step[]): World {
  const world: World = { counters: openCounters(100), moved: { capture: 0, refund: 0 } };
  const queues = requests.map(stepsOf);
  for (const turn of [...schedule, ...queues.flatMap((queue, index) => queue.map(() => index))]) {
    queues[turn % queues.length]!.shift()?.(world);
    assertCounters(world.counters);
    if (world.moved.capture > 100 || world.moved.refund > world.moved.capture) throw new Error('money moved in excess');
  }
  return world;
}

describe('counters', () => {
  it('stay whole under any sequence of operations', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 200 }),
        fc.array(someOperation, { maxLength: 40 }),
        (amount, operations) => {
          let counters = openCounters(amount);
          for (const [name, n] of operations) {
            const next = attempt(counters, (c) => OPERATIONS[name](c, n));
            assertCounters(next);
            expect(next.authorized).toBe(amount);
            counters = next;
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('never let a status go back once the hold is used up', () => {
    const CLOSED = ['captured', 'refunded', 'voided', 'expired'];
    fc.assert(
      fc.property(fc.array(someOperation, { maxLength: 40 }), (operations) => {
        let counters = openCounters(100);
        for (const [name, n] of operations) {
          const before = paymentStatus(counters, 'open');
          counters = attempt(counters, (c) => OPERATIONS[name](c, n));
          const after = paymentStatus(counters, 'open');
          expect(CLOSED.includes(before) && !CLOSED.includes(after)).toBe(false);
          expect(before === 'voided' && after !== 'voided').toBe(false);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('agree with the money under every interleaving of concurrent requests', () => {
    fc.assert(
      fc.property(someRequests, someSchedule, (requests, schedule) => {
        const { counters, moved } = interleave(requests, schedule, reserving);
        expect(counters).toMatchObject({
          captured: moved.capture,
          refunded: moved.refund,
          capture_pending: 0,
          refund_pending: 0,
        });
      }),
      { numRuns: 1000 },
    );
  });

  it('would not without the reservation: the same interleavings move money in excess', () => {
    const found = fc.check(
      fc.property(someRequests, someSchedule, (requests, schedule) => {
        interleave(requests, schedule, lookingOnly);
      }),
      { numRuns: 1000, seed: 7 },
    );
    expect(found.failed).toBe(true);
  });
});
