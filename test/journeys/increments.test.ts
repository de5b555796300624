import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { expectInvariants } from './invariants.ts';
import { refusal, startJourney, type Answered, type Journey, type Payment } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

const raise = (payment: Payment, amount: number, more: object = {}, key = randomUUID()) =>
  t.api(
    'POST',
    '/v1/payments/increment',
    { payment_id: payment.payment_id, amount, ...more },
    { 'idempotency-key': key },
  ) as unknown as Promise<Answered<Payment>>;

const script = (fault: string, { payment_id }: Payment) =>
  t.simulator('POST', '/control/script', { operation: 'increment', fault, reference: payment_id, times: 1 });

/** What truly moved, by the oracle. */
async function moved({ payment_id }: Payment): Promise<[type: string, minor: number][]> {
  const { body } = await t.simulator<{ data: { type: string; amount_minor: number }[] }>(
    'GET',
    `/control/effects?reference=${payment_id}`,
  );
  return body.data.map(({ type, amount_minor }) => [type, amount_minor]);
}

async function policy(rules: object): Promise<void> {
  const { status } = await t.api('POST', '/v1/policies', { name: 'increments', rules, activate: true });
  expect(status).toBe(201);
}

/** What the payment's execution holds of running totals. */
async function held(payment: Payment): Promise<number> {
  const { rows } = await t.database.pool.query<{ spent: number; held: number }>(
    `SELECT d.budget_spent AS spent, e.budget_minor AS held FROM executions e JOIN delegations d ON d.id = e.delegation_id
      WHERE e.id = $1`,
    [parseId(payment.payment_id, 'pay')],
  );
  expect(rows[0]!.spent).toBe(rows[0]!.held);
  return rows[0]!.held;
}

/** A payment of 120.00 under a delegation of its own: 500.00 a payment, 600.00 in all unless another total is wished. */
async function paid(total = 600): Promise<Payment> {
  const cast = await t.cast();
  const { body } = await t.api<{ delegation_id: string }>('POST', '/v1/identities/delegations', {
    agent_id: cast.agent_id,
    principal_id: cast.principal_id,
    scope: {
      actions: ['payment.authorize', 'payment.refund'],
      currencies: ['EUR'],
      max_amount: 500,
      max_total: { amount: total, currency: 'EUR', window: '30d' },
    },
    ttl_seconds: 3600,
  });
  const { body: payment } = await t.pay(await t.approved(cast, { delegation_id: body.delegation_id }));
  return payment;
}

describe('a hold that is raised', () => {
  it('is captured up to its new sum, and the oracle, the books and the running totals say the same', async () => {
    const payment = await paid();
    const raised = await raise(payment, 30, { reason: 'one night more', currency: 'EUR' });
    expect(raised).toMatchObject({ status: 200, body: { status: 'authorized', counters: { authorized: 150_00 } } });
    expect(await held(payment)).toBe(150_00);
    expect((await t.operate('capture', payment, { amount: 150 })).body).toMatchObject({ status: 'captured' });
    expect(await moved(payment)).toEqual([
      ['authorize', 120_00],
      ['increment', 30_00],
      ['capture', 150_00],
    ]);
  });

  it('is raised once, however often the request comes', async () => {
    const payment = await paid();
    const key = randomUUID();
    const answers = await Promise.all([raise(payment, 30, {}, key), raise(payment, 30, {}, key)]);
    const again = await raise(payment, 30, {}, key);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(again.body.counters).toEqual(answers[0].body.counters);
    expect(refusal(await raise(payment, 31, {}, key))).toEqual([409, 'idempotency_conflict']);
    expect(await moved(payment)).toHaveLength(2);
  });

  it('gives back what it had charged when it is voided', async () => {
    const payment = await paid();
    await raise(payment, 30);
    expect((await t.operate('void', payment)).body).toMatchObject({
      status: 'voided',
      counters: { authorized: 150_00, released: 150_00 },
    });
    expect(await held(payment)).toBe(0);
  });

  it('is captured in part while the outcome is unknown, but neither wholly nor voided nor raised again', async () => {
    const payment = await paid();
    await script('lost_request', payment);
    await t.simulator('POST', '/control/script', { operation: 'query', fault: 'unavailable', times: 3 });
    const asked = raise(payment, 30);
    await t.becomes(payment, ({ increment_pending }) => increment_pending === 30_00);
    expect(refusal(await t.operate('void', payment))).toEqual([409, 'invalid_payment_state']);
    expect(refusal(await t.operate('capture', payment))).toEqual([409, 'invalid_payment_state']);
    expect(refusal(await raise(payment, 1))).toEqual([409, 'invalid_payment_state']);
    expect((await t.operate('capture', payment, { amount: 50 })).body).toMatchObject({ status: 'partially_captured' });
    await t.becomes(payment, ({ counters }) => counters.authorized === 150_00);
    expect([200, 202]).toContain((await asked).status);
    expect((await t.operate('capture', payment)).body).toMatchObject({ status: 'captured' });
  });

  it('whose answer was lost is found, and raised once', async () => {
    const payment = await paid();
    await script('lost_answer', payment);
    await raise(payment, 30);
    await t.becomes(payment, ({ counters }) => counters.authorized === 150_00);
    expect(await moved(payment)).toHaveLength(2);
  });

  it('and was never asked for, since the request got lost, is asked for again under the same key', async () => {
    const payment = await paid();
    await script('lost_request', payment);
    await raise(payment, 30);
    await t.becomes(payment, ({ counters }) => counters.authorized === 150_00);
    expect(await moved(payment)).toHaveLength(2);
  });
});

describe('a hold that is not raised', () => {
  it('changes nothing but gives back the charge when the processor says no', async () => {
    const payment = await paid();
    await script('decline', payment);
    expect(await raise(payment, 30)).toMatchObject({ status: 402 });
    expect((await t.payment(payment.payment_id)).counters).toEqual(payment.counters);
    expect(await held(payment)).toBe(120_00);
    expect((await t.operate('capture', payment)).body).toMatchObject({ status: 'captured' });
  });

  it.each([
    ['the running total of the delegation', {}, 481, 'invalid_scope'],
    ['the delegation’s limit of a payment, which the sum passes', {}, 381, 'invalid_scope'],
    ['a policy about the sum', { max_amount: { EUR: 140_00 } }, 30, 'policy_denied'],
    ['a policy that wants a person for the sum', { review_above: 140_00 }, 30, 'challenge_required'],
  ])('for %s: nothing is sent, nothing charged', async (_, rules, amount, code) => {
    await policy({});
    const payment = await paid();
    await policy(rules);
    const answer = await raise(payment, amount);
    await policy({});
    expect(answer.body.code).toBe(code);
    expect((await t.payment(payment.payment_id)).counters).toEqual(payment.counters);
    expect(await held(payment)).toBe(120_00);
    expect(await moved(payment)).toHaveLength(1);
    // Control: less is allowed.
    expect(await raise(payment, 20)).toMatchObject({ status: 200 });
  });

  it.each(['captured', 'voided'])('once it is %s', async (how) => {
    const payment = await paid();
    await t.operate(how === 'captured' ? 'capture' : 'void', payment);
    expect(refusal(await raise(payment, 1))).toEqual([409, 'invalid_payment_state']);
  });

  it('where the account cannot', async () => {
    const set = (capabilities: object) =>
      t.database.pool.query('UPDATE mids SET capabilities = $1', [JSON.stringify(capabilities)]);
    await set({ incremental: false });
    const payment = await paid();
    expect(refusal(await raise(payment, 1))).toEqual([409, 'invalid_payment_state']);
    await set({});
    // Control.
    expect(await raise(payment, 1)).toMatchObject({ status: 200 });
  });
});
