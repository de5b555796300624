import { z } from 'zod';
import { toMajor } from '../../domain/money.ts';
import type { Scope } from '../../domain/types.ts';
import { minorAt } from '../money.ts';
import { invalidRequest } from '../pipeline/invalid-request.ts';
import { countryCode, currencyCode, majorAmount, merchantCategory, reference } from '../schemas.ts';
import { HoursIn, HoursOut, hoursOf, printHours } from './hours-body.ts';

const action = z
  .string()
  .max(100)
  .regex(/^(?:\*|[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*(?:\.\*)?)$/, {
    error: 'must be an action such as payment.authorize, payment.* or *',
  })
  .meta({ example: 'payment.authorize' });

const limit = z.union([majorAmount, z.strictObject({ amount: majorAmount, currency: currencyCode })], {
  error: 'must be an amount of major units, or {amount, currency}',
});
const list = <T extends z.ZodType>(item: T) => z.array(item).min(1).max(500);

/** Levels of delegation below a root. Each is a row more that a decision reads, locks and charges. */
export const MAX_DEPTH = 8;

/** What a delegation covers, as input: amounts in major units. */
export const ScopeInput = z.strictObject({
  actions: list(action),
  currencies: list(currencyCode).optional(),
  max_amount: limit.optional().meta({
    description: 'Per action. A plain amount counts in the one currency of `currencies`, or in that of `max_total`.',
  }),
  max_total: z
    .strictObject({
      amount: majorAmount,
      currency: currencyCode,
      window: z.enum(['1d', '7d', '30d', 'lifetime']).default('lifetime'),
    })
    .optional(),
  merchants: list(reference).optional(),
  merchant_categories: list(merchantCategory)
    .optional()
    .meta({ description: 'ISO 18245; checked against `intent.merchant_category`, which is what the caller says' }),
  channels: list(reference).optional(),
  countries: list(countryCode).optional(),
  hours: HoursIn.optional(),
  step_up_above: limit.optional(),
  sub_delegation: z
    .strictObject({ max_depth: z.int().min(0).max(MAX_DEPTH) })
    .optional()
    .meta({ description: 'How many levels may be delegated below this one' }),
});

const amountOut = { amount: z.number(), amount_minor: z.int(), currency: z.string() };

/** What a delegation covers, as output. An empty list allows nothing: ancestors had nothing in common with it. */
export const ScopeOutput = z
  .object({
    actions: z.array(z.string()),
    currencies: z.array(z.string()).optional(),
    max_amount: z.number().optional(),
    max_amount_minor: z.int().optional(),
    max_amount_currency: z.string().optional(),
    max_total: z.object({ ...amountOut, window: z.enum(['1d', '7d', '30d', 'lifetime']) }).optional(),
    merchants: z.array(z.string()).optional(),
    merchant_categories: z.array(z.string()).optional(),
    channels: z.array(z.string()).optional(),
    countries: z.array(z.string()).optional(),
    ...HoursOut,
    step_up_above: z.number().optional(),
    step_up_above_minor: z.int().optional(),
    step_up_above_currency: z.string().optional(),
    sub_delegation: z.object({ max_depth: z.int() }).optional(),
  })
  .meta({ id: 'DelegationScope' });

type Input = z.output<typeof ScopeInput>;
type Limit = NonNullable<Scope['maxAmount']>;

/**
 * Major → minor units, once.
 * @throws Problem `invalid_request` naming the member, also when a plain amount has no single currency to count in
 */
export function scopeOf(input: Input): Scope {
  const scope: Scope = { actions: unique(input.actions) };
  if (input.currencies) scope.currencies = unique(input.currencies);
  if (input.max_amount !== undefined) scope.maxAmount = limitOf('scope.max_amount', input.max_amount, input);
  if (input.max_total) {
    const { amount, currency, window } = input.max_total;
    scope.maxTotal = { amountMinor: minorAt('scope.max_total.amount', amount, currency), currency, window };
  }
  if (input.merchants) scope.merchants = unique(input.merchants);
  if (input.merchant_categories) scope.merchantCategories = unique(input.merchant_categories);
  if (input.channels) scope.channels = unique(input.channels);
  if (input.countries) scope.countries = unique(input.countries);
  if (input.hours) scope.hours = [hoursOf(input.hours)];
  if (input.step_up_above !== undefined) {
    scope.stepUpAbove = limitOf('scope.step_up_above', input.step_up_above, input, { zero: true });
  }
  if (input.sub_delegation && input.sub_delegation.max_depth > 0) {
    scope.subDelegation = { maxDepth: input.sub_delegation.max_depth };
  }
  return scope;
}

function limitOf(path: string, value: NonNullable<Input['max_amount']>, input: Input, { zero = false } = {}): Limit {
  const amountPath = typeof value === 'object' ? `${path}.amount` : path;
  const amount = typeof value === 'object' ? value.amount : value;
  const currency = typeof value === 'object' ? value.currency : currencyFor(path, input);
  // Step-up above zero means always.
  if (zero && Number(amount) === 0) return { amountMinor: 0, currency };
  return { amountMinor: minorAt(amountPath, amount, currency), currency };
}

function currencyFor(path: string, input: Input): string {
  const currencies = unique(input.currencies ?? []);
  const only = currencies.length === 1 ? currencies[0] : (input.max_total?.currency ?? namedCurrency(input.max_amount));
  if (only !== undefined) return only;
  throw invalidRequest(path, 'needs its currency: send {amount, currency}, or name exactly one in scope.currencies');
}

function namedCurrency(limitValue: Input['max_amount']): string | undefined {
  return typeof limitValue === 'object' ? limitValue.currency : undefined;
}

/** Minor → major units. Amounts above fifteen digits print as the nearest number; the minor units are exact. */
export function printScope(scope: Scope): z.input<typeof ScopeOutput> {
  const { maxAmount, maxTotal, stepUpAbove, subDelegation } = scope;
  return {
    actions: scope.actions,
    currencies: scope.currencies,
    ...(maxAmount && {
      max_amount: toMajor(maxAmount.amountMinor, maxAmount.currency),
      max_amount_minor: maxAmount.amountMinor,
      max_amount_currency: maxAmount.currency,
    }),
    max_total: maxTotal && {
      amount: toMajor(maxTotal.amountMinor, maxTotal.currency),
      amount_minor: maxTotal.amountMinor,
      currency: maxTotal.currency,
      window: maxTotal.window,
    },
    merchants: scope.merchants,
    merchant_categories: scope.merchantCategories,
    channels: scope.channels,
    countries: scope.countries,
    ...printHours(scope.hours),
    ...(stepUpAbove && {
      step_up_above: toMajor(stepUpAbove.amountMinor, stepUpAbove.currency),
      step_up_above_minor: stepUpAbove.amountMinor,
      step_up_above_currency: stepUpAbove.currency,
    }),
    sub_delegation: subDelegation && { max_depth: subDelegation.maxDepth },
  };
}

function unique<T>(values: T[]): T[] {
  return [...new Set(values)];
}
