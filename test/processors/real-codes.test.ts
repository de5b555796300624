import { describe, expect, it } from 'vitest';
import { FAILURES } from '../../src/domain/failures.ts';
import { ADYEN_CODES, ADYEN_REFUSALS } from '../../src/processors/adyen/refusal-codes.ts';
import { classIn } from '../../src/processors/code-table.ts';
import { STRIPE_CODES } from '../../src/processors/stripe/decline-codes.ts';

const TABLES: [name: string, table: Readonly<Record<string, string>>][] = [
  ['decline codes of Stripe', STRIPE_CODES.decline],
  ['error codes of Stripe', STRIPE_CODES.error],
  ['refund failures of Stripe', STRIPE_CODES.refund],
  ['refusal codes of Adyen', ADYEN_CODES.refusal],
  ['refusal texts of Adyen', ADYEN_CODES.reason],
  ['error codes of Adyen', ADYEN_CODES.error],
];

describe.each(TABLES)('%s', (_, table) => {
  it('each have a failure class that is definite', () => {
    expect(Object.keys(table).length).toBeGreaterThan(3);
    for (const [code, cls] of Object.entries(table)) {
      expect({ code, known: Object.hasOwn(FAILURES, cls) }).toEqual({ code, known: true });
      // That nothing is known, or that it goes on, is no code of a processor; and a code arrived.
      expect({ code, cls: ['unknown', 'pending', 'not_sent'].includes(cls) }).toEqual({ code, cls: false });
    }
  });
});

describe('a code that no table has', () => {
  it.each(['brand_new_code', '', 'constructor', '__proto__', undefined])('%s is tried nowhere again', (code) => {
    for (const table of [STRIPE_CODES.decline, STRIPE_CODES.error, ADYEN_CODES.refusal, ADYEN_CODES.reason]) {
      const rule = FAILURES[classIn(table, code)];
      expect(rule).toMatchObject({ sameMid: 'never', otherMid: false, retryable: false });
    }
  });
});

/** Categories 1 of the networks and their like: asking again is fined, or answered by an investigation. */
describe('what says lost, stolen, closed, revoked or fraud', () => {
  const stripe = ['lost_card', 'stolen_card', 'pickup_card', 'restricted_card', 'invalid_account', 'fraudulent'];
  const more = ['do_not_try_again', 'revocation_of_authorization', 'revocation_of_all_authorizations'];
  it.each([...stripe, ...more, 'stop_payment_order'])('Stripe %s is never tried again, at any MID', (code) => {
    expect(FAILURES[classIn(STRIPE_CODES.decline, code)]).toMatchObject({ sameMid: 'never', otherMid: false });
  });
  it.each(['5', '14', '18', '20', '22', '25', '26', '31', '46'])(
    'Adyen %s is never tried again, at any MID',
    (code) => {
      expect(FAILURES[classIn(ADYEN_CODES.refusal, code)]).toMatchObject({ sameMid: 'never', otherMid: false });
      // A notification says the same by its text.
      const [text] = ADYEN_REFUSALS[code as keyof typeof ADYEN_REFUSALS];
      expect(classIn(ADYEN_CODES.reason, text)).toBe(classIn(ADYEN_CODES.refusal, code));
    },
  );
  it('and a code for want of funds goes to no other MID', () => {
    expect(FAILURES[classIn(STRIPE_CODES.decline, 'insufficient_funds')].otherMid).toBe(false);
    expect(FAILURES[classIn(ADYEN_CODES.refusal, '12')].otherMid).toBe(false);
  });
});
