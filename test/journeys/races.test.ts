import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { capturable } from '../../src/domain/payment.ts';
import { expectInvariants } from './invariants.ts';
import { startJourney, type Journey, type Refusal } from './journey.ts';
import type { ApiAnswer } from '../setup/service.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

const times = <T>(n: number, work: (i: number) => Promise<T>) =>
  Promise.all(Array.from({ length: n }, (_, i) => work(i)));
const told = (answers: ApiAnswer<Partial<Refusal>>[]) =>
  answers.map(({ status, body }) => (status < 400 ? `${status}` : `${status} ${body.code}`)).sort();
const ascending = (a: number, b: number) => a - b;
const keyed = () => ({ 'idempotency-key': randomUUID() });

describe('two at once', () => {
  it('captures of the whole amount: one wins', async () => {
    const payment = await t.paid();
    const answers = await times(2, () => t.operate('capture', payment));
    expect(told(answers)).toEqual(['200', '409 amount_exceeds_capturable']);
    expect((await t.payment(payment.payment_id)).counters.captured).toBe(120_00);
  });

  it('captures of two thirds each: one wins', async () => {
    const payment = await t.paid();
    expect(told(await times(2, () => t.operate('capture', payment, { amount: 80 })))).toEqual([
      '200',
      '409 amount_exceeds_capturable',
    ]);
  });

  it('ten captures of a quarter each: four win', async () => {
    const payment = await t.paid();
    const answers = await times(10, () => t.operate('capture', payment, { amount: 30 }));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(4);
    expect((await t.payment(payment.payment_id)).counters.captured).toBe(120_00);
  });

  it('refunds of the whole amount: one wins', async () => {
    const payment = await t.paid();
    await t.operate('capture', payment);
    const answers = await times(2, () => t.operate('refund', payment));
    expect(told(answers)).toEqual(['200', '409 amount_exceeds_refundable']);
    expect((await t.payment(payment.payment_id)).counters.refunded).toBe(120_00);
  });

  it('ten refunds of a quarter each: four win', async () => {
    const payment = await t.paid();
    await t.operate('capture', payment);
    const answers = await times(10, () => t.operate('refund', payment, { amount: 30 }));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(4);
    expect((await t.payment(payment.payment_id)).counters.refunded).toBe(120_00);
  });

  it('a capture and a void of all: one wins', async () => {
    const payment = await t.paid();
    const answers = await Promise.all([t.operate('capture', payment), t.operate('void', payment)]);
    expect(answers.map(({ status }) => status).sort(ascending)).toEqual([200, 409]);
    const { counters } = await t.payment(payment.payment_id);
    expect([counters.captured, counters.released].sort(ascending)).toEqual([0, 120_00]);
  });

  it('a final capture and another one: the processor let nothing go that we count on', async () => {
    for (let round = 0; round < 5; round++) {
      const payment = await t.paid();
      const answers = await Promise.all([
        t.operate('capture', payment, { amount: 50, final: true }),
        t.operate('capture', payment, { amount: 30 }),
      ]);
      expect(answers.map(({ status }) => status)).toContain(200);
      const { counters } = await t.payment(payment.payment_id);
      expect(counters.captured + counters.released + capturable(counters)).toBe(120_00);
    }
  });

  it('payments with one approval: one wins', async () => {
    const decided = await t.approved(await t.cast());
    const answers = await times(3, () => t.pay(decided));
    expect(told(answers)).toEqual(['201', '409 execution_token_used', '409 execution_token_used']);
  });

  it('proposals that fit into a running total only one by one: one is approved', async () => {
    const cast = await t.cast();
    const { body } = await t.api('POST', '/v1/identities/delegations', {
      agent_id: cast.agent_id,
      principal_id: cast.principal_id,
      scope: { actions: ['payment.authorize'], currencies: ['EUR'], max_total: { amount: 100, currency: 'EUR' } },
      ttl_seconds: 60,
    });
    const delegation_id = body['delegation_id'] as string;
    const answers = await times(4, () => t.propose(cast, { amount: 60, delegation_id }));
    expect(answers.map((answer) => answer.body.decision).sort()).toEqual(['approved', 'deny', 'deny', 'deny']);
  });

  it('a payment and the revocation of its delegation: paid before, or not at all', async () => {
    const cast = await t.cast();
    const decided = await t.approved(cast);
    const order = { delegation_id: cast.everyday, reason: 'test' };
    const [paid, revoked] = await Promise.all([t.pay(decided), t.api('POST', '/v1/identities/revoke', order)]);
    expect(revoked.status).toBe(200);
    expect(['201', '403 invalid_scope', '409 execution_token_expired']).toContain(told([paid])[0]);
  });
});

describe('the same request twice at once', () => {
  it('authorizes one execution', async () => {
    const cast = await t.cast();
    const headers = keyed();
    const answers = await times(5, () => t.propose(cast, {}, headers));
    expect(told(answers)).toEqual(['200', '200', '200', '200', '200']);
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    const { rowCount } = await t.database.pool.query(
      'SELECT 1 FROM executions e JOIN idempotency_keys k ON k.execution_id = e.id WHERE k.key = $1',
      [headers['idempotency-key']],
    );
    expect(rowCount).toBe(1);
  });

  it('moves the money once', async () => {
    const payKey = keyed();
    const decided = await t.approved(await t.cast());
    const paid = await times(3, () => t.pay(decided, 'tok_approve', {}, payKey));
    expect(told(paid)).toEqual(['201', '201', '201']);
    const payment = paid[0]!.body;
    for (const kind of ['capture', 'refund'] as const) {
      const headers = keyed();
      const answers = await times(3, () => t.operate(kind, payment, { amount: 50 }, headers));
      expect([kind, ...told(answers)]).toEqual([kind, '200', '200', '200']);
    }
    expect((await t.payment(payment.payment_id)).counters).toMatchObject({ captured: 50_00, refunded: 50_00 });
  });

  it('takes one answer to a challenge', async () => {
    const cast = await t.cast();
    const { body } = await t.propose(cast, { delegation_id: cast.cautious });
    const response = { challenge_id: body.challenge!.challenge_id, method: 'totp', response: { code: cast.code() } };
    const headers = keyed();
    const answers = await times(3, () => t.api('POST', '/v1/execution/challenge/respond', response, headers));
    expect(told(answers)).toEqual(['200', '200', '200']);
    expect(new Set(answers.map((answer) => answer.body['execution_token'])).size).toBe(1);
  });
});
