import { Stripe } from 'stripe';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseStripeNotification } from '../../src/processors/stripe/notification.ts';
import { startTestSimulator, type TestSimulator } from './simulator-subject.ts';

let simulator: TestSimulator;
let stripe: Stripe;
beforeAll(async () => {
  simulator = await startTestSimulator();
  const { hostname, port } = new URL(simulator.url);
  stripe = new Stripe('sk_test_alpha', { host: hostname, port: Number(port), protocol: 'http', maxNetworkRetries: 0 });
});
afterAll(() => simulator.stop());

describe('the simulated Stripe under the official SDK alone', () => {
  it('takes a payment from the authorization to the refund, and counts what moved', async () => {
    const intent = await stripe.paymentIntents.create({
      amount: 1_000,
      currency: 'eur',
      payment_method: 'pm_card_visa',
      confirm: true,
      capture_method: 'manual',
    });
    expect(intent).toMatchObject({ status: 'requires_capture', amount_capturable: 1_000 });
    const captured = await stripe.paymentIntents.capture(intent.id, { amount_to_capture: 700 });
    expect(captured).toMatchObject({ status: 'succeeded', amount_received: 700 });
    expect(await stripe.refunds.create({ payment_intent: intent.id, amount: 200 })).toMatchObject({
      status: 'succeeded',
    });
    const sums = (await simulator.effects(intent.id)).map(({ type, amount_minor }) => [type, amount_minor]);
    expect(sums).toEqual([
      ['authorize', 1_000],
      ['capture', 700],
      ['refund', 200],
    ]);
    await expect(stripe.paymentIntents.capture(intent.id)).rejects.toMatchObject({ type: 'StripeInvalidRequestError' });
  });

  it('declines as the published test cards do', async () => {
    const declined = stripe.paymentIntents.create({
      amount: 1_000,
      currency: 'eur',
      payment_method: 'pm_card_visa_chargeDeclinedLostCard',
      confirm: true,
    });
    await expect(declined).rejects.toMatchObject({ type: 'StripeCardError', decline_code: 'lost_card' });
  });
});

describe('an event of Stripe', () => {
  const secret = 'whsec_of_a_test_endpoint';
  const now = new Date('2026-03-01T12:00:00Z');
  const refund = {
    id: 're_1',
    object: 'refund',
    amount: 200,
    currency: 'eur',
    payment_intent: 'pi_1',
    status: 'succeeded',
    metadata: { prokura_payment: 'pay_1', prokura_operation: 'op_1' },
  };
  const payload = JSON.stringify({
    id: 'evt_1',
    object: 'event',
    type: 'charge.refund.updated',
    data: { object: refund },
  });
  const sign = (key = secret, at = now) =>
    Stripe.webhooks.generateTestHeaderString({ payload, secret: key, timestamp: Math.floor(at.getTime() / 1000) });
  const read = (header: unknown, body = payload) => parseStripeNotification(Buffer.from(body), header, secret, now);

  it('is read when its signature fits', () => {
    expect(read(sign())).toMatchObject({
      eventId: 'evt_1',
      news: { operation: 'refund', operationId: 'op_1', outcome: { status: 'succeeded', amountMinor: 200 } },
    });
  });

  it('is refused without a signature, with another secret, another body, or too late', () => {
    expect(() => read(undefined)).toThrow('notification signature: missing');
    expect(() => read(sign('whsec_of_somebody_else'))).toThrow('notification signature: mismatch');
    expect(() => read(sign(), payload.replace('200', '201'))).toThrow('notification signature: mismatch');
    expect(() => read(sign(secret, new Date(now.getTime() - 301_000)))).toThrow('notification signature: expired');
  });
});
