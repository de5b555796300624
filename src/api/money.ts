import { MoneyError, toMinor } from '../domain/money.ts';
import { invalidRequest } from './pipeline/invalid-request.ts';

/**
 * Major units of a request → minor units, once, at the edge.
 * @param path the member that holds the amount, for the refusal
 * @throws Problem `invalid_request` for excess decimals, exponents, negatives, zero, unsafe numbers, unknown currencies
 */
export function minorAt(path: string, amount: number | string, currency: string): number {
  let minor: number;
  try {
    minor = toMinor(amount, currency);
  } catch (error) {
    if (error instanceof MoneyError) {
      throw invalidRequest(path, `is not usable: ${continued(error.message)}`);
    }
    throw error;
  }
  if (minor === 0) throw invalidRequest(path, 'must be greater than zero');
  return minor;
}

/** A sentence as the continuation of another; a currency code at its beginning stays as it is. */
function continued(sentence: string): string {
  return /^[A-Z]{2}/.test(sentence) ? sentence : sentence.charAt(0).toLowerCase() + sentence.slice(1);
}
