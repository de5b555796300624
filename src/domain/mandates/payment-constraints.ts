import { toMinor } from '../money.ts';
import { readSpan } from '../calendar.ts';
import { sameInstrument, sameMerchant, samePisp } from './matching.ts';
import { isDue, isFrequency } from './recurrence.ts';
import type { Json, PaymentMandate, Usage } from './types.ts';

/** What a payment is judged by besides its mandates. */
export interface PaymentContext {
  /** Epoch seconds. */
  readonly now: number;
  /** What was approved under this open mandate before; absent when the caller does not know. */
  readonly usage?: Usage;
  /** `sd_hash` values of the open checkout mandates behind the verified checkout; absent when none was presented. */
  readonly openCheckoutHashes?: readonly string[];
}

/** A sentence for what is wrong, or `undefined` when the constraint is met. */
type Evaluator = (constraint: Json, payment: PaymentMandate, context: PaymentContext) => string | undefined;

/** Every payment constraint of AP2 v0.2 but `payment.reference`, which is a binding. Another type is a failure. */
export const PAYMENT_CONSTRAINTS: ReadonlyMap<string, Evaluator> = new Map<string, Evaluator>([
  ['payment.amount_range', amountRange],
  ['payment.allowed_payees', allowed('payee', sameMerchant)],
  ['payment.allowed_payment_instruments', allowed('payment_instrument', sameInstrument)],
  ['payment.allowed_pisps', allowed('pisp', samePisp)],
  ['payment.budget', budget],
  ['payment.agent_recurrence', agentRecurrence],
  ['payment.execution_date', executionDate],
]);

/** `max` and `min` are minor units, both inclusive. */
function amountRange({ currency, max, min }: Json, { payment_amount: paid }: PaymentMandate): string | undefined {
  if (typeof currency !== 'string' || !isMinor(max) || !(min === undefined || isMinor(min))) return UNREADABLE;
  if (paid.currency !== currency) return `the payment is in ${paid.currency}, the range is in ${currency}`;
  if (paid.amount > max) return `${paid.amount} is more than the ${max} that were authorized`;
  if (min !== undefined && paid.amount < min) return `${paid.amount} is less than the ${min} that were demanded`;
  return undefined;
}

/** The member must be there and match one of the revealed entries; an empty list allows nobody. */
function allowed(
  member: 'payee' | 'payment_instrument' | 'pisp',
  same: (a: unknown, b: unknown) => boolean,
): Evaluator {
  return (constraint, payment) => {
    const list = constraint['allowed'];
    if (!Array.isArray(list)) return UNREADABLE;
    if (payment[member] === undefined) return `the payment names no ${member}`;
    return list.some((entry) => same(entry, payment[member])) ? undefined : `the ${member} is not among those allowed`;
  };
}

/**
 * The budget in minor units. On the wire `max` is in *major* units (`1000.00`), unlike every other amount of AP2: the
 * schema has `number` and says nothing of minor units, and the reference implementation multiplies it by a hundred.
 * Here the currency's own exponent is used.
 */
export function budgetMinor(constraint: Json): number | undefined {
  const { max, currency } = constraint;
  if (typeof max !== 'number' || typeof currency !== 'string') return undefined;
  try {
    return toMinor(max, currency);
  } catch {
    return undefined;
  }
}

function budget(constraint: Json, { payment_amount: paid }: PaymentMandate, { usage }: PaymentContext) {
  const max = budgetMinor(constraint);
  if (max === undefined) return UNREADABLE;
  if (paid.currency !== constraint['currency']) return `the budget is not in ${paid.currency}`;
  if (usage === undefined) return 'what was spent under this mandate so far is not known';
  const total = usage.spentMinor + paid.amount;
  return total <= max ? undefined : `${total} together with what was spent before is more than the budget of ${max}`;
}

function agentRecurrence(constraint: Json, _: PaymentMandate, { now, usage }: PaymentContext): string | undefined {
  const { frequency, max_occurrences: limit } = constraint;
  if (!isFrequency(frequency) || !(limit === undefined || isMinor(limit))) return UNREADABLE;
  if (limit === undefined && frequency === 'ON_DEMAND') return undefined;
  if (usage === undefined) return 'how often this mandate was used is not known';
  if (limit !== undefined && usage.occurrences + 1 > limit) return `it was used ${usage.occurrences} times of ${limit}`;
  if (usage.occurrences === 0) return undefined;
  if (usage.lastAt === undefined) return 'when this mandate was used last is not known';
  return isDue(frequency, usage.lastAt, now) ? undefined : `the last payment is too near for ${frequency}`;
}

/** Bounds are inclusive, a date stands for its whole UTC day, and a payment without a date is executed now. */
function executionDate(constraint: Json, payment: PaymentMandate, { now }: PaymentContext): string | undefined {
  const { not_before: earliest, not_after: latest } = constraint;
  const from = earliest === undefined ? { from: -Infinity, to: -Infinity } : readSpan(earliest);
  const until = latest === undefined ? { from: Infinity, to: Infinity } : readSpan(latest);
  const when = payment.execution_date === undefined ? { from: now, to: now } : readSpan(payment.execution_date);
  if (from === undefined || until === undefined || when === undefined) return UNREADABLE;
  if (when.from < from.from) return 'the payment is executed too early';
  return when.to > until.to ? 'the payment is executed too late' : undefined;
}

const UNREADABLE = 'the constraint, or what it is about, cannot be read';

function isMinor(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
