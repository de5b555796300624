import { movesNoMoney } from './currency.ts';
import { actionWithin } from './scope/actions.ts';
import type { ScopeFailure, ScopeMember } from './scope/failure.ts';
import { withinHours, type Clocks } from './scope/hours.ts';
import type { Intent, Scope } from './types.ts';

export type { ScopeFailure } from './scope/failure.ts';
export { intersect } from './scope/intersect.ts';
export { narrowest } from './scope/narrowest.ts';
export { outside } from './scope/outside.ts';

interface Check {
  member: ScopeMember;
  sentence: (scope: Scope, intent: Intent) => string;
  covered: (scope: Scope, intent: Intent, clocks: Clocks) => boolean;
}

/**
 * An absent member of a scope does not limit; an empty list allows nothing. A scope with an amount names its currency,
 * and thereby excludes every other one: amounts are never converted.
 */
const CHECKS: Check[] = [
  {
    member: 'actions',
    sentence: (_, intent) => `The delegation does not cover the action ${intent.action}`,
    covered: (scope, intent) => scope.actions.some((pattern) => actionWithin(intent.action, pattern)),
  },
  {
    member: 'currencies',
    sentence: (_, intent) => `The delegation does not cover the currency ${intent.currency}`,
    covered: (scope, intent) => movesNoMoney(intent) || listed(scope.currencies, intent.currency),
  },
  {
    member: 'max_amount',
    sentence: (scope, intent) =>
      scope.maxAmount?.currency === intent.currency
        ? `The amount exceeds the delegation's limit of ${scope.maxAmount.amountMinor} minor units per action`
        : `The delegation's limit per action is in ${scope.maxAmount?.currency}, the intent in ${intent.currency}`,
    // Written so that an amount which is not a number is outside.
    covered: ({ maxAmount }, intent) =>
      maxAmount === undefined ||
      movesNoMoney(intent) ||
      (maxAmount.currency === intent.currency && intent.amountMinor <= maxAmount.amountMinor),
  },
  {
    member: 'merchants',
    sentence: (_, intent) => `The delegation does not cover the merchant ${intent.merchantRef}`,
    covered: (scope, intent) => listed(scope.merchants, intent.merchantRef),
  },
  {
    member: 'merchant_categories',
    sentence: (_, intent) =>
      intent.merchantCategory === undefined
        ? 'The delegation is limited to merchant categories and the intent names none'
        : `The delegation does not cover the merchant category ${intent.merchantCategory}`,
    covered: (scope, intent) => listed(scope.merchantCategories, intent.merchantCategory),
  },
  {
    member: 'channels',
    sentence: (_, intent) => `The delegation does not cover the channel ${intent.channel}`,
    covered: (scope, intent) => listed(scope.channels, intent.channel),
  },
  {
    member: 'countries',
    sentence: (_, intent) =>
      intent.country === undefined
        ? 'The delegation is limited to countries and the intent names none'
        : `The delegation does not cover the country ${intent.country}`,
    covered: (scope, intent) => listed(scope.countries, intent.country),
  },
  {
    member: 'hours',
    sentence: () => 'The delegation does not cover this time of the day and week',
    covered: (scope, _, clocks) => withinHours(scope.hours, clocks),
  },
];

/**
 * What of `intent` the scope does not cover; empty when it is covered. Running totals are `checkBudget`.
 * @param clocks the local time in the zones of `scope.hours`; without a zone's clock its hours cover nothing
 */
export function checkScope(scope: Scope, intent: Intent, clocks: Clocks = {}): ScopeFailure[] {
  return CHECKS.filter((check) => !check.covered(scope, intent, clocks)).map((check) => ({
    member: check.member,
    message: check.sentence(scope, intent),
  }));
}

/**
 * Whether `intent` still fits into the running total. `spentMinor` is what the current window of *this* delegation has
 * counted, without this intent. Totals live one row per delegation, so every ancestor's budget is checked with its own.
 */
export function checkBudget(scope: Scope, intent: Intent, spentMinor: number): ScopeFailure[] {
  const limit = scope.maxTotal;
  if (limit === undefined || movesNoMoney(intent)) return [];
  if (limit.currency !== intent.currency) {
    return [
      {
        member: 'max_total',
        message: `The delegation's total is counted in ${limit.currency}, the intent is in ${intent.currency}`,
      },
    ];
  }
  const countable = Number.isSafeInteger(spentMinor) && Number.isSafeInteger(intent.amountMinor);
  if (countable && BigInt(spentMinor) + BigInt(intent.amountMinor) <= BigInt(limit.amountMinor)) return [];
  return [
    {
      member: 'max_total',
      message: `The amount exceeds what is left of ${limit.amountMinor} minor units per ${limit.window}`,
    },
  ];
}

/** `true` when the delegation demands a step-up for this amount; another currency cannot be compared, so it does too. */
export function stepUpRequired(scope: Scope, intent: Intent): boolean {
  const limit = scope.stepUpAbove;
  if (limit === undefined || movesNoMoney(intent)) return false;
  return limit.currency !== intent.currency || !(intent.amountMinor <= limit.amountMinor);
}

function listed(list: string[] | undefined, value: string | undefined): boolean {
  return list === undefined || (value !== undefined && list.includes(value));
}
