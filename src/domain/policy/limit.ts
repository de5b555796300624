import type { Intent } from '../types.ts';
import type { Limit } from './types.ts';

/**
 * The limit in the intent's currency, minor units; undefined when the limit names currencies and not this one.
 * @throws TypeError for what is not a limit
 */
export function limitIn(limit: Limit | undefined, { currency }: Intent): number | undefined {
  if (typeof limit === 'number') return wholeNumber(limit);
  if (typeof limit !== 'object' || limit === null || Array.isArray(limit)) {
    throw new TypeError('the limit is not a whole number');
  }
  if ('amount_minor' in limit) {
    return limit.currency === (currency as unknown) ? wholeNumber(limit.amount_minor) : undefined;
  }
  return Object.hasOwn(limit, currency) ? wholeNumber((limit as Record<string, unknown>)[currency]) : undefined;
}

function wholeNumber(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new TypeError('the limit is not a whole number');
  }
  return value;
}
