import { describe, expect, it } from 'vitest';
import { parseAdyenNotification } from '../../src/processors/adyen/notification.ts';
import { type AdyenItem, signItem } from '../../src/processors/adyen/wire.ts';
import { HMAC_KEY } from './adyen-subject.ts';

/** The example of https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures. */
const PUBLISHED = {
  key: '44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056',
  signature: 'coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0=',
  item: {
    pspReference: '7914073381342284',
    merchantAccountCode: 'TestMerchant',
    merchantReference: 'TestPayment-1407325143704',
    amount: { value: 1130, currency: 'EUR' },
    eventCode: 'AUTHORISATION',
    success: 'true',
  },
};

const item = (more: Partial<AdyenItem> = {}): AdyenItem => ({
  pspReference: 'MOD1',
  originalReference: 'PSP1',
  merchantAccountCode: 'Shop',
  merchantReference: 'pay_1.op_1',
  amount: { value: 500, currency: 'EUR' },
  eventCode: 'CAPTURE',
  success: 'true',
  ...more,
});
const signed = (plain: AdyenItem, key = HMAC_KEY) => ({
  ...plain,
  additionalData: { hmacSignature: signItem(plain, key) },
});
const message = (...items: object[]) => ({
  live: 'false',
  notificationItems: items.map((NotificationRequestItem) => ({ NotificationRequestItem })),
});
const read = (...items: object[]) => parseAdyenNotification(message(...items), 'Shop', HMAC_KEY);

describe('a standard webhook of Adyen', () => {
  it('has the signature of the published example', () => {
    expect(signItem(PUBLISHED.item, PUBLISHED.key)).toBe(PUBLISHED.signature);
    expect(signItem({ ...PUBLISHED.item, amount: { value: 1131, currency: 'EUR' } }, PUBLISHED.key)).not.toBe(
      PUBLISHED.signature,
    );
    const sent = { ...PUBLISHED.item, additionalData: { hmacSignature: PUBLISHED.signature } };
    expect(parseAdyenNotification(message(sent), 'TestMerchant', PUBLISHED.key)).toEqual([
      { eventId: 'AUTHORISATION:7914073381342284:true', event: 'AUTHORISATION' },
    ]);
  });

  it('tells how a modification ended, by the payment and not by itself', () => {
    expect(read(signed(item()))).toEqual([
      {
        eventId: 'CAPTURE:MOD1:true',
        event: 'CAPTURE',
        news: {
          operation: 'capture',
          reference: 'pay_1',
          operationId: 'op_1',
          outcome: { status: 'succeeded', processorReference: 'PSP1', amountMinor: 500 },
        },
      },
    ]);
    const [refusal] = read(signed(item({ success: 'false', reason: 'Insufficient balance on payment' })));
    expect(refusal!.news!.outcome).toMatchObject({ status: 'failed', class: 'invalid_data' });
    const [unmapped] = read(signed(item({ eventCode: 'REFUND', success: 'false', reason: 'Something else' })));
    expect(unmapped!.news).toMatchObject({ operation: 'refund', outcome: { class: 'hard_decline' } });
  });

  it.each(['CAPTURE_FAILED', 'REFUND_FAILED', 'REFUNDED_REVERSED'])('%s takes back a success', (eventCode) => {
    const [told] = read(signed(item({ eventCode })));
    expect(told).toMatchObject({ takesBack: true, news: { outcome: { status: 'failed', code: eventCode } } });
  });

  it.each([
    ['REQUEST_FOR_INFORMATION', 'inquiry'],
    ['NOTIFICATION_OF_CHARGEBACK', 'opened'],
    ['CHARGEBACK', 'opened'],
    ['CHARGEBACK_REVERSED', 'challenged'],
    ['DISPUTE_DEFENSE_PERIOD_ENDED', 'expired'],
    ['SECOND_CHARGEBACK', 'lost'],
    ['PREARBITRATION_LOST', 'lost'],
    ['PREARBITRATION_WON', 'won'],
    ['ISSUER_RESPONSE_TIMEFRAME_EXPIRED', 'won'],
  ])('%s tells of a dispute that is %s', (eventCode, status) => {
    const [told] = read(signed(item({ eventCode, pspReference: 'DSP1' })));
    expect(told!.dispute).toEqual({
      processorDisputeId: 'DSP1',
      processorReference: 'PSP1',
      status,
      amountMinor: 500,
      currency: 'EUR',
    });
    expect(told).not.toHaveProperty('news');
  });

  it.each(['NOTIFICATION_OF_FRAUD', 'INFORMATION_SUPPLIED'])('%s moves no dispute', (eventCode) => {
    expect(read(signed(item({ eventCode })))[0]).not.toHaveProperty('dispute');
  });

  it('is kept without news where it is not about an operation of ours', () => {
    expect(read(signed(item({ eventCode: 'REPORT_AVAILABLE' })))).toEqual([
      { eventId: 'REPORT_AVAILABLE:MOD1:true', event: 'REPORT_AVAILABLE' },
    ]);
    expect(read(signed(item({ merchantReference: 'someone-elses' })))[0]).not.toHaveProperty('news');
  });

  it.each([
    ['another amount', { amount: { value: 501, currency: 'EUR' } }],
    ['another result', { success: 'false' }],
    ['another reference', { merchantReference: 'pay_2.op_1' }],
    ['another event', { eventCode: 'REFUND' }],
  ])('is refused with %s than was signed', (_, change) => {
    expect(() => read({ ...signed(item()), ...change })).toThrow('notification signature: mismatch');
  });

  it('is refused without a signature, with that of another key, and when one item of several is forged', () => {
    expect(() => read(item())).toThrow('notification signature: missing');
    expect(() => read(signed(item(), 'ab'.repeat(32)))).toThrow('notification signature: mismatch');
    const forged = { ...signed(item({ pspReference: 'MOD2' })), success: 'false' };
    expect(() => read(signed(item()), forged)).toThrow('notification signature: mismatch');
  });

  it('is refused for another merchant account, and when it is not readable', () => {
    expect(() => read(signed(item({ merchantAccountCode: 'Other' })))).toThrow('another merchant account');
    for (const body of [
      null,
      {},
      { notificationItems: [] },
      message({}),
      message({ ...signed(item()), amount: null }),
    ]) {
      expect(() => parseAdyenNotification(body, 'Shop', HMAC_KEY)).toThrow();
    }
  });
});
