import { high, low, medium, type RiskSignalSpec } from '../signal-spec.ts';
import { median, robustExcess } from '../statistics.ts';

/** With fewer amounts a median says nothing. */
const ENOUGH_AMOUNTS = 3;
/** With fewer amounts their spread says nothing. */
const ENOUGH_FOR_SPREAD = 10;
const ENOUGH_DAYS = 5;

/**
 * The amount, against the agent's own past. There is no absolute limit: a thousand is little in one currency and much in
 * another; that is what a policy's amounts are for.
 */
export const AMOUNT_SIGNALS: readonly RiskSignalSpec[] = [
  {
    type: 'amount_without_history',
    category: 'amount',
    meaning: 'Too few earlier amounts to compare with',
    raised: 'flag',
    grades: [low(5)],
    measure: ({ recentAmountsMinor }) => recentAmountsMinor.length < ENOUGH_AMOUNTS,
  },
  {
    type: 'amount_unusual',
    category: 'amount',
    meaning: 'The amount is far above the usual one, the median of the last fifty',
    unit: 'times the usual amount',
    raised: 'above',
    grades: [high(40, 20), medium(25, 8), low(10, 3)],
    measure: ({ intent, recentAmountsMinor: amounts }) =>
      amounts.length < ENOUGH_AMOUNTS ? undefined : intent.amountMinor / Math.max(1, median(amounts)),
  },
  {
    type: 'amount_outlier',
    category: 'amount',
    meaning: 'The amount lies outside the spread of the last fifty',
    unit: 'robust standard deviations above the usual amount',
    raised: 'above',
    grades: [medium(15, 30), low(5, 10)],
    measure: ({ intent, recentAmountsMinor: amounts }) =>
      amounts.length < ENOUGH_FOR_SPREAD ? undefined : robustExcess(intent.amountMinor, amounts),
  },
  {
    type: 'spending_unusual',
    category: 'amount',
    meaning: 'The last day, this amount included, is far above the usual day, the median of the last thirty',
    unit: 'times the spending of a usual day',
    raised: 'above',
    grades: [high(40, 20), medium(20, 8), low(5, 3)],
    measure: ({ intent, spentLastDayMinor = 0, spentDaysMinor = [] }) =>
      spentDaysMinor.length < ENOUGH_DAYS
        ? undefined
        : (spentLastDayMinor + intent.amountMinor) / Math.max(1, median(spentDaysMinor)),
  },
];
