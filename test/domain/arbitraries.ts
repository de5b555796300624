import * as fc from 'fast-check';
import { DAYS, type Clocks, type Hours, type HoursWindow } from '../../src/domain/scope/hours.ts';
import type { Intent, Risk, RiskLevel, Scope } from '../../src/domain/types.ts';
import { clocksAt } from '../../src/store/executions/clocks.ts';

/** Few values, so that scopes and intents meet often enough for a property to say something. */
const CURRENCIES = ['EUR', 'USD', 'JPY'];
const MERCHANTS = ['mrc_a', 'mrc_b', 'mrc_c'];
const CHANNELS = ['chatpay', 'voice', 'web'];
const CATEGORIES = ['5411', '5812', '7011'];
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
    merchantCategory: fc.constantFrom(...CATEGORIES),
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
  // One in two: a frequency of 1 would leave every limit out.
  fc.option(limiting, { nil: undefined, freq: 2 });
const mostOf = (values: string[]): fc.Arbitrary<string[] | undefined> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 3, arbitrary: fc.subarray(values, { minLength: 2 }) },
    { weight: 1, arbitrary: fc.subarray(values) },
  );

/** Two that keep daylight saving, with changes on different dates, and one that does not. */
const ZONES = ['Europe/Berlin', 'America/New_York', 'UTC'];
const HOURS = ['00:00', '06:00', '09:00', '12:30', '18:00', '22:00'];
const someHoursWindow: fc.Arbitrary<HoursWindow> = fc
  .record(
    {
      days: fc.subarray([...DAYS], { minLength: 3 }),
      from: fc.constantFrom(...HOURS),
      to: fc.constantFrom(...HOURS.slice(1), '24:00'),
      timeZone: fc.constantFrom(...ZONES, 'UTC', 'UTC'),
    },
    { requiredKeys: ['from', 'to', 'timeZone'] },
  )
  .filter(({ from, to }) => from !== to);

/** An instant of two years, as local time in every zone. */
export const someClocks: fc.Arbitrary<Clocks> = fc
  .integer({ min: 0, max: 2 * 366 * 24 * 60 })
  .map((minutes) => clocksAt(new Date(Date.UTC(2026, 0, 1) + minutes * 60_000), ZONES));

export const someHours: fc.Arbitrary<Hours> = fc
  .array(someHoursWindow, { minLength: 1, maxLength: 3 })
  .map((list) => [list]);

export const someScope: fc.Arbitrary<Scope> = fc.record({
  actions: fc.uniqueArray(fc.oneof(someAction, fc.constantFrom('*', 'payment.*')), { minLength: 1, maxLength: 3 }),
  currencies: mostOf(CURRENCIES),
  maxAmount: optional(limit),
  maxTotal: optional(total),
  merchants: mostOf(MERCHANTS),
  merchantCategories: mostOf(CATEGORIES),
  channels: mostOf(CHANNELS),
  countries: mostOf(COUNTRIES),
  hours: optional(someHours),
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
