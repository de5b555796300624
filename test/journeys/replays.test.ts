import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectInvariants } from './invariants.ts';
import { refusal, startJourney, type Journey } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

interface Raw {
  status: number;
  text: string;
  replayed: string | null;
}

/** The answer as it came over the wire: replays must be the same bytes. */
async function send(path: string, body: object, key: string): Promise<Raw> {
  const response = await fetch(`${t.url}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${t.credentials.api_key}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify(body),
  });
  // What names the request itself differs, and is the only thing that may.
  const text = (await response.text()).replace(/"request_id":"[^"]+"/, '"request_id":""');
  return { status: response.status, text, replayed: response.headers.get('idempotency-replayed') };
}

type Prepared = [path: string, body: object, other: object];

/** One request of each kind, and another body that would be right under a key of its own. */
const REQUESTS: Record<string, () => Promise<Prepared>> = {
  async authorize() {
    const { agent_id, principal_id, everyday } = await t.cast();
    const body = (amount: number) => ({
      agent_id,
      principal_id,
      delegation_id: everyday,
      intent: { amount, currency: 'EUR', merchant_ref: 'mrc_1', channel: 'chatpay' },
      context: { device_trust: 'verified' },
    });
    return ['/v1/execution/authorize', body(10), body(11)];
  },
  async 'a denied authorize'() {
    const { agent_id, principal_id, everyday } = await t.cast();
    const body = (amount: number) => ({
      agent_id,
      principal_id,
      delegation_id: everyday,
      intent: { amount, currency: 'EUR', merchant_ref: 'mrc_1', channel: 'chatpay' },
    });
    return ['/v1/execution/authorize', body(5000), body(5001)];
  },
  async 'the answer to a challenge'() {
    const cast = await t.cast();
    const { challenge } = (await t.propose(cast, { delegation_id: cast.cautious })).body;
    const body = (code: string) => ({ challenge_id: challenge!.challenge_id, method: 'totp', response: { code } });
    return ['/v1/execution/challenge/respond', body(cast.code()), body(cast.wrongCode())];
  },
  async pay() {
    const { execution_token } = await t.approved(await t.cast());
    const body = { execution_token, payment_method: { type: 'token', token: 'tok_approve' } };
    return ['/v1/payments/authorize', body, { ...body, merchant_reference: 'another' }];
  },
  async 'a declined payment'() {
    const { execution_token } = await t.approved(await t.cast());
    const body = { execution_token, payment_method: { type: 'token', token: 'tok_decline_lost' } };
    return ['/v1/payments/authorize', body, { ...body, merchant_reference: 'another' }];
  },
  async capture() {
    const { payment_id } = await t.paid();
    return ['/v1/payments/capture', { payment_id, amount: 30 }, { payment_id, amount: 31 }];
  },
  async void() {
    const { payment_id } = await t.paid();
    return ['/v1/payments/void', { payment_id }, { payment_id, reason: 'another' }];
  },
  async refund() {
    const payment = await t.paid();
    await t.operate('capture', payment);
    const { payment_id } = payment;
    return ['/v1/payments/refund', { payment_id, amount: 30 }, { payment_id, amount: 31 }];
  },
};

describe.each(Object.keys(REQUESTS))('%s', (name) => {
  it('is answered with the same bytes again, and says so', async () => {
    const [path, body] = await REQUESTS[name]!();
    const key = randomUUID();
    const first = await send(path, body, key);
    const again = await send(path, body, key);
    expect([first.replayed, again]).toEqual([null, { ...first, replayed: 'true' }]);
  });

  it('is idempotency_conflict with another body', async () => {
    const [path, body, other] = await REQUESTS[name]!();
    const headers = { 'idempotency-key': randomUUID() };
    const first = await t.api('POST', path, body, headers);
    expect(refusal(await t.api('POST', path, other, headers))).toEqual([409, 'idempotency_conflict']);
    const again = await t.api('POST', path, body, headers);
    expect([again.status, { ...again.body, request_id: '' }]).toEqual([
      first.status,
      { ...first.body, request_id: '' },
    ]);
  });
});

describe('a replay', () => {
  it('tells what was answered then, not what is true now', async () => {
    const [path, body] = await REQUESTS['pay']!();
    const key = randomUUID();
    const first = await send(path, body, key);
    const { payment_id } = JSON.parse(first.text) as { payment_id: string };
    expect((await t.api('POST', '/v1/payments/capture', { payment_id })).status).toBe(200);
    expect((await send(path, body, key)).text).toBe(first.text);
  });

  it('does not depend on the order of members', async () => {
    const { payment_id } = await t.paid();
    const key = randomUUID();
    const first = await send('/v1/payments/capture', { payment_id, amount: 10 }, key);
    expect(await send('/v1/payments/capture', { amount: 10, payment_id }, key)).toEqual({ ...first, replayed: 'true' });
  });

  it('of a key used elsewhere is a conflict', async () => {
    const payment = await t.paid();
    const headers = { 'idempotency-key': randomUUID() };
    expect((await t.operate('capture', payment, { amount: 10 }, headers)).status).toBe(200);
    expect(refusal(await t.operate('refund', payment, { amount: 10 }, headers))).toEqual([409, 'idempotency_conflict']);
  });
});
