import { budgetMinor } from './payment-constraints.ts';
import type { OpenMandateSeen } from './evidence.ts';
import { isJson } from './shapes.ts';
import type { Json } from './types.ts';

/** What an open payment mandate lets be spent at most, altogether: its budget, else its largest amount each time. */
export function openLimit(mandate_key: string, open: Json): OpenMandateSeen {
  const list: unknown = open['constraints'];
  const constraints = (Array.isArray(list) ? (list as unknown[]) : []).filter(isJson);
  const of = (type: string) => constraints.find((constraint) => constraint['type'] === type);
  const budget = of('payment.budget');
  const range = of('payment.amount_range');
  const times = of('payment.agent_recurrence')?.['max_occurrences'];
  const whole = budget && budgetMinor(budget);
  const single = range?.['max'];
  const limitMinor =
    whole ??
    (isCount(single) ? single * (of('payment.agent_recurrence') ? (isCount(times) ? times : 1) : 1) : undefined);
  const currency = (whole === undefined ? range : budget)?.['currency'];
  return {
    mandate_key,
    ...(typeof currency === 'string' && limitMinor !== undefined && Number.isSafeInteger(limitMinor)
      ? { currency, limitMinor }
      : {}),
    ...(isCount(open['exp']) ? { expiresAt: open['exp'] } : {}),
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
