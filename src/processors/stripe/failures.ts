import { Stripe } from 'stripe';
import { classIn } from '../code-table.ts';
import { failed, notLookedAt, withoutAnswer } from '../outcomes.ts';
import type { ProcessorOutcome } from '../port.ts';
import { NoAnswer } from './client.ts';
import { STRIPE_CODES } from './decline-codes.ts';

/**
 * What an error of the SDK means for money (https://docs.stripe.com/error-handling).
 * - No answer: by whether a connection stood.
 * - 429: a documented no-op, `lock_timeout` included.
 * - 409 `idempotency_key_in_use`: the first request under the key still runs, and nobody knows how it will end.
 * - The same key with other content: the operation exists there.
 * - Other 4xx with a type and a code that Stripe documents: a definite no. A saved 4xx is repeated under its key.
 * - 5xx, and whatever cannot be read: unknown. Stripe repeats a saved 500 under its key for as long as it keeps the
 *   key, so that only a query ends this.
 * @throws what is no error of a call: a programming error
 */
export function outcomeOfError(error: unknown): ProcessorOutcome {
  if (!(error instanceof Stripe.errors.StripeError)) throw error;
  if (error instanceof Stripe.errors.StripeConnectionError) {
    const cause: unknown = error.detail;
    return cause instanceof NoAnswer
      ? withoutAnswer(cause.exchange)
      : { status: 'unknown', reason: 'the connection failed' };
  }
  const { statusCode: status, rawType: type, code, decline_code } = error;
  if (status === undefined || status < 400 || status > 499 || status === 408 || type === undefined) {
    return { status: 'unknown', reason: status === undefined ? 'unreadable answer' : `HTTP ${status}` };
  }
  if (status === 429) return notLookedAt(code ?? 'rate_limit');
  if (status === 401 || status === 403)
    return failed('configuration', code ?? 'unauthorized', 'Stripe refused the key.');
  if (code === 'idempotency_key_in_use') return { status: 'unknown', reason: code };
  if (type === 'idempotency_error' || status === 409) {
    return failed('duplicate', code ?? 'idempotency_error', 'Stripe has an operation under this key.');
  }
  if (type === 'card_error') {
    return declined([decline_code, code], error.message, error.advice_code);
  }
  if (type !== 'invalid_request_error') return { status: 'unknown', reason: `HTTP ${status}` };
  // Without a code Stripe names the parameter only, as for a refund of more than there is.
  if (!code) return failed('invalid_data', 'invalid_request', error.message);
  return failed(classIn(STRIPE_CODES.error, code), code, error.message);
}

/** Some declines have no code of the issuer: the error's own code is one of either table then. */
const CARD_CODES = { ...STRIPE_CODES.error, ...STRIPE_CODES.decline };

/** Stripe's own advice counts before the table: `do_not_try_again` is the network's word. */
export function declined(
  codes: (string | null | undefined)[],
  message: string,
  advice?: string | null,
): Extract<ProcessorOutcome, { status: 'failed' }> {
  const known = classIn(CARD_CODES, ...codes);
  const cls = advice === 'do_not_try_again' && known === 'soft_decline' ? 'hard_decline' : known;
  return failed(cls, codes.find(Boolean) ?? 'card_declined', message);
}
