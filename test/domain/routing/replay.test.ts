import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createReplay } from '../../../src/domain/routing/replay.ts';
import type { ActiveRouting, MidCandidate, RouteWanted } from '../../../src/domain/routing.ts';

const mid = (midId: string, change: Partial<MidCandidate> = {}): MidCandidate => ({
  midId,
  processor: midId,
  mid: midId,
  kind: 'simulator',
  priority: 10,
  enabled: true,
  ...change,
});
const to = (...processors: string[]): ActiveRouting => ({
  id: 'rules',
  name: 'rules',
  version: 1,
  rules: [
    {
      name: 'all',
      when: {},
      targets: processors.map((processor) => ({ processor })),
      strategy: 'priority',
      fallback: 'none',
    },
  ],
});
const want = (paymentId: string, amountMinor = 10_000): RouteWanted => ({
  paymentId,
  currency: 'EUR',
  amountMinor,
  method: 'token',
});

describe('a replay', () => {
  it('says who would move where, with what approvals and costs', () => {
    const mids = [mid('a', { cost: { basisPoints: 100 } }), mid('b', { cost: { basisPoints: 150 } })];
    const replay = createReplay(mids, to('b'), 0);
    for (let i = 0; i < 40; i++) {
      const midId = i % 2 === 0 ? 'a' : 'b';
      replay.add({ want: want(`${i}`), midId, attempts: [{ midId, approved: midId === 'b' || i % 4 === 0 }] });
    }
    const report = replay.report();
    expect(report).toMatchObject({
      replayed: 40,
      moved: 20,
      unroutable: 0,
      moves: [{ from: 'a', to: 'b', payments: 20, amounts: { EUR: 200_000 } }],
      byRule: { all: 40 },
      costDelta: { EUR: 1_000 },
      unproven: 0,
    });
    expect(report.rateAfter!).toBeGreaterThan(report.rateBefore!);
  });

  it('counts what nobody would take, and guesses as guesses', () => {
    const replay = createReplay([mid('a'), mid('b')], to('c'), 0);
    replay.add({ want: want('1'), midId: 'a', attempts: [{ midId: 'a', approved: true }] });
    expect(replay.report()).toMatchObject({ moved: 0, unroutable: 1, moves: [{ from: 'a', to: null }] });
    const guess = createReplay([mid('a'), mid('b')], to('b'), 0);
    guess.add({ want: want('1'), midId: 'a', attempts: [{ midId: 'a', approved: true }] });
    expect(guess.report()).toMatchObject({ moved: 1, unproven: 1 });
    expect(createReplay([], to('b'), 0).report()).toMatchObject({ replayed: 0, rateBefore: null, rateAfter: null });
  });

  it('accounts for every payment once', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 20_000 }))),
        fc.subarray(['a', 'b'], { minLength: 1 }),
        (payments, targets) => {
          const replay = createReplay([mid('a', { maxAmountMinor: 10_000 }), mid('b')], to(...targets), 0);
          payments.forEach(([midId, amount], i) => replay.add({ want: want(`${i}`, amount), midId, attempts: [] }));
          const { replayed, moved, unroutable, moves, byRule } = replay.report();
          expect(replayed).toBe(payments.length);
          expect(moves.reduce((sum, move) => sum + move.payments, 0)).toBe(moved + unroutable);
          expect(Object.values(byRule).reduce((sum, n) => sum + n, 0)).toBe(replayed);
        },
      ),
    );
  });
});
