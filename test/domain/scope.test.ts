import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkBudget, checkScope, intersect, narrowest, outside, stepUpRequired } from '../../src/domain/scope.ts';
import type { Intent, Scope } from '../../src/domain/types.ts';
import type { Clocks } from '../../src/domain/scope/hours.ts';
import { anIntent, someClocks, someIntent, someScope } from './arbitraries.ts';

const covers = (scope: Scope, intent: Intent, clocks?: Clocks): boolean =>
  checkScope(scope, intent, clocks).length === 0;
const inside = (parent: Scope, child: Scope): boolean => outside(parent, child).length === 0;
const members = (failures: { member: string }[]): string[] => failures.map((failure) => failure.member);

describe('checkScope', () => {
  const wide: Scope = {
    actions: ['payment.*'],
    currencies: ['USD', 'EUR'],
    maxAmount: { amountMinor: 124_000, currency: 'USD' },
    merchants: ['mrc_shop'],
    channels: ['chatpay'],
    countries: ['US'],
    merchantCategories: ['7011'],
    hours: [[{ from: '09:00', to: '17:30', timeZone: 'Europe/Berlin' }]],
  };
  const intent: Intent = { ...anIntent, country: 'US', merchantCategory: '7011' };
  const at = (minute: number): Clocks => ({ 'Europe/Berlin': { day: 'mon', minute } });
  const NINE = at(9 * 60);

  it('covers an intent at its limits', () => {
    expect(checkScope(wide, intent, NINE)).toEqual([]);
  });

  it.each<[string, Partial<Intent>]>([
    ['actions', { action: 'paymentx.authorize' }],
    ['actions', { action: 'payment' }],
    ['currencies', { currency: 'GBP' }],
    ['max_amount', { amountMinor: 124_001 }],
    ['max_amount', { amountMinor: Number.NaN }],
    ['max_amount', { currency: 'EUR' }],
    ['merchants', { merchantRef: 'mrc_other' }],
    ['channels', { channel: 'CHATPAY' }],
    ['countries', { country: 'DE' }],
    ['countries', { country: undefined }],
    ['merchant_categories', { merchantCategory: '5411' }],
    ['merchant_categories', { merchantCategory: undefined }],
  ])('names %s for %o', (member, change) => {
    expect(members(checkScope(wide, { ...intent, ...change }, NINE))).toContain(member);
  });

  it('names the hours outside of them, and where the local time is not known', () => {
    for (const clocks of [at(9 * 60 - 1), at(17 * 60 + 30), {}, { UTC: { day: 'mon', minute: 600 } as const }]) {
      expect(members(checkScope(wide, intent, clocks))).toEqual(['hours']);
    }
    expect(members(checkScope(wide, intent))).toEqual(['hours']);
  });

  it('lets an absent member through and nothing through an empty list', () => {
    expect(covers({ actions: ['*'] }, intent)).toBe(true);
    expect(members(checkScope({ actions: [], merchants: [], currencies: [] }, intent))).toEqual([
      'actions',
      'currencies',
      'merchants',
    ]);
  });

  it('takes wildcards at the end of an action only', () => {
    expect(covers({ actions: ['*.authorize'] }, intent)).toBe(false);
    expect(covers({ actions: ['pay*'] }, intent)).toBe(false);
  });
});

describe('checkBudget', () => {
  const scope: Scope = { actions: ['*'], maxTotal: { amountMinor: 200_000, currency: 'USD', window: '7d' } };

  it('allows up to the total and not a unit more', () => {
    expect(checkBudget(scope, anIntent, 76_000)).toEqual([]);
    expect(members(checkBudget(scope, anIntent, 76_001))).toEqual(['max_total']);
  });

  it('refuses another currency, and totals that cannot be counted', () => {
    expect(members(checkBudget(scope, { ...anIntent, currency: 'EUR' }, 0))).toEqual(['max_total']);
    expect(members(checkBudget(scope, anIntent, Number.NaN))).toEqual(['max_total']);
    expect(members(checkBudget(scope, anIntent, Number.MAX_SAFE_INTEGER))).toEqual(['max_total']);
  });

  it('does not limit what has no total', () => {
    expect(checkBudget({ actions: ['*'] }, anIntent, Number.MAX_SAFE_INTEGER)).toEqual([]);
  });
});

describe('stepUpRequired', () => {
  it('asks above the limit, and in every currency that cannot be compared', () => {
    const scope: Scope = { actions: ['*'], stepUpAbove: { amountMinor: 124_000, currency: 'USD' } };
    expect(stepUpRequired(scope, anIntent)).toBe(false);
    expect(stepUpRequired(scope, { ...anIntent, amountMinor: 124_001 })).toBe(true);
    expect(stepUpRequired(scope, { ...anIntent, amountMinor: 1, currency: 'JPY' })).toBe(true);
    expect(stepUpRequired({ actions: ['*'] }, anIntent)).toBe(false);
  });
});

describe('outside', () => {
  const parent: Scope = {
    actions: ['payment.*'],
    currencies: ['USD'],
    maxAmount: { amountMinor: 100, currency: 'USD' },
    maxTotal: { amountMinor: 1000, currency: 'USD', window: '7d' },
    merchants: ['mrc_a'],
    channels: ['web'],
    countries: ['US'],
    merchantCategories: ['7011'],
    hours: [[{ days: ['mon', 'tue'], from: '09:00', to: '17:30', timeZone: 'Europe/Berlin' }]],
  };

  it('finds a scope inside itself', () => {
    expect(outside(parent, parent)).toEqual([]);
  });

  it.each<[string, Partial<Scope>]>([
    ['actions', { actions: ['*'] }],
    ['actions', { actions: ['payment.refund', 'mandate.sign'] }],
    ['currencies', { currencies: ['USD', 'EUR'] }],
    ['currencies', { currencies: undefined }],
    ['max_amount', { maxAmount: { amountMinor: 101, currency: 'USD' } }],
    ['max_amount', { maxAmount: { amountMinor: 1, currency: 'EUR' } }],
    ['max_amount', { maxAmount: undefined }],
    ['max_total', { maxTotal: { amountMinor: 1001, currency: 'USD', window: '30d' } }],
    ['max_total', { maxTotal: { amountMinor: 1000, currency: 'USD', window: '1d' } }],
    ['max_total', { maxTotal: undefined }],
    ['merchants', { merchants: ['mrc_b'] }],
    ['channels', { channels: undefined }],
    ['countries', { countries: ['US', 'DE'] }],
    ['merchant_categories', { merchantCategories: ['7011', '5411'] }],
    ['merchant_categories', { merchantCategories: undefined }],
    ['hours', { hours: undefined }],
    ['hours', { hours: [[{ days: ['mon'], from: '09:00', to: '17:31', timeZone: 'Europe/Berlin' }]] }],
    ['hours', { hours: [[{ from: '10:00', to: '11:00', timeZone: 'Europe/Berlin' }]] }],
    ['hours', { hours: [[{ days: ['mon'], from: '10:00', to: '11:00', timeZone: 'UTC' }]] }],
  ])('names %s when the child has %o', (member, change) => {
    expect(members(outside(parent, { ...parent, ...change }))).toEqual([member]);
  });

  it('is transitive', () => {
    let met = 0;
    fc.assert(
      fc.property(someScope, someScope, someScope, (a, b, c) => {
        // built by intersection, so that chains are common
        const [middle, inner] = [intersect(a, b), intersect(intersect(a, b), c)];
        if (!inside(a, middle) || !inside(middle, inner)) return;
        met += 1;
        expect(outside(a, inner)).toEqual([]);
      }),
      { numRuns: 500 },
    );
    expect(met).toBeGreaterThan(50);
  });

  it('keeps its word: what a child inside covers, its parent covers', () => {
    let met = 0;
    fc.assert(
      fc.property(someScope, someScope, someIntent, someClocks, (parent, child, intent, clocks) => {
        for (const candidate of [child, intersect(parent, child)]) {
          if (!inside(parent, candidate) || !covers(candidate, intent, clocks)) continue;
          met += 1;
          expect(checkScope(parent, intent, clocks)).toEqual([]);
        }
      }),
      { numRuns: 5000 },
    );
    expect(met).toBeGreaterThan(20);
  });
});

describe('intersect', () => {
  it('covers exactly what both cover, as far as totals do not come into it', () => {
    let met = 0;
    fc.assert(
      fc.property(someScope, someScope, someIntent, someClocks, (a, b, intent, clocks) => {
        const [p, c] = [
          { ...a, maxTotal: undefined },
          { ...b, maxTotal: undefined },
        ];
        const both = covers(p, intent, clocks) && covers(c, intent, clocks);
        if (both) met += 1;
        expect(covers(intersect(p, c), intent, clocks)).toBe(both);
        expect(stepUpRequired(intersect(p, c), intent)).toBe(stepUpRequired(p, intent) || stepUpRequired(c, intent));
      }),
      { numRuns: 5000 },
    );
    expect(met).toBeGreaterThan(20);
  });

  it('makes of a chain of any shape no more than each of its links', () => {
    let met = 0;
    const widened = (effectiveOf: (chain: Scope[]) => Scope, runs: number): number => {
      let found = 0;
      fc.assert(
        fc.property(
          fc.array(someScope, { minLength: 1, maxLength: 9 }),
          fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }),
          someIntent,
          someClocks,
          (random, kept, intent, clocks) => {
            // Some links as they come, others cut down to their parent, as the API would have them.
            const chain = random.reduce<Scope[]>((above, next, i) => {
              return [...above, kept[i] || above.length === 0 ? next : intersect(above.reduce(intersect), next)];
            }, []);
            const effective = effectiveOf(chain);
            if (!covers(effective, intent, clocks)) return;
            met += 1;
            if (!chain.every((link) => covers(link, intent, clocks))) found += 1;
          },
        ),
        { numRuns: runs },
      );
      return found;
    };
    expect(widened((chain) => chain.reduce(intersect), 1500)).toBe(0);
    expect(met).toBeGreaterThan(10);
    // The control: to go by the last link alone would be noticed.
    expect(widened((chain) => chain.at(-1)!, 500)).toBeGreaterThan(0);
  });

  it('never covers what one of the two does not, totals included', () => {
    fc.assert(
      fc.property(someScope, someScope, someIntent, someClocks, (p, c, intent, clocks) => {
        const both = covers(p, intent, clocks) && covers(c, intent, clocks);
        expect(covers(intersect(p, c), intent, clocks) && !both).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it('has nothing in common between two currencies', () => {
    const usd: Scope = { actions: ['*'], maxAmount: { amountMinor: 100, currency: 'USD' } };
    const eur: Scope = { actions: ['*'], maxAmount: { amountMinor: 100, currency: 'EUR' } };
    expect(intersect(usd, eur).currencies).toEqual([]);
  });

  it('takes the tighter total, and the child’s own when neither implies the other', () => {
    const scope = (amountMinor: number, window: '1d' | '30d'): Scope => ({
      actions: ['*'],
      maxTotal: { amountMinor, currency: 'USD', window },
    });
    expect(intersect(scope(100, '30d'), scope(100, '1d')).maxTotal).toMatchObject({ window: '30d' });
    expect(intersect(scope(500, '1d'), scope(100, '30d')).maxTotal).toMatchObject({ amountMinor: 100 });
    expect(intersect(scope(1000, '30d'), scope(100, '1d')).maxTotal).toMatchObject({ amountMinor: 100, window: '1d' });
  });

  it('uses up one level of sub-delegation, and grants none that was not given', () => {
    const depth = (maxDepth?: number): Scope => ({
      actions: ['*'],
      ...(maxDepth === undefined ? {} : { subDelegation: { maxDepth } }),
    });
    expect(intersect(depth(3), depth(5)).subDelegation).toEqual({ maxDepth: 2 });
    expect(intersect(depth(3), depth(1)).subDelegation).toEqual({ maxDepth: 1 });
    expect(intersect(depth(1), depth(5)).subDelegation).toBeUndefined();
    expect(intersect(depth(), depth(5)).subDelegation).toBeUndefined();
  });
});

describe('narrowest', () => {
  it('prefers the smallest amount, then the shortest lists, then the order given', () => {
    const scopes: [string, Scope][] = [
      ['anything', { actions: ['*'] }],
      ['large', { actions: ['*'], maxAmount: { amountMinor: 900, currency: 'USD' } }],
      ['small', { actions: ['*'], maxAmount: { amountMinor: 100, currency: 'USD' } }],
      [
        'small, one merchant',
        { actions: ['*'], maxAmount: { amountMinor: 100, currency: 'USD' }, merchants: ['mrc_a'] },
      ],
      ['its twin', { actions: ['*'], maxAmount: { amountMinor: 100, currency: 'USD' }, merchants: ['mrc_b'] }],
    ];
    const candidates = scopes.map(([name, scope]) => ({ name, scope }));
    expect(narrowest(candidates)?.name).toBe('small, one merchant');
    expect(narrowest(candidates.slice(0, 2))?.name).toBe('large');
    expect(narrowest([])).toBeUndefined();
  });
});
