import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planRoute } from '../../../src/domain/routing.ts';
import type { ActiveRouting, MidCandidate, RouteWanted, RoutingRule } from '../../../src/domain/routing.ts';

const NOW = Date.parse('2026-03-05T22:30:00Z');
const want: RouteWanted = {
  paymentId: 'pay-1',
  currency: 'EUR',
  amountMinor: 12_000,
  method: 'token',
  merchantRef: 'mrc_hotel',
  country: 'DE',
  agentId: 'agent-1',
  action: 'payment.authorize',
};
function mid(midId: string, change: Partial<MidCandidate> = {}): MidCandidate {
  return { midId, processor: midId, mid: `${midId}-1`, kind: 'simulator', priority: 10, enabled: true, ...change };
}
function rules(...some: Partial<RoutingRule>[]): ActiveRouting {
  const whole = some.map((rule, i) => ({
    name: `rule ${i}`,
    when: {},
    targets: [{ processor: 'a' }],
    strategy: 'priority' as const,
    fallback: 'none' as const,
    ...rule,
  }));
  return { id: 'rules', name: 'rules', version: 1, rules: whole };
}
const plan = (mids: MidCandidate[], routing?: ActiveRouting, more: Partial<RouteWanted> = {}) =>
  planRoute(mids, { ...want, ...more }, routing, NOW);
const order = (made: ReturnType<typeof plan>) => made.candidates.map(({ midId }) => midId);

describe('without rules', () => {
  it('asks by priority, ties by id', () => {
    const made = plan([mid('c'), mid('b'), mid('a', { priority: 20 })]);
    expect(made.candidates.map(({ midId, position, reason }) => [midId, position, reason])).toEqual([
      ['b', 1, 'priority'],
      ['c', 2, 'priority'],
      ['a', 3, 'priority'],
    ]);
    expect(made.rule).toBeUndefined();
  });

  it.each<[string, Partial<MidCandidate>]>([
    ['disabled', { enabled: false }],
    ['frozen', { frozen: true }],
    ['currency_not_supported', { currencies: ['USD'] }],
    ['method_not_supported', { methods: ['card'] }],
    ['merchant_not_served', { merchants: ['mrc_other'] }],
    ['country_not_served', { countries: ['FR'] }],
    ['amount_above_limit', { maxAmountMinor: 11_999 }],
    ['amount_above_limit', { caps: { EUR: { max: 11_999 } } }],
    ['amount_below_limit', { caps: { EUR: { min: 12_001 } } }],
  ])('drops what is %s, and says so', (reason, change) => {
    const made = plan([mid('a', change), mid('b')]);
    expect(order(made)).toEqual(['b']);
    expect(made.dropped).toEqual([expect.objectContaining({ midId: 'a', reason, message: expect.any(String) })]);
  });

  it('keeps what is exactly within its terms', () => {
    const exact = mid('a', {
      currencies: ['EUR'],
      methods: ['token'],
      merchants: ['mrc_hotel'],
      countries: ['DE'],
      maxAmountMinor: 12_000,
      caps: { EUR: { min: 12_000, max: 12_000 }, USD: { max: 1 } },
    });
    expect(order(plan([exact]))).toEqual(['a']);
  });

  it('goes to the one processor that can read the token', () => {
    const made = plan([mid('a'), mid('b', { processor: 'beta', priority: 99 })], undefined, { processor: 'beta' });
    expect(made.candidates).toMatchObject([{ midId: 'b', reason: 'pinned' }]);
    expect(made.dropped).toMatchObject([{ midId: 'a', reason: 'other_processor_pinned' }]);
  });
});

describe('a rule', () => {
  it.each<[string, RoutingRule['when'], Partial<RouteWanted>]>([
    ['currency', { currencies: ['EUR'] }, { currency: 'USD' }],
    ['amount', { minAmount: { amountMinor: 12_000, currency: 'EUR' } }, { amountMinor: 11_999 }],
    ['amount', { maxAmount: { amountMinor: 12_000, currency: 'EUR' } }, { amountMinor: 12_001 }],
    ['amount of its currency', { maxAmount: { amountMinor: 12_000, currency: 'EUR' } }, { currency: 'JPY' }],
    ['merchant', { merchants: ['mrc_hotel'] }, { merchantRef: 'mrc_other' }],
    ['method', { methods: ['token'] }, { method: 'card' }],
    ['country', { countries: ['DE'] }, { country: undefined }],
    ['agent', { agents: ['agent-1'] }, { agentId: 'agent-2' }],
    ['action', { actions: ['payment.*'] }, { action: 'refund' }],
    ['action', { actions: ['payment.authorize'] }, { action: 'payment.authorize_more' }],
  ])('matches on %s', (_, when, other) => {
    const routing = rules({ when, targets: [{ processor: 'b' }] });
    expect(order(plan([mid('a'), mid('b')], routing))).toEqual(['b']);
    // The control: otherwise nothing matches, and all are asked.
    expect(order(plan([mid('a'), mid('b')], routing, other))).toEqual(['a', 'b']);
  });

  it('is the first that matches, and is named', () => {
    const routing = rules({ when: { currencies: ['USD'] } }, { targets: [{ processor: 'b' }] }, {});
    const made = plan([mid('a'), mid('b')], routing);
    expect(made.rule).toEqual({ rulesId: 'rules', version: 1, name: 'rule 1' });
    expect(made.candidates[0]!.message).toContain('rule "rule 1"');
    expect(made.dropped).toMatchObject([{ midId: 'a', reason: 'not_a_target' }]);
  });

  it('asks its targets in its own order, and others last where it says so', () => {
    const mids = [mid('a', { priority: 1 }), mid('b', { priority: 2 }), mid('c', { priority: 3 })];
    const targets = [{ processor: 'c' }, { processor: 'b', mid: 'b-1' }];
    expect(order(plan(mids, rules({ targets })))).toEqual(['c', 'b']);
    const made = plan(mids, rules({ targets, fallback: 'any' }));
    expect(made.candidates.map(({ midId, reason }) => [midId, reason])).toEqual([
      ['c', 'priority'],
      ['b', 'priority'],
      ['a', 'fallback'],
    ]);
    expect(order(plan(mids, rules({ targets: [{ processor: 'b', mid: 'another' }] })))).toEqual([]);
  });
});

const rate = (approved: number, attempted: number) => ({ health: { approved, attempted } });

describe('a split', () => {
  const targets = [
    { processor: 'a', weight: 70 },
    { processor: 'b', weight: 20 },
    { processor: 'c', weight: 10 },
  ];
  const mids = ['a', 'b', 'c'].map((id) => mid(id));
  const routing = rules({ strategy: 'split', targets });

  it('gives each its share', () => {
    const counts: Record<string, number> = {};
    for (let i = 0; i < 20_000; i++) {
      const first = order(plan(mids, routing, { paymentId: `pay-${i}` }))[0]!;
      counts[first] = (counts[first] ?? 0) + 1;
    }
    for (const { processor, weight } of targets) {
      expect(Math.abs(counts[processor]! / 200 - weight)).toBeLessThan(1.5);
    }
  });

  it('moves no payment but those of an account that is left out', () => {
    fc.assert(
      fc.property(fc.uuid(), fc.constantFrom('a', 'b', 'c'), (paymentId, gone) => {
        const before = order(plan(mids, routing, { paymentId }));
        const after = order(
          plan(
            mids.map((one) => ({ ...one, enabled: one.midId !== gone })),
            routing,
            { paymentId },
          ),
        );
        expect(after).toEqual(before.filter((one) => one !== gone));
      }),
    );
  });
});

describe('by success', () => {
  const targets = ['a', 'b', 'c'].map((processor) => ({ processor }));
  const mids = [mid('a', rate(80, 100)), mid('b', rate(95, 100)), mid('c', rate(90, 100))];
  const routing = rules({ strategy: 'success_rate', targets, explorePercent: 10 });
  const firsts = (by: ActiveRouting) =>
    Array.from({ length: 10_000 }, (_, i) => plan(mids, by, { paymentId: `p${i}` }).candidates[0]!);

  it('asks the best first, and explores the others for a tenth', () => {
    const made = firsts(routing);
    const share = (id: string) => made.filter(({ midId }) => midId === id).length / 100;
    expect(Math.abs(share('b') - 90)).toBeLessThan(1.5);
    expect(Math.abs(share('a') - 5)).toBeLessThan(1);
    expect(Math.abs(share('c') - 5)).toBeLessThan(1);
    expect(new Set(made.map(({ reason }) => reason))).toEqual(new Set(['success_rate', 'exploration']));
  });

  it('stays with the leader though another is better now', () => {
    const led = firsts({ ...routing, leaders: { 'rule 0': 'c' } });
    expect(led.filter(({ midId }) => midId === 'c').length).toBeGreaterThan(8_800);
    expect(led.find(({ reason }) => reason === 'success_rate')!.message).toContain('leads');
  });
});

describe('by cost', () => {
  it('weighs approval against what it costs', () => {
    const routing = rules({ strategy: 'cost', targets: [{ processor: 'a' }, { processor: 'b' }] });
    const cheap = mid('a', { ...rate(900, 1_000), cost: { basisPoints: 100, fixedMinor: { EUR: 10 } } });
    const good = mid('b', { ...rate(950, 1_000), cost: { basisPoints: 200, fixedMinor: { EUR: 10 } } });
    const first = (mids: MidCandidate[], amountMinor: number) =>
      plan(mids, routing, { amountMinor }).candidates.find(({ reason }) => reason === 'cost')!.midId;
    expect(first([cheap, good], 12_000)).toBe('b');
    // The better approvals are not worth ten percent.
    expect(first([cheap, { ...good, cost: { basisPoints: 1_200 } }], 12_000)).toBe('a');
  });
});

describe('an outage', () => {
  const out = { attempted: 10, approved: 0, outSinceMs: NOW - 1_000, probeAtMs: NOW + 1 };

  it('puts an account last, and back in its place when it may be probed', () => {
    const made = plan([mid('a', { health: out }), mid('b')]);
    expect(made.candidates.map(({ midId, reason }) => [midId, reason])).toEqual([
      ['b', 'priority'],
      ['a', 'outage'],
    ]);
    expect(order(plan([mid('a', { health: { ...out, probeAtMs: NOW } }), mid('b')]))).toEqual(['a', 'b']);
  });

  it('goes behind a fallback too', () => {
    const routing = rules({ targets: [{ processor: 'b' }], fallback: 'any' });
    expect(order(plan([mid('a'), mid('b', { health: out })], routing))).toEqual(['a', 'b']);
  });
});

describe('any plan', () => {
  const someMids = fc.uniqueArray(
    fc.record({
      midId: fc.string({ minLength: 1, maxLength: 3 }),
      processor: fc.constantFrom('a', 'b', 'c'),
      priority: fc.integer({ min: 0, max: 3 }),
      enabled: fc.boolean(),
      currencies: fc.constantFrom<string[] | undefined>(undefined, ['USD'], ['EUR']),
      cost: fc.option(fc.record({ basisPoints: fc.integer({ min: 0, max: 500 }) }), { nil: undefined }),
      health: fc.option(
        fc.record({
          attempted: fc.integer({ min: 50, max: 100 }),
          approved: fc.integer({ min: 0, max: 50 }),
          probeAtMs: fc.constantFrom(null, NOW - 1, NOW + 1),
        }),
        { nil: undefined },
      ),
    }),
    { selector: (candidate) => candidate.midId, maxLength: 6 },
  );
  const someRules = fc.array(
    fc.record({
      when: fc.constantFrom<RoutingRule['when']>({}, { currencies: ['EUR'] }, { currencies: ['USD'] }),
      targets: fc.subarray([{ processor: 'a', weight: 2 }, { processor: 'b' }, { processor: 'c' }], { minLength: 1 }),
      strategy: fc.constantFrom<RoutingRule['strategy']>('priority', 'split', 'success_rate', 'cost'),
      fallback: fc.constantFrom<RoutingRule['fallback']>('none', 'any'),
    }),
    { maxLength: 3 },
  );

  it('accounts for every account once, and is the same for the same input in any order', () => {
    fc.assert(
      fc.property(someMids, someRules, fc.uuid(), (changes, some, paymentId) => {
        const mids = changes.map((change) => mid(change.midId, change));
        const routing = rules(...some);
        const made = plan(mids, routing, { paymentId });
        const accounted = [...made.candidates, ...made.dropped].map((candidate) => candidate.midId);
        expect(accounted.toSorted()).toEqual(mids.map((one) => one.midId).toSorted());
        expect(made.candidates.map(({ position }) => position)).toEqual(made.candidates.map((_, i) => i + 1));
        const again = plan(mids.toReversed(), routing, { paymentId });
        expect(again.candidates).toEqual(made.candidates);
        expect(again.rule).toEqual(made.rule);
      }),
    );
  });
});
