import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAdyenAdapter } from '../../src/processors/adyen/adapter.ts';
import { startAnswering, type Said } from './answering.ts';

let adyen: Awaited<ReturnType<typeof startAnswering>>;
beforeAll(async () => {
  adyen = await startAnswering();
});
beforeEach(() => void (adyen.asked.length = 0));
afterAll(() => adyen.stop());

const adapter = createAdyenAdapter();
const call = { operationId: '0190a000-0000-7000-8000-000000000001', reference: 'pay_1', timeoutMs: 2_000 };
const account = (capabilities: Record<string, unknown> = {}) => ({
  processor: 'adyen',
  mid: 'ShopECOM',
  baseUrl: `${adyen.url}/v71`,
  apiKey: 'AQE_key',
  capabilities,
});
const wish = { amountMinor: 500, currency: 'EUR', token: 'shopper_1/8415736847425855', capture: 'manual' as const };
const authorize = (more: object = {}) => adapter.authorize({ account: account(), ...call, ...wish, ...more });
const merchantReference = `pay_1.${call.operationId}`;
const approved = {
  pspReference: 'PSP1',
  merchantReference,
  resultCode: 'Authorised',
  amount: { value: 500, currency: 'EUR' },
};
const error = (status: number, errorCode: string, headers?: Record<string, string>): Said => ({
  status,
  body: { status, errorCode, message: 'm', errorType: 'validation' },
  ...(headers ? { headers } : {}),
});

describe('a request to Adyen', () => {
  it('carries the operation as its key, both of our ids as the reference, and a stored instrument', async () => {
    adyen.says({ status: 200, body: approved });
    expect(await authorize()).toEqual({ status: 'succeeded', processorReference: 'PSP1', amountMinor: 500 });
    const { path, headers, body } = adyen.asked[0]!;
    expect(path).toBe('/v71/payments');
    expect(headers).toMatchObject({ 'x-api-key': 'AQE_key', 'idempotency-key': call.operationId });
    expect(JSON.parse(body)).toEqual({
      merchantAccount: 'ShopECOM',
      amount: { value: 500, currency: 'EUR' },
      reference: merchantReference,
      paymentMethod: { type: 'scheme', storedPaymentMethodId: '8415736847425855' },
      shopperReference: 'shopper_1',
      shopperInteraction: 'ContAuth',
      recurringProcessingModel: 'UnscheduledCardOnFile',
      additionalData: { manualCapture: 'true' },
    });
  });

  it('has a reference that Adyen takes (80 characters), whatever the ids', () => {
    expect(`pay_${'0'.repeat(26)}.${call.operationId}`.length).toBeLessThanOrEqual(80);
  });

  it('is not made for a capture that would let the rest go unasked', async () => {
    const capture = { ...call, processorReference: 'PSP1', amountMinor: 200, currency: 'EUR', final: false };
    const refused = await adapter.capture({ account: account(), ...capture });
    expect(refused).toMatchObject({ class: 'configuration', code: 'single_capture_only' });
    expect(adyen.asked).toHaveLength(0);
    const reference = merchantReference;
    adyen.says({ status: 201, body: { paymentPspReference: 'PSP1', reference, status: 'received' } });
    const taken = { status: 'pending', processorReference: 'PSP1' };
    expect(await adapter.capture({ account: account({ multicapture: true }), ...capture })).toEqual(taken);
    expect(await adapter.capture({ account: account(), ...capture, final: true })).toEqual(taken);
    expect(await adapter.capture({ account: account(), ...capture, authorizedMinor: 200 })).toEqual(taken);
  });

  it('is not made for a token that is not of Adyen', async () => {
    expect(await authorize({ token: 'pm_card_visa' })).toMatchObject({ code: 'unsupported_token' });
    expect(adyen.asked).toHaveLength(0);
  });

  it('is made once when the connection breaks', async () => {
    adyen.says('cut');
    expect(await authorize()).toEqual({ status: 'unknown', reason: 'ECONNRESET' });
    expect(adyen.asked).toHaveLength(1);
  });
});

const refused = (refusalReasonCode: string) => ({
  status: 200,
  body: { ...approved, resultCode: 'Refused', refusalReasonCode, refusalReason: 'r' },
});
const definite: [string, Said, object][] = [
  [
    'a part approved',
    { status: 200, body: { ...approved, resultCode: 'PartiallyAuthorised', amount: { value: 300, currency: 'EUR' } } },
    { status: 'succeeded', amountMinor: 300 },
  ],
  ['Received', { status: 200, body: { ...approved, resultCode: 'Received' } }, { status: 'pending' }],
  ['a refusal for want of funds', refused('12'), { class: 'insufficient_funds' }],
  ['a refusal nobody mapped', refused('999'), { class: 'hard_decline', code: '999' }],
  [
    'a demand to redirect',
    { status: 200, body: { ...approved, resultCode: 'RedirectShopper' } },
    { class: 'authentication_required' },
  ],
  ['a 401', error(401, '000'), { class: 'configuration' }],
  ['a 403', error(403, '901'), { class: 'configuration' }],
  ['a 429', error(429, '29_000'), { class: 'throttled' }],
  ['the key in use, or with other content', error(422, '704'), { class: 'duplicate' }],
  ['a validation error nobody mapped', error(422, '14_999'), { class: 'hard_decline' }],
];
const unknown: [string, Said][] = [
  ['a 500', error(500, '903')],
  ['a 503', error(503, '000')],
  ['a transient error', error(422, '704', { 'transient-error': 'true' })],
  ['a 422 without a code', { status: 422, body: {} }],
  ['a 422 without JSON', { status: 422, body: '<h1>no</h1>' }],
  ['a 200 about another payment', { status: 200, body: { ...approved, merchantReference: 'pay_2.x' } }],
  ['a result that is new', { status: 200, body: { ...approved, resultCode: 'Perhaps' } }],
  ['an approval in another currency', { status: 200, body: { ...approved, amount: { value: 500, currency: 'USD' } } }],
  ['an approval without an amount', { status: 200, body: { ...approved, amount: undefined } }],
  ['a 200 that is null', { status: 200, body: 'null' }],
];

describe('an answer of Adyen', () => {
  it.each(definite)('%s is definite', async (_, said, expected) => {
    adyen.says(said);
    expect(await authorize()).toMatchObject(expected);
    expect(adyen.asked).toHaveLength(1);
  });

  it.each(unknown)('%s leaves the outcome unknown, and is not repeated', async (_, said) => {
    adyen.says(said);
    expect(await authorize()).toMatchObject({ status: 'unknown' });
    expect(adyen.asked).toHaveLength(1);
  });
});
