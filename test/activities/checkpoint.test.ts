import { describe, expect, it } from 'vitest';
import { packState, unpackState } from '../../src/activities/policy/checkpoint.ts';
import type { BacktestState } from '../../src/domain/backtest.ts';
import { emptyTally } from '../../src/domain/backtest/tally.ts';

/** Two counters, of which the first has many windows, and one that is longer than a part. */
function aState(windows: number): BacktestState {
  const times = (n: number) => Array.from({ length: n }, (_, i) => 1_700_000_000_000 + i * 1_000);
  return {
    replay: {
      decisions: 7,
      counters: [
        Array.from({ length: windows }, (_, i) => [`subject ${i}\n"`, [times(30), []]]),
        [['long', [times(12_000), times(12_000).map((_, i) => i)]]],
      ],
      lasts: [[['agent', 5]]],
      paid: ['a b'],
      seen: [],
      pending: [
        { kind: 'refunds', atMs: 1, amountMinor: 2, agent: 'a', principal: 'p', merchant: 'm', currency: 'EUR' },
      ],
    },
    tally: emptyTally(),
  };
}

describe('the stored state of a backtest', () => {
  it('comes back as it was', async () => {
    const state = aState(2_000);
    expect(await unpackState(await packState(state))).toEqual(state);
    expect(await unpackState(await packState(aState(0)))).toEqual(aState(0));
  });

  it('is packed and unpacked without standing still for others', async () => {
    const state = aState(30_000);
    const turns = { taken: 0 };
    const timer = setInterval(() => turns.taken++, 1);
    const packed = await packState(state);
    const afterPacking = turns.taken;
    await unpackState(packed);
    clearInterval(timer);
    expect(afterPacking).toBeGreaterThan(3);
    expect(turns.taken - afterPacking).toBeGreaterThan(3);
  });
});
