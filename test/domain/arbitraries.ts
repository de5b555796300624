import * as fc from 'fast-check';
import type { Intent, Risk, RiskLevel, Scope } from '../../src/domain/types.ts';

/** Few values, so that scopes and intents meet often enough for a property to say something. */
const CURRENCIES = ['EUR', 'USD', 'JPY'];
const MERCHANTS = ['mrc_a', 'mrc_b', 'mrc_c'];
const CHANNELS = ['chatpay', 'voice', 'web'];
const COUNTRIES = ['DE', 'FR', 'US'];
const someCurrency = fc.constantFrom(...CURRENCIES);
const someAction = fc.constantFrom('payment.authorize', 'payment.capture', 'payment.refund', 'mandate.sign');
const someAmount = fc.integer({ min: 1, max: 12 }).map((n) => n * 100);

export const someIntent: fc.Arbitrary<Intent> = fc.record(
  {
    action: someAction,
    amountMinor: someAmount,
    currency: someCurrency,
    merchantRef: fc.constantFrom(...MERCHANTS),
    channel: fc.constantFrom(...CHANNELS),
    country: fc.constantFrom(...COUNTRIES),
  },
  { requiredKeys: ['action', 'amountMinor', 'currency', 'merchantRef', 'channel'] },
);

const limit = fc.record({ amountMinor: someAmount, currency: someCurrency });
const total = fc.record({
  amountMinor: someAmount,
  currency: someCurrency,
  window: fc.constantFrom('1d' as const, '7d' as const, '30d' as const, 'lifetime' as const),
});
const optional = <T>(limiting: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(limiting, { nil: undefined, freq: 1 });
const mostOf = (values: string[]): fc.Arbitrary<string[] | undefined> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 3, arbitrary: fc.subarray(values, { minLength: 2 }) },
    { weight: 1, arbitrary: fc.subarray(values) },
  );

export const someScope: fc.Arbitrary<Scope> = fc.record({
  actions: fc.uniqueArray(fc.oneof(someAction, fc.constantFrom('*', 'payment.*')), { minLength: 1, maxLength: 3 }),
  currencies: mostOf(CURRENCIES),
  maxAmount: optional(limit),
  maxTotal: optional(total),
  merchants: mostOf(MERCHANTS),
  channels: mostOf(CHANNELS),
  countries: mostOf(COUNTRIES),
  stepUpAbove: optional(limit),
  subDelegation: optional(fc.record({ maxDepth: fc.integer({ min: 1, max: 4 }) })),
});

export const anIntent: Intent = {
  action: 'payment.authorize',
  amountMinor: 124_000,
  currency: 'USD',
  merchantRef: 'mrc_shop',
  channel: 'chatpay',
};

/** A risk of that level, as far as a decision looks at it. */
export function riskOf(level: RiskLevel): Risk {
  const points = { normal: 10, elevated: 45, high: 80 }[level];
  const severity = ({ normal: 'low', elevated: 'medium', high: 'high' } as const)[level];
  const signal = { category: 'behavior', type: 'velocity', severity, points, detail: 'example' };
  return { score: points, level, signals: [signal], modelVersion: 'example' };
}
