import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkBudget, checkScope, intersect, narrowest, outside, stepUpRequired } from '../../src/domain/scope.ts';
import type { Intent, Scope } from '../../src/domain/types.ts';
import { anIntent, someIntent, someScope } from './arbitraries.ts';

const covers = (scope: Scope, intent: Intent): boolean => checkScope(scope, intent).length === 0;
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
  };
  const intent: Intent = { ...anIntent, country: 'US' };

  it('covers an intent at its limits', () => {
    expect(checkScope(wide, intent)).toEqual([]);
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
  ])('names %s for %o', (member, change) => {
    expect(members(checkScope(wide, { ...intent, ...change }))).toContain(member);
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
      fc.property(someScope, someScope, someIntent, (parent, child, intent) => {
        for (const candidate of [child, intersect(parent, child)]) {
          if (!inside(parent, candidate) || !covers(candidate, intent)) continue;
          met += 1;
          expect(checkScope(parent, intent)).toEqual([]);
        }
      }),
      { numRuns: 2000 },
    );
    expect(met).toBeGreaterThan(20);
  });
});

describe('intersect', () => {
  it('covers exactly what both cover, as far as totals do not come into it', () => {
    let met = 0;
    fc.assert(
      fc.property(someScope, someScope, someIntent, (a, b, intent) => {
        const [p, c] = [
          { ...a, maxTotal: undefined },
          { ...b, maxTotal: undefined },
        ];
        if (covers(p, intent) && covers(c, intent)) met += 1;
        expect(covers(intersect(p, c), intent)).toBe(covers(p, intent) && covers(c, intent));
        expect(stepUpRequired(intersect(p, c), intent)).toBe(stepUpRequired(p, intent) || stepUpRequired(c, intent));
      }),
      { numRuns: 2000 },
    );
    expect(met).toBeGreaterThan(20);
  });

  it('never covers what one of the two does not, totals included', () => {
    fc.assert(
      fc.property(someScope, someScope, someIntent, (p, c, intent) => {
        expect(covers(intersect(p, c), intent) && !(covers(p, intent) && covers(c, intent))).toBe(false);
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
