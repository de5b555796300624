import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createStripeAdapter } from '../../src/processors/stripe/adapter.ts';
import { startAnswering, type Said } from './answering.ts';

let stripe: Awaited<ReturnType<typeof startAnswering>>;
beforeAll(async () => {
  stripe = await startAnswering();
});
beforeEach(() => void (stripe.asked.length = 0));
afterAll(() => stripe.stop());

const adapter = createStripeAdapter();
const call = { operationId: '0190a000-0000-7000-8000-000000000001', reference: 'pay_1', timeoutMs: 2_000 };
const account = (mid = 'shop') => ({
  processor: 'stripe',
  mid,
  baseUrl: stripe.url,
  apiKey: 'sk_test_of_this_account',
});
const wish = { amountMinor: 500, currency: 'EUR', token: 'pm_card_visa', capture: 'manual' as const };
const authorize = (more: object = {}) => adapter.authorize({ account: account(), ...call, ...wish, ...more });

const intent = (more: object = {}) => ({
  id: 'pi_1',
  object: 'payment_intent',
  amount: 500,
  amount_capturable: 500,
  amount_received: 0,
  capture_method: 'manual',
  currency: 'eur',
  metadata: { prokura_payment: 'pay_1', prokura_operation: call.operationId },
  status: 'requires_capture',
  latest_charge: {
    id: 'ch_1',
    amount: 500,
    status: 'succeeded',
    payment_method_details: { card: { amount_authorized: 500, capture_before: 1_900_000_000 } },
  },
  ...more,
});
const error = (status: number, members: object): Said => ({ status, body: { error: members } });

describe('a request to Stripe', () => {
  it('carries the operation as its key, the pinned version, the key of the account and our references', async () => {
    stripe.says({ status: 200, body: intent() });
    expect(await authorize({ account: { ...account(), capabilities: { multicapture: true } } })).toEqual({
      status: 'succeeded',
      processorReference: 'pi_1',
      amountMinor: 500,
      expiresAt: '2030-03-17T17:46:40.000Z',
    });
    const { method, path, headers, body } = stripe.asked[0]!;
    expect([method, path]).toEqual(['POST', '/v1/payment_intents']);
    expect(headers).toMatchObject({
      authorization: 'Bearer sk_test_of_this_account',
      'idempotency-key': call.operationId,
      'stripe-version': '2026-10-28.endive',
    });
    expect(headers).not.toHaveProperty('stripe-account');
    expect(headers).not.toHaveProperty('x-stripe-client-telemetry');
    expect(Object.fromEntries(new URLSearchParams(body))).toMatchObject({
      amount: '500',
      currency: 'eur',
      payment_method: 'pm_card_visa',
      confirm: 'true',
      error_on_requires_action: 'true',
      capture_method: 'manual',
      'metadata[prokura_payment]': 'pay_1',
      'metadata[prokura_operation]': call.operationId,
      'payment_method_options[card][request_multicapture]': 'if_available',
    });
  });

  it('is made for a connected account when the MID is one', async () => {
    stripe.says({ status: 200, body: intent() });
    await authorize({ account: account('acct_1Abcdefgh') });
    expect(stripe.asked[0]!.headers['stripe-account']).toBe('acct_1Abcdefgh');
  });

  it('is made once, also when the connection breaks, which the transport of the SDK repeats', async () => {
    stripe.says('cut');
    expect(await authorize()).toEqual({ status: 'unknown', reason: 'ECONNRESET' });
    expect(stripe.asked).toHaveLength(1);
  });

  it('is not made for a token that is not of Stripe, or an amount that Stripe cannot express', async () => {
    const token = await authorize({ token: 'shopper/8415736847425855' });
    expect(token).toMatchObject({ status: 'failed', class: 'invalid_data', code: 'unsupported_token' });
    const amount = await authorize({ amountMinor: 550, currency: 'MGA' });
    expect(amount).toMatchObject({ status: 'failed', code: 'amount_not_expressible' });
    expect(stripe.asked).toHaveLength(0);
  });

  it.each([
    ['JPY', 500, '500'],
    ['KWD', 5_000, '5000'],
    ['ISK', 500, '50000'],
    ['MGA', 500, '5'],
  ])('writes %s %i as %s', async (currency, amountMinor, written) => {
    const amount = Number(written);
    const charge = {
      ...intent().latest_charge,
      amount,
      payment_method_details: { card: { amount_authorized: amount } },
    };
    stripe.says({ status: 200, body: intent({ amount, currency: currency.toLowerCase(), latest_charge: charge }) });
    expect(await authorize({ amountMinor, currency })).toMatchObject({ status: 'succeeded', amountMinor });
    expect(new URLSearchParams(stripe.asked[0]!.body).get('amount')).toBe(written);
  });

  it('asks for more captures only where the rest is to stay', async () => {
    stripe.says({ status: 200, body: intent({ amount_received: 200, amount_capturable: 300 }) });
    const base = { account: account(), ...call, processorReference: 'pi_1', amountMinor: 200, currency: 'EUR' };
    await adapter.capture({ ...base, final: false });
    await adapter.capture({ ...base, final: true });
    await adapter.capture({ ...base, final: false, authorizedMinor: 200 });
    const sent = stripe.asked.map(({ body }) => new URLSearchParams(body).get('final_capture'));
    expect(sent).toEqual(['false', null, null]);
  });
});

const charge = { payment_intent: intent(), type: 'card_error', message: 'm' };
const definite: [string, Said, object][] = [
  ['a decline', error(402, { ...charge, code: 'card_declined', decline_code: 'lost_card' }), { class: 'hard_decline' }],
  [
    'a decline that Stripe advises against repeating',
    error(402, { ...charge, code: 'card_declined', decline_code: 'generic_decline', advice_code: 'do_not_try_again' }),
    { class: 'hard_decline' },
  ],
  [
    'the same without the advice',
    error(402, { ...charge, code: 'card_declined', decline_code: 'generic_decline' }),
    { class: 'soft_decline' },
  ],
  [
    'a decline nobody mapped',
    error(402, { ...charge, code: 'card_declined', decline_code: 'new_one' }),
    { class: 'hard_decline', code: 'new_one' },
  ],
  [
    'a demand for authentication',
    error(402, { ...charge, code: 'authentication_required' }),
    { class: 'authentication_required' },
  ],
  ['a 429', error(429, { type: 'invalid_request_error', code: 'rate_limit' }), { class: 'throttled' }],
  ['a lock timeout', error(429, { type: 'invalid_request_error', code: 'lock_timeout' }), { class: 'throttled' }],
  ['a 401', error(401, { type: 'invalid_request_error', message: 'Invalid API Key' }), { class: 'configuration' }],
  ['a 403', error(403, { type: 'invalid_request_error', message: 'no permission' }), { class: 'configuration' }],
  [
    'the key in use',
    error(409, { type: 'invalid_request_error', code: 'idempotency_key_in_use' }),
    { status: 'unknown', reason: 'idempotency_key_in_use' },
  ],
  [
    'the key in use, told as an idempotency error',
    error(409, { type: 'idempotency_error', code: 'idempotency_key_in_use' }),
    { status: 'unknown', reason: 'idempotency_key_in_use' },
  ],
  ['another conflict', error(409, { type: 'invalid_request_error', code: 'resource_busy' }), { class: 'duplicate' }],
  ['the key with other content', error(400, { type: 'idempotency_error', message: 'm' }), { class: 'duplicate' }],
  [
    'a missing PaymentMethod',
    error(404, { type: 'invalid_request_error', code: 'resource_missing' }),
    { class: 'invalid_data' },
  ],
  [
    'an intent that is processing',
    { status: 200, body: intent({ status: 'processing', latest_charge: null }) },
    { status: 'pending' },
  ],
  [
    'an intent captured at once',
    { status: 200, body: intent({ status: 'succeeded', capture_method: 'automatic', amount_received: 500 }) },
    { status: 'succeeded', captured: true },
  ],
];
const unknown: [string, Said][] = [
  ['a 500', error(500, { type: 'api_error' })],
  [
    'a 503 with a code of a decline',
    error(503, { type: 'card_error', code: 'card_declined', decline_code: 'lost_card' }),
  ],
  ['a 408', error(408, { type: 'invalid_request_error', code: 'timeout' })],
  ['a 402 without JSON', { status: 402, body: '<h1>no</h1>' }],
  ['a 402 without an error', { status: 402, body: intent() }],
  ['a 200 with an error', error(200, { type: 'card_error', code: 'card_declined', decline_code: 'lost_card' })],
  ['a 200 that is null', { status: 200, body: 'null' }],
  ['a 200 cut in the middle', { status: 200, body: '{"id": "pi_' }],
  ['a 200 about another payment', { status: 200, body: intent({ metadata: { prokura_payment: 'pay_2' } }) }],
  ['a 200 without a charge', { status: 200, body: intent({ latest_charge: null }) }],
  ['a 200 with half an amount', { status: 200, body: intent({ amount_capturable: 0.5 }) }],
  ['a redirect', { status: 302, body: '', headers: { location: '/elsewhere' } }],
  ['an error without a type', error(400, { message: 'm' })],
];

describe('an answer of Stripe', () => {
  it.each(definite)('%s is definite', async (_, said, expected) => {
    stripe.says(said);
    expect(await authorize()).toMatchObject(expected);
    expect(stripe.asked).toHaveLength(1);
  });

  it.each(unknown)('%s leaves the outcome unknown, and is not repeated', async (_, said) => {
    stripe.says(said);
    expect(await authorize()).toMatchObject({ status: 'unknown' });
    expect(stripe.asked).toHaveLength(1);
  });

  it.each(unknown.filter(([, { status }]) => status !== 200))(
    '%s to a question leaves it unanswered',
    async (_, said) => {
      stripe.says(said);
      const asked = await adapter.query({
        account: account(),
        ...call,
        operation: 'capture',
        processorReference: 'pi_1',
      });
      expect(asked).toMatchObject({ status: 'unanswered' });
    },
  );

  it('is unanswered when marks claim more than was received', async () => {
    const metadata = { ...intent().metadata, [call.operationId]: 'capture:500' };
    const ask = () => adapter.query({ account: account(), ...call, operation: 'capture', processorReference: 'pi_1' });
    stripe.says({ status: 200, body: intent({ metadata, amount_received: 500 }) });
    expect(await ask()).toMatchObject({ status: 'found', outcome: { amountMinor: 500 } });
    stripe.says({ status: 200, body: intent({ metadata, amount_received: 400 }) });
    expect(await ask()).toMatchObject({ status: 'unanswered' });
  });

  it('tells a void of ours from a hold that ended by itself', async () => {
    const ask = () => adapter.query({ account: account(), ...call, operation: 'void', processorReference: 'pi_1' });
    const ended = { status: 'canceled', amount_capturable: 0 };
    stripe.says({ status: 200, body: intent({ ...ended, cancellation_reason: 'abandoned' }) });
    expect(await ask()).toMatchObject({ status: 'found', outcome: { status: 'succeeded', amountMinor: 500 } });
    stripe.says({ status: 200, body: intent({ ...ended, cancellation_reason: 'automatic' }) });
    expect(await ask()).toMatchObject({ status: 'found', outcome: { status: 'failed', class: 'invalid_data' } });
    stripe.says({ status: 200, body: intent() });
    expect(await ask()).toEqual({ status: 'absent' });
  });
});
