import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { NO_COUNTERS } from '../../src/domain/payment.ts';
import { expectInvariants } from './invariants.ts';
import { startJourney, type Decided, type Journey, type Payment } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

describe('the published way of a payment', () => {
  it('registers a principal, and updates it under the same reference', async () => {
    const body = { external_ref: randomUUID(), type: 'person', name: 'Ada' };
    const first = await t.api('POST', '/v1/identities/principals', body);
    const second = await t.api('POST', '/v1/identities/principals', { ...body, name: 'Ada Byron' });
    expect([first.status, second.status]).toEqual([201, 200]);
    expect(second.body).toMatchObject({ principal_id: first.body['principal_id'], name: 'Ada Byron' });
  });

  it('delegates, tells the effective scope, and verifies the binding', async () => {
    const { principal_id, agent_id, everyday } = await t.cast();
    const read = await t.api('GET', `/v1/identities/delegations/${everyday}`);
    expect(read).toMatchObject({ status: 200, body: { status: 'active', effective_scope: { max_amount: 500 } } });
    const verified = await t.api('POST', '/v1/identities/verify', { principal_id, agent_id, delegation_id: everyday });
    expect(verified).toMatchObject({ status: 200, body: { verified: true } });
  });

  it('answers authorize with every published member', async () => {
    const { status, body } = await t.propose(await t.cast(), { amount: '120.50' });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      decision: 'approved',
      policy_ref: expect.stringMatching(/^pol_/),
      execution_token: expect.stringMatching(/^exec_/),
      execution_ref: expect.stringMatching(/^exec_/),
      route_hint: expect.stringMatching(/^prx_/),
      audit_ref: expect.stringMatching(/^aud_/),
      risk: { level: 'normal' },
      risk_payload_jws: expect.stringMatching(/^[\w-]+\.[\w-]*\.[\w-]+$/),
    });
    expect(body.risk.score).toBeLessThan(40);
    expect(body.challenge).toBeUndefined();
  });

  it('accepts the organization itself as the principal', async () => {
    const { agent_id } = await t.cast();
    const { org_id } = t.credentials;
    const scope = { actions: ['payment.authorize'], currencies: ['EUR'], max_amount: 100 };
    const delegation = await t.api<{ delegation_id: string }>('POST', '/v1/identities/delegations', {
      principal_id: org_id,
      agent_id,
      scope,
      ttl_seconds: 60,
    });
    expect(delegation.status).toBe(201);
    const decided = await t.api<Decided>('POST', '/v1/execution/authorize', {
      agent_id,
      principal_id: org_id,
      intent: { amount: 10, currency: 'EUR', merchant_ref: 'mrc_1', channel: 'chatpay' },
      context: { device_trust: 'verified' },
    });
    expect(decided).toMatchObject({ status: 200, body: { decision: 'approved' } });
  });

  it('routes an approval to its candidates in order', async () => {
    const { execution_token, execution_ref } = await t.approved(await t.cast());
    for (const by of [{ execution_token }, { execution_ref }]) {
      const { status, body } = await t.api('POST', '/v1/payments/route', by);
      expect({ status, body }).toMatchObject({
        status: 200,
        body: {
          route_plan_id: expect.any(String),
          candidates: [
            { processor: 'alpha', position: 1 },
            { processor: 'beta', position: 2 },
          ],
        },
      });
    }
  });

  it('authorizes, captures all, settles, and refunds all', async () => {
    const decided = await t.approved(await t.cast());
    const { body: plan } = await t.api('POST', '/v1/payments/route', { execution_token: decided.execution_token });
    const authorized = await t.pay(decided, 'tok_approve', { route_plan_id: plan['route_plan_id'] });
    expect(authorized).toMatchObject({
      status: 201,
      body: {
        execution_ref: decided.execution_ref,
        status: 'authorized',
        amount: 120,
        amount_minor: 120_00,
        currency: 'EUR',
        counters: { ...NO_COUNTERS, authorized: 120_00 },
        processor: 'alpha',
        attempts: [{ attempt: 1, processor: 'alpha' }],
        operations: [{ type: 'authorize', status: 'succeeded', amount_minor: 120_00 }],
      },
    });
    const captured = await t.operate('capture', authorized.body);
    expect(captured).toMatchObject({ status: 200, body: { status: 'captured', counters: { captured: 120_00 } } });

    const { payment_id } = captured.body;
    expect((await t.simulator('POST', '/control/settle', { reference: payment_id })).status).toBe(200);
    const settled = await t.becomes(captured.body, ({ reconciliation }) => reconciliation.status === 'matched');
    expect(settled).toMatchObject({
      counters: { settled: 120_00 },
      reconciliation: { settlement_id: expect.stringMatching(/^set_/), settled_at: expect.any(String) },
    });

    const refunded = await t.operate('refund', settled, { reason: 'sent back' });
    expect(refunded).toMatchObject({
      status: 200,
      body: { status: 'refunded', counters: { refunded: 120_00 }, refund: { status: 'succeeded', amount: 120 } },
    });
    expect(await t.payment(payment_id)).toMatchObject({ status: 'refunded', counters: refunded.body.counters });
    expect(await t.execution(decided.execution_ref)).toMatchObject({ decision: 'approved', payment_id });
  });

  it('captures in parts; a final one lets the rest go', async () => {
    const payment = await t.paid();
    const first = await t.operate('capture', payment, { amount: 50 });
    expect(first).toMatchObject({ status: 200, body: { status: 'partially_captured', counters: { captured: 50_00 } } });
    const last = await t.operate('capture', payment, { amount: '30.01', final: true });
    expect(last).toMatchObject({
      status: 200,
      body: { status: 'captured', counters: { captured: 80_01, released: 39_99, capture_pending: 0 } },
    });
  });

  it('voids what was not captured', async () => {
    const untouched = await t.operate('void', await t.paid(), { reason: 'changed plans' });
    expect(untouched).toMatchObject({ status: 200, body: { status: 'voided', counters: { released: 120_00 } } });
    const payment = await t.paid();
    await t.operate('capture', payment, { amount: 20 });
    const rest = await t.operate('void', payment);
    expect(rest).toMatchObject({
      status: 200,
      body: { status: 'captured', counters: { captured: 20_00, released: 100_00 } },
    });
  });

  it('authorizes less than was approved, and captures at once when asked', async () => {
    const decided = await t.approved(await t.cast());
    const paid = await t.pay(decided, 'tok_approve', { amount: 99.99, currency: 'EUR', capture: 'automatic' });
    expect(paid).toMatchObject({
      status: 201,
      body: { status: 'captured', counters: { authorized: 99_99, captured: 99_99 } },
    });
  });

  it('counts in the minor unit of the currency', async () => {
    const cast = await t.cast();
    for (const [currency, amount, minor] of [
      ['JPY', 5000, 5000],
      ['KWD', '1.234', 1234],
    ] as const) {
      const scope = { actions: ['payment.*'], currencies: [currency] };
      const { agent_id, principal_id } = cast;
      const { body } = await t.api('POST', '/v1/identities/delegations', {
        agent_id,
        principal_id,
        scope,
        ttl_seconds: 60,
      });
      const decided = await t.approved(cast, { amount, currency, delegation_id: body['delegation_id'] as string });
      const paid = await t.pay(decided);
      expect(paid).toMatchObject({ status: 201, body: { amount: Number(amount), amount_minor: minor, currency } });
    }
  });

  it('refunds in parts, each with an id of its own', async () => {
    const payment = await t.paid();
    await t.operate('capture', payment);
    const first = await t.operate('refund', payment, { amount: 20 });
    const second = await t.operate('refund', payment, { amount: 30 });
    expect(first).toMatchObject({ status: 200, body: { status: 'captured', counters: { refunded: 20_00 } } });
    expect(second).toMatchObject({ status: 200, body: { status: 'captured', counters: { refunded: 50_00 } } });
    expect(first.body.refund?.refund_id).not.toBe(second.body.refund?.refund_id);
  });

  it('lists payments and executions, newest first', async () => {
    const older = await t.paid();
    const newer = await t.paid();
    const payments = await t.api<{ data: Payment[] }>('GET', '/v1/payments?limit=2');
    expect(payments.body.data.map((one) => one.payment_id)).toEqual([newer.payment_id, older.payment_id]);
    const listed = async (query: string) =>
      (await t.api<{ data: Payment[] }>('GET', `/v1/payments?${query}`)).body.data.map((one) => one.payment_id);
    const { created_at } = (await t.payment(newer.payment_id)) as unknown as { created_at: string };
    const { agent_id } = (await t.execution(newer.execution_ref)) as unknown as { agent_id: string };
    const at = encodeURIComponent(created_at);
    expect(await listed(`from=${at}`)).toEqual([newer.payment_id]);
    expect(await listed(`to=${at}&limit=1`)).toEqual([older.payment_id]);
    expect(await listed(`agent_id=${agent_id}`)).toEqual([newer.payment_id]);
    expect(await listed('merchant_ref=mrc_nobody')).toEqual([]);
    const executions = await t.api<{ data: Decided[] }>('GET', '/v1/executions?limit=2');
    expect(executions.body.data.map((one) => one.execution_ref)).toEqual([newer.execution_ref, older.execution_ref]);
  });
});

describe('the published ways beside it', () => {
  const intent = { amount: 120, currency: 'EUR', merchant_ref: 'mrc_1', channel: 'chatpay' };

  it('scores a risk, and decides nothing', async () => {
    const { agent_id, principal_id } = await t.cast();
    const context = { device_trust: 'untrusted' };
    const { status, body } = await t.api('POST', '/v1/execution/evaluate-risk', {
      agent_id,
      principal_id,
      intent,
      context,
    });
    expect({ status, body }).toMatchObject({
      status: 200,
      body: { level: expect.stringMatching(/^(elevated|high)$/), model_version: expect.any(String) },
    });
    expect(body['signals']).toContainEqual(expect.objectContaining({ type: 'device_untrusted' }));
  });

  it('simulates the policy, explains every rule, and writes no decision', async () => {
    const { agent_id, principal_id } = await t.cast();
    const count = async () => (await t.database.pool.query('SELECT 1 FROM executions')).rowCount;
    const before = await count();
    const allowed = await t.api('POST', '/v1/execution/policies/simulate', { intent, agent_id, principal_id });
    expect(allowed).toMatchObject({ status: 200, body: { decision: 'approved' } });
    const denied = await t.api('POST', '/v1/execution/policies/simulate', {
      intent,
      agent_id,
      principal_id,
      rules: { currencies: ['USD'] },
    });
    expect(denied).toMatchObject({
      status: 200,
      body: { decision: 'deny', explanation: [{ rule: 'currencies', outcome: 'fail' }] },
    });
    expect(await count()).toBe(before);
  });

  it('tells the signed events of a payment in order', async () => {
    const payment = await t.paid();
    await t.operate('capture', payment);
    await t.operate('refund', payment, { amount: 1 });
    const { status, body } = await t.api<{ data: { id: string; type: string; signature: string }[] }>(
      'POST',
      '/v1/execution/events/query',
      { execution_ref: payment.execution_ref, order: 'asc' },
    );
    expect(status).toBe(200);
    expect(body.data.map((event) => event.type)).toEqual([
      'execution.decision',
      'payment.authorized',
      'payment.captured',
      'payment.refunded',
    ]);
    expect(new Set(body.data.map((event) => event.id)).size).toBe(4);
    for (const event of body.data) expect(event.signature).not.toBe('');
  });
});
