import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { expectInvariants } from './invariants.ts';
import { refusal, startJourney, type Journey, type Payment } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
  await allow({ overcapture: true, overcapture_percent: 15 });
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

const allow = (capabilities: object) =>
  t.database.pool.query('UPDATE mids SET capabilities = $1', [JSON.stringify(capabilities)]);

const script = (fault: string, { payment_id }: Payment) =>
  t.simulator('POST', '/control/script', { operation: 'capture', fault, reference: payment_id, times: 1 });

async function policy(rules: object): Promise<void> {
  const { status } = await t.api('POST', '/v1/policies', { name: 'overcapture', rules, activate: true });
  expect(status).toBe(201);
}

/** A payment of 120.00 under a delegation of its own, which has a running total. */
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
  return (await t.pay(await t.approved(cast, { delegation_id: body.delegation_id }))).body;
}

/** Minor units that the payment's delegation has spent. */
async function spent({ payment_id }: Payment): Promise<number> {
  const { rows } = await t.database.pool.query<{ spent: number }>(
    'SELECT d.budget_spent AS spent FROM executions e JOIN delegations d ON d.id = e.delegation_id WHERE e.id = $1',
    [parseId(payment_id, 'pay')],
  );
  return rows[0]!.spent;
}

describe('a capture of more than is held', () => {
  it('is made up to the ceiling of the account, and charged; the books say what was beyond the hold', async () => {
    const payment = await paid();
    expect(await t.operate('capture', payment, { amount: 138 })).toMatchObject({
      status: 200,
      body: { status: 'captured', overcaptured: 18_00, counters: { authorized: 138_00, captured: 138_00 } },
    });
    expect(await spent(payment)).toBe(138_00);
    const { rows } = await t.database.pool.query<{ kind: string }>(
      'SELECT kind FROM ledger_entries WHERE payment_id = $1 ORDER BY kind',
      [parseId(payment.payment_id, 'pay')],
    );
    expect(rows.map(({ kind }) => kind)).toEqual(['authorized', 'captured', 'overcaptured']);
    expect((await t.operate('refund', payment, { amount: 138 })).body.counters).toMatchObject({ refunded: 138_00 });
  });

  it('may follow a capture of a part', async () => {
    const payment = await paid();
    await t.operate('capture', payment, { amount: 50 });
    expect((await t.operate('capture', payment, { amount: 80 })).body).toMatchObject({
      status: 'captured',
      overcaptured: 10_00,
      counters: { captured: 130_00 },
    });
  });

  it.each(['lost_answer', 'lost_request'])('whose %s is made once', async (fault) => {
    const payment = await paid();
    await script(fault, payment);
    await t.operate('capture', payment, { amount: 130 });
    const done = await t.becomes(payment, ({ counters }) => counters.captured === 130_00);
    expect(done).toMatchObject({ status: 'captured', overcaptured: 10_00 });
  });

  it('that the processor declines leaves the hold and the running total as they were', async () => {
    const payment = await paid();
    await script('decline', payment);
    expect((await t.operate('capture', payment, { amount: 130 })).status).toBe(402);
    const after = await t.payment(payment.payment_id);
    expect(after.counters).toEqual(payment.counters);
    expect(after.overcaptured).toBeUndefined();
    expect(await spent(payment)).toBe(120_00);
    expect((await t.operate('capture', payment)).body).toMatchObject({ status: 'captured' });
  });

  it('beyond the ceiling is refused, to the minor unit', async () => {
    const payment = await paid();
    const answer = await t.operate('capture', payment, { amount: 138.01 });
    expect(refusal(answer)).toEqual([409, 'amount_exceeds_capturable']);
    expect(answer.body.detail).toContain('At most 13800');
    expect((await t.payment(payment.payment_id)).counters).toEqual(payment.counters);
  });

  it.each([
    ['says so, and no ceiling', { overcapture: true }],
    ['says a ceiling, and that it cannot', { overcapture: false, overcapture_percent: 15 }],
  ])('is refused where the account %s', async (_, capabilities) => {
    const payment = await paid();
    await allow(capabilities);
    const answer = await t.operate('capture', payment, { amount: 120.01 });
    await allow({ overcapture: true, overcapture_percent: 15 });
    expect(refusal(answer)).toEqual([409, 'amount_exceeds_capturable']);
  });

  it('is refused where a limit does not allow the sum, and nothing is charged', async () => {
    const payment = await paid();
    await policy({ max_amount: { EUR: 125_00 } });
    const answer = await t.operate('capture', payment, { amount: 130 });
    const fits = await t.operate('capture', payment, { amount: 125 });
    await policy({});
    expect(refusal(answer)).toEqual([403, 'policy_denied']);
    // Control: what fits is taken.
    expect(fits.body).toMatchObject({ status: 'captured', overcaptured: 5_00 });
    expect(await spent(payment)).toBe(125_00);
    const short = await paid(125);
    expect(refusal(await t.operate('capture', short, { amount: 130 }))).toEqual([403, 'invalid_scope']);
  });
});
