import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { insertApiKey, newApiKeySecret } from '../../src/store/api-keys.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, refusal, startJourney, type Answered, type Journey, type Payment } from './journey.ts';

let t: Journey;
let operator: string;
beforeAll(async () => {
  t = await startJourney({ REVIEW_TTL_SECONDS: '6' });
  operator = await keyWith(['payments:refund', 'execution:read']);
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

interface Refund {
  refund_id: string;
  status: string;
  amount_minor: number;
  review?: { status: string; expires_at: string };
}
type Refunded = Answered<Payment & { refund: Refund }>;
interface Voted {
  refund_id: string;
  payment_id: string;
  review: { status: string; approvals: number; quorum: number };
}

async function keyWith(scopes: string[]): Promise<string> {
  const secret = newApiKeySecret('test');
  const tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' } as const;
  await insertApiKey(t.database.pool, { tenant, name: 'operator', scopes, secret });
  return `Bearer ${secret}`;
}

async function policy(rules: object): Promise<void> {
  const { status } = await t.api('POST', '/v1/policies', { name: 'refunds', rules, activate: true });
  expect(status).toBe(201);
}

/** A captured payment of 120.00, and from then on the rules for what follows. */
async function captured(rules: object): Promise<Payment> {
  await policy({});
  const payment = await t.paid();
  await t.operate('capture', payment);
  await policy(rules);
  return payment;
}

describe('a refund without the scope for it', () => {
  it('is refused: whoever may capture may not give back', async () => {
    const payment = await captured({});
    const headers = { authorization: await keyWith(['payments:read', 'payments:write']) };
    expect(refusal(await t.operate('refund', payment, { amount: 1 }, headers))).toEqual([403, 'insufficient_scope']);
    expect((await t.payment(payment.payment_id)).counters).toMatchObject({ refunded: 0, refund_pending: 0 });
    // The control: the scope alone suffices.
    const able = { authorization: await keyWith(['payments:refund']) };
    expect((await t.operate('refund', payment, { amount: 1 }, able)).status).toBe(200);
  });
});

const ask = (payment: Payment, body: object, key = randomUUID()) =>
  t.api(
    'POST',
    '/v1/payments/refund',
    { payment_id: payment.payment_id, ...body },
    {
      'idempotency-key': key,
    },
  ) as unknown as Promise<Refunded>;

const vote = (id: string, verdict: 'approve' | 'deny', authorization = operator) =>
  t.api(
    'POST',
    `/v1/payments/refunds/${id}/review`,
    { verdict, note: 'Asked the guest.' },
    {
      authorization,
    },
  ) as unknown as Promise<Answered<Voted>>;

async function effects({ payment_id }: Payment): Promise<number[]> {
  const { body } = await t.simulator<{ data: { type: string; amount_minor: number }[] }>(
    'GET',
    `/control/effects?reference=${payment_id}`,
  );
  return body.data.filter(({ type }) => type === 'refund').map(({ amount_minor }) => amount_minor);
}

describe('a refund that the policy wants a person for', () => {
  it.each([
    ['review_above', { review_above: 50_00 }],
    // A principal without an authenticator cannot confirm it.
    ['step_up_above', { step_up_above: 50_00 }],
  ])('waits, with nothing reserved, and is made once a person approves: %s', async (rule, rules) => {
    const payment = await captured(rules);
    await t.database.pool.query(
      'UPDATE principals SET totp_secret_sealed = NULL WHERE id = (SELECT principal_id FROM payments WHERE id = $1)',
      [parseId(payment.payment_id, 'pay')],
    );
    const key = randomUUID();
    const asked = await ask(payment, { amount: 60, reason: 'one night less' }, key);
    expect(asked).toMatchObject({
      status: 202,
      body: {
        counters: { refunded: 0, refund_pending: 0 },
        refund: { status: 'in_review', amount_minor: 60_00, review: { status: 'open' } },
      },
    });
    const { refund_id } = asked.body.refund;
    const again = await ask(payment, { amount: 60, reason: 'one night less' }, key);
    expect([again.status, again.body.refund]).toEqual([202, asked.body.refund]);

    const queue = await t.api<{ data: Record<string, unknown>[] }>('GET', '/v1/reviews?kind=refund');
    const queued = queue.body.data.find((one) => one['refund_id'] === refund_id);
    expect(queued).toMatchObject({
      kind: 'refund',
      payment_id: payment.payment_id,
      amount_minor: 60_00,
      evidence: { action: 'payment.refund', asked_for: 'one night less' },
    });
    expect(JSON.stringify(queued)).toContain(rule);
    expect(await effects(payment)).toEqual([]);

    expect(await vote(refund_id, 'approve')).toMatchObject({
      status: 200,
      body: { refund_id, payment_id: payment.payment_id, review: { status: 'approved', approvals: 1, quorum: 1 } },
    });
    await t.becomes(payment, ({ counters }) => counters.refunded === 60_00);
    expect(await effects(payment)).toEqual([60_00]);
    const after = await ask(payment, { amount: 60, reason: 'one night less' }, key);
    expect([after.status, after.body.refund.status]).toEqual([200, 'succeeded']);
    expect(await effects(payment)).toEqual([60_00]);
  });

  it('control: one below the limit is made at once', async () => {
    const payment = await captured({ review_above: 50_00 });
    expect((await ask(payment, { amount: 50 })).status).toBe(200);
  });

  it('is not made when a person denies it, and its key says so', async () => {
    const payment = await captured({ review_above: 50_00 });
    const key = randomUUID();
    const { refund_id } = (await ask(payment, {}, key)).body.refund;
    expect((await vote(refund_id, 'deny')).body.review.status).toBe('denied');
    expect(refusal(await vote(refund_id, 'approve'))).toEqual([409, 'review_closed']);
    expect(refusal(await ask(payment, {}, key))).toEqual([403, 'policy_denied']);
    expect(await effects(payment)).toEqual([]);
    expect((await t.payment(payment.payment_id)).counters).toMatchObject({ refunded: 0, refund_pending: 0 });
  });

  it('is not approved by whoever asked for it, and the trail says that they tried', async () => {
    const payment = await captured({ review_above: 50_00 });
    const { refund_id } = (await ask(payment, {})).body.refund;
    expect(refusal(await vote(refund_id, 'approve', `Bearer ${t.credentials.api_key}`))).toEqual([
      403,
      'approver_excluded',
    ]);
    const { rows } = await t.database.pool.query(
      `SELECT 1 FROM audit_entries WHERE type = 'security.abuse' AND subject = $1`,
      [refund_id],
    );
    expect(rows).toHaveLength(1);
    expect((await vote(refund_id, 'approve')).status).toBe(200);
    await t.becomes(payment, ({ status }) => status === 'refunded');
  });

  it('is not made when nobody decides in time', async () => {
    const payment = await captured({ review_above: 50_00 });
    const key = randomUUID();
    const { refund_id } = (await ask(payment, {}, key)).body.refund;
    await eventually(
      () => t.api<{ status: string }>('GET', `/v1/reviews/${refund_id}`),
      ({ body }) => body.status === 'expired',
    );
    expect(refusal(await ask(payment, {}, key))).toEqual([409, 'challenge_required']);
    expect(refusal(await vote(refund_id, 'approve'))).toEqual([409, 'review_closed']);
    expect(await effects(payment)).toEqual([]);
  });

  it('of two that wait, only what is left is made', async () => {
    const payment = await captured({ review_above: 50_00 });
    const keys = [randomUUID(), randomUUID()];
    const asked = await Promise.all(keys.map((key) => ask(payment, { amount: 80 }, key)));
    const votes = await Promise.all(asked.map(({ body }) => vote(body.refund.refund_id, 'approve')));
    expect(votes.map(({ status }) => status)).toEqual([200, 200]);
    await t.becomes(payment, ({ counters }) => counters.refunded === 80_00);
    const after = await eventually(
      () => Promise.all(keys.map((key) => ask(payment, { amount: 80 }, key))),
      (answers) => answers.every(({ status }) => status !== 202),
    );
    expect(after.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409]);
    expect(after.map(({ body }) => body.code).filter(Boolean)).toEqual(['amount_exceeds_refundable']);
    expect(await effects(payment)).toEqual([80_00]);
  });

  it('is judged again at the yes: what is denied by now stays undone', async () => {
    const payment = await captured({ review_above: 50_00 });
    const key = randomUUID();
    const { refund_id } = (await ask(payment, {}, key)).body.refund;
    await policy({ max_amount: 10_00 });
    expect((await vote(refund_id, 'approve')).status).toBe(200);
    const after = await eventually(
      () => ask(payment, {}, key),
      ({ status }) => status !== 202,
    );
    expect(refusal(after)).toEqual([403, 'policy_denied']);
    expect(await effects(payment)).toEqual([]);
  });

  it('is withdrawn by a freeze, and its key says so', async () => {
    const payment = await captured({ review_above: 50_00 });
    const key = randomUUID();
    const { refund_id } = (await ask(payment, {}, key)).body.refund;
    const frozen = await t.api<{ freeze_id: string }>('POST', '/v1/identities/freeze', {
      merchant_ref: 'mrc_hotel',
      reason: 'odd',
    });
    expect(frozen.body).toMatchObject({ status: 'confirmed', stopped: { refunds: expect.any(Number) } });
    expect(refusal(await vote(refund_id, 'approve'))).toEqual([409, 'review_closed']);
    const { body: review } = await t.api<{ status: string }>('GET', `/v1/reviews/${refund_id}`);
    expect(review.status).toBe('withdrawn');
    const after = await eventually(
      () => ask(payment, {}, key),
      ({ status }) => status !== 202,
    );
    expect(refusal(after)).toEqual([409, 'frozen']);
    expect(await effects(payment)).toEqual([]);
    const { freeze_id } = frozen.body;
    expect((await t.api('POST', '/v1/identities/unfreeze', { freeze_id, reason: 'over' })).status).toBe(200);
  });

  it('is made once in spite of a lost answer', async () => {
    const payment = await captured({ review_above: 50_00 });
    const { refund_id } = (await ask(payment, {})).body.refund;
    await t.simulator('POST', '/control/script', { fault: 'lost_answer', operation: 'refund' });
    await vote(refund_id, 'approve');
    await t.becomes(payment, ({ status }) => status === 'refunded');
    expect(await effects(payment)).toEqual([120_00]);
  });
});

it('is denied at once where the policy denies it', async () => {
  const payment = await captured({ max_amount: 10_00 });
  expect(refusal(await ask(payment, {}))).toEqual([403, 'policy_denied']);
  expect(refusal(await ask(payment, { amount: 120.01 }))).toEqual([409, 'amount_exceeds_refundable']);
});
