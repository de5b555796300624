import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { seedDemo } from '../../src/store/demo-seed.ts';
import { expectInvariants } from './invariants.ts';
import { refusal, startJourney, type Decided, type Journey } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

/** The agent goes on without the approval that it did not get. */
const routeAnyway = async ({ execution_ref, execution_token }: Decided) => {
  expect(execution_token).toBeUndefined();
  return refusal(await t.api('POST', '/v1/payments/route', { execution_ref }));
};
const codes = ({ reasons }: Decided) => reasons.map((reason) => reason.code);

describe('acting without a live approval', () => {
  it('is invalid_scope beyond the delegation', async () => {
    const { status, body } = await t.propose(await t.cast(), { amount: 500.01 });
    expect({ status, decision: body.decision, code: codes(body)[0] }).toEqual({
      status: 200,
      decision: 'deny',
      code: 'invalid_scope',
    });
    expect(await routeAnyway(body)).toEqual([403, 'invalid_scope']);
  });

  it('is invalid_scope without a delegation, or under one of another agent', async () => {
    const [one, other] = [await t.cast(), await t.cast()];
    const { body } = await t.propose({ ...one, everyday: other.everyday });
    expect(body).toMatchObject({ decision: 'deny' });
    expect(codes(body)).toContain('invalid_scope');
    expect(await routeAnyway(body)).toEqual([403, 'invalid_scope']);
  });

  it('is policy_denied outside the policy', async () => {
    const cast = await t.cast();
    const { status, body } = await t.propose(cast, { amount: 30, currency: 'THB', delegation_id: cast.abroad });
    expect({ status, decision: body.decision }).toEqual({ status: 200, decision: 'deny' });
    expect(codes(body)).toContain('policy_denied');
    expect(await routeAnyway(body)).toEqual([403, 'policy_denied']);
  });

  it('is risk_elevated where the risk is high', async () => {
    const context = { risk_signals: ['impossible_travel', 'account_takeover'] };
    const { body } = await t.propose(await t.cast(), { context });
    expect(body).toMatchObject({ decision: 'deny', risk: { level: 'high' } });
    expect(codes(body)).toContain('risk_elevated');
    expect(await routeAnyway(body)).toEqual([409, 'risk_elevated']);
  });

  it('is challenge_required while the principal has not answered', async () => {
    const cast = await t.cast();
    const { body } = await t.propose(cast, { delegation_id: cast.cautious });
    expect(body).toMatchObject({ decision: 'challenge', challenge: { methods: expect.arrayContaining(['totp']) } });
    expect(await routeAnyway(body)).toEqual([409, 'challenge_required']);
  });

  it('is refused for a token that was forged or changed', async () => {
    const { execution_token } = await t.approved(await t.cast());
    const flipped = execution_token!.endsWith('A') ? 'B' : 'A';
    for (const token of ['exec_forged', `${execution_token!.slice(0, -2)}${flipped}A`]) {
      const { status } = await t.pay({ execution_token: token });
      expect(Math.floor(status / 100)).toBe(4);
    }
    expect((await t.pay({ execution_token })).status).toBe(201);
  });

  it('is execution_token_used the second time', async () => {
    const decided = await t.approved(await t.cast());
    expect((await t.pay(decided)).status).toBe(201);
    expect(refusal(await t.pay(decided))).toEqual([409, 'execution_token_used']);
  });

  it('is execution_token_expired after the delegation was revoked', async () => {
    const cast = await t.cast();
    const decided = await t.approved(cast);
    const revoked = await t.api('POST', '/v1/identities/revoke', { delegation_id: cast.everyday, reason: 'test' });
    expect(revoked.body).toMatchObject({
      affected_executions: [{ execution_ref: decided.execution_ref, outcome: 'lapsed' }],
    });
    expect(refusal(await t.pay(decided))).toEqual([409, 'execution_token_expired']);
    expect((await t.execution(decided.execution_ref)).stage).toBe('lapsed');
  });

  it('is not the price of an amount beyond the approval: the approval stands', async () => {
    const decided = await t.approved(await t.cast());
    expect(refusal(await t.pay(decided, 'tok_approve', { amount: 120.01, currency: 'EUR' }))).toEqual([
      409,
      'amount_exceeds_approved',
    ]);
    expect(refusal(await t.pay(decided, 'tok_approve', { currency: 'USD' }))).toEqual([409, 'amount_exceeds_approved']);
    expect((await t.pay(decided)).status).toBe(201);
  });
});

describe('a processor that says no', () => {
  it.each([
    ['tok_decline_insufficient_funds', 'insufficient_funds', 'insufficient_funds', true, 1],
    ['tok_decline_lost', 'hard_decline', 'lost_card', false, 1],
    ['tok_requires_authentication', 'authentication_required', 'authentication_required', true, 1],
    ['tok_decline_generic', 'soft_decline', 'generic_decline', true, 2],
  ])('%s: payment_declined, %s', async (token, failureClass, code, retryable, attempts) => {
    const decided = await t.approved(await t.cast());
    const { status, body } = await t.pay(decided, token);
    expect({ status, code: body.code, decline: body.decline }).toEqual({
      status: 402,
      code: 'payment_declined',
      decline: { class: failureClass, code, retryable },
    });
    const { payment_id } = await t.execution(decided.execution_ref);
    const payment = await t.payment(payment_id!);
    expect(payment).toMatchObject({ status: 'failed', counters: { authorized: 0 } });
    expect(payment.attempts).toHaveLength(attempts);
    const { body: effects } = await t.simulator('GET', `/control/effects?reference=${payment_id}`);
    expect(effects['data']).toEqual([]);
  });

  it('is asked no second time: the token is spent', async () => {
    const decided = await t.approved(await t.cast());
    await t.pay(decided, 'tok_decline_lost');
    expect(refusal(await t.pay(decided))).toEqual([409, 'execution_token_used']);
  });

  it('fails over to the next where that may help', async () => {
    const payment = await t.paid({}, 'tok_decline_generic@alpha');
    expect(payment.processor).toBe('beta');
    expect(payment.attempts.map((one) => [one.processor, one.class])).toEqual([
      ['alpha', 'soft_decline'],
      ['beta', undefined],
    ]);
  });

  it('route_unavailable: every account is switched off', async () => {
    const [before, after] = [await t.approved(await t.cast()), await t.cast()];
    await t.database.pool.query('UPDATE mids SET enabled = false');
    try {
      const { execution_token } = before;
      expect(refusal(await t.api('POST', '/v1/payments/route', { execution_token }))).toEqual([
        503,
        'route_unavailable',
      ]);
      expect(refusal(await t.pay(before))).toEqual([503, 'route_unavailable']);
      const { body } = await t.propose(after);
      expect(body.execution_token === undefined || body.decision === 'approved').toBe(true);
    } finally {
      await t.database.pool.query('UPDATE mids SET enabled = true');
    }
    // The approval stands.
    expect((await t.pay(before)).status).toBe(201);
  });
});

describe('limits of a payment', () => {
  it('amount_exceeds_capturable', async () => {
    const payment = await t.paid();
    expect(refusal(await t.operate('capture', payment, { amount: 120.01 }))).toEqual([
      409,
      'amount_exceeds_capturable',
    ]);
    expect((await t.operate('capture', payment, { amount: 100 })).status).toBe(200);
    expect(refusal(await t.operate('capture', payment, { amount: 20.01 }))).toEqual([409, 'amount_exceeds_capturable']);
    expect((await t.operate('capture', payment, { amount: 20 })).status).toBe(200);
    expect(refusal(await t.operate('capture', payment, { amount: 0.01 }))).toEqual([409, 'amount_exceeds_capturable']);
  });

  it('amount_exceeds_refundable', async () => {
    const payment = await t.paid();
    expect(refusal(await t.operate('refund', payment, { amount: 1 }))[0]).toBe(409);
    await t.operate('capture', payment, { amount: 50, final: true });
    expect(refusal(await t.operate('refund', payment, { amount: 50.01 }))).toEqual([409, 'amount_exceeds_refundable']);
    expect((await t.operate('refund', payment)).body.counters.refunded).toBe(50_00);
    expect(refusal(await t.operate('refund', payment, { amount: 0.01 }))).toEqual([409, 'amount_exceeds_refundable']);
  });

  it('invalid_payment_state', async () => {
    const voided = await t.paid();
    await t.operate('void', voided);
    expect(refusal(await t.operate('capture', voided))).toEqual([409, 'invalid_payment_state']);
    expect(refusal(await t.operate('void', voided))).toEqual([409, 'invalid_payment_state']);
    const captured = await t.paid();
    await t.operate('capture', captured);
    expect(refusal(await t.operate('void', captured))).toEqual([409, 'invalid_payment_state']);
  });

  it.each([[0], [-1], ['1.001'], [1e21], ['1e2'], [null]])('an amount of %j is invalid_request', async (amount) => {
    const payment = await t.paid();
    for (const kind of ['capture', 'refund'] as const) {
      expect(refusal(await t.operate(kind, payment, { amount }))).toEqual([400, 'invalid_request']);
    }
    expect(refusal(await t.propose(await t.cast(), { amount: amount as number }))).toEqual([400, 'invalid_request']);
  });
});

describe('another organization', () => {
  it('finds nothing of ours, and moves nothing', async () => {
    const cast = await t.cast();
    const payment = await t.paid();
    const approved = await t.approved(cast);
    const { body: challenged } = await t.propose(cast, { delegation_id: cast.cautious });
    const dataKey = Buffer.alloc(32, 7).toString('base64');
    const { api_key } = await seedDemo(t.database.url, { simulatorUrl: t.simulatorUrl, dataKey });
    const stranger = { authorization: `Bearer ${api_key}` };
    const { payment_id, execution_ref } = payment;
    const amount = { amount: 1 };
    const attempts: [string, string, object?][] = [
      ['GET', `/v1/payments/${payment_id}`],
      ['GET', `/v1/executions/${execution_ref}`],
      ['POST', '/v1/payments/capture', { payment_id, ...amount }],
      ['POST', '/v1/payments/void', { payment_id }],
      ['POST', '/v1/payments/refund', { payment_id, ...amount }],
      ['POST', '/v1/payments/route', { execution_ref: approved.execution_ref }],
      [
        'POST',
        '/v1/execution/challenge/respond',
        { challenge_id: challenged.challenge!.challenge_id, method: 'totp', response: { code: cast.code() } },
      ],
    ];
    for (const [method, path, body] of attempts) {
      expect([path, ...refusal(await t.api(method, path, body, stranger))]).toEqual([path, 404, 'not_found']);
    }
    const paid = await t.pay(approved, 'tok_approve', {}, stranger);
    expect(paid.status).toBeGreaterThanOrEqual(400);
    for (const path of ['/v1/payments', '/v1/executions']) {
      expect((await t.api('GET', path, undefined, stranger)).body).toMatchObject({ data: [] });
    }
    expect(await t.payment(payment_id)).toEqual(payment);
    expect((await t.execution(challenged.execution_ref)).stage).toBe('challenged');
  });
});

describe('a request that cannot be understood', () => {
  it.each([
    ['/v1/execution/authorize'],
    ['/v1/execution/challenge/respond'],
    ['/v1/payments/route'],
    ['/v1/payments/authorize'],
    ['/v1/payments/capture'],
    ['/v1/payments/void'],
    ['/v1/payments/refund'],
  ])('%s: 400 for an empty or foreign body, 400 without a key, 401 without a credential', async (path) => {
    expect(refusal(await t.api('POST', path, {}))).toEqual([400, 'invalid_request']);
    expect(refusal(await t.api('POST', path, { nonsense: 1 }))).toEqual([400, 'invalid_request']);
    expect(refusal(await t.api('POST', path, {}, { authorization: '' }))).toEqual([401, 'unauthorized']);
    // A route plan moves nothing, and every call makes its own: there the key is optional.
    const withoutKey = path === '/v1/payments/route' ? 'invalid_request' : 'idempotency_key_required';
    expect(refusal(await t.api('POST', path, {}, { 'idempotency-key': '' }))).toEqual([400, withoutKey]);
  });

  it.each([['/v1/payments/capture'], ['/v1/payments/void'], ['/v1/payments/refund']])(
    '%s: 404 for a payment that is not',
    async (path) => {
      expect(refusal(await t.api('POST', path, { payment_id: randomUUID() }))).toEqual([404, 'not_found']);
    },
  );

  it('names the delegation that does not exist by a denial, not by an error', async () => {
    const { status, body } = await t.propose(await t.cast(), { delegation_id: randomUUID() });
    expect({ status, decision: body.decision }).toEqual({ status: 200, decision: 'deny' });
  });
});
