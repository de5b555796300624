import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, refusal, startJourney, type Journey, type Payment } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney({ REAUTHORIZATIONS_MAX: '2' });
  await t.simulator('POST', '/control/timing', { expire_soon_ms: HOLD_MS, pending_ms: 1_000 });
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

type Renewed = Payment & {
  mid?: string;
  reauthorizations?: number;
  processor_reference: string;
  earlier_references?: string[];
  authorization_expires_at: string;
  needs_attention?: string;
};

interface Effect {
  type: string;
  amount_minor: number;
  processor_reference: string;
  operation_id: string | null;
}

/** Half until the warning, a quarter until it is renewed: two seconds are left, whatever else the machine does. */
const HOLD_MS = 8_000;
const script = (fault: string, more: object) => t.simulator('POST', '/control/script', { fault, ...more });
const effectsOf = async ({ payment_id }: Payment) =>
  (await t.simulator<{ data: Effect[] }>('GET', `/control/effects?reference=${payment_id}`)).body.data;
const told = (effects: Effect[]) => effects.map(({ type, amount_minor }) => `${type} ${amount_minor / 100}`);

/** Until the processor has done it by itself. */
const effected = (payment: Payment, what: string) =>
  eventually(
    async () => told(await effectsOf(payment)),
    (all) => all.includes(what),
  );

/** A hold that ends soon, and is renewed before. */
const held = async () => (await t.paid({}, 'tok_expire_soon', { on_expiry: 'reauthorize' })) as Renewed;
const renewed = async (payment: Payment, times = 1) =>
  (await t.becomes(payment, (seen) => ((seen as Renewed).reauthorizations ?? 0) >= times)) as Renewed;

/** What the payment holds of the running totals of its delegations, minor units. */
async function budgetOf({ execution_ref }: Payment): Promise<number> {
  const { rows } = await t.database.pool.query<{ budget: number }>(
    'SELECT budget_minor AS budget FROM executions WHERE id = $1',
    [parseId(execution_ref, 'exec')],
  );
  return rows[0]!.budget;
}

async function trailOf({ payment_id }: Payment): Promise<string[]> {
  const { rows } = await t.database.pool.query<{ type: string }>(
    'SELECT type FROM audit_entries WHERE subject = $1 ORDER BY seq',
    [payment_id],
  );
  return rows.map(({ type }) => type.replace('payment.', ''));
}

describe('a hold that is to be renewed', () => {
  it('is authorized anew at the same account before it ends, and the hold before is given back', async () => {
    const payment = await held();
    expect((await t.operate('capture', payment, { amount: 20 })).status).toBe(200);
    const budget = await budgetOf(payment);
    const after = await renewed(payment);
    expect(after).toMatchObject({
      status: 'partially_captured',
      on_expiry: 'reauthorize',
      mid: payment.mid,
      processor: payment.processor,
      earlier_references: [payment.processor_reference],
      counters: { authorized: 220_00, captured: 20_00, released: 100_00 },
    });
    expect(after.processor_reference).not.toBe(payment.processor_reference);
    expect(Date.parse(after.authorization_expires_at)).toBeGreaterThan(Date.parse(payment.authorization_expires_at));
    // Neither charged twice nor given back.
    expect(await budgetOf(payment)).toBe(budget);
    expect((await t.operate('capture', payment)).body).toMatchObject({
      status: 'captured',
      counters: { captured: 120_00 },
    });
    const effects = await eventually(
      () => effectsOf(payment),
      (all) => all.some(({ type }) => type === 'void'),
    );
    expect(told(effects).toSorted()).toEqual([
      'authorize 100',
      'authorize 120',
      'capture 100',
      'capture 20',
      'void 100',
    ]);
    const at = (what: string) =>
      effects.find((one) => `${one.type} ${one.amount_minor / 100}` === what)!.processor_reference;
    expect(at('void 100')).toBe(payment.processor_reference);
    expect(at('capture 100')).toBe(after.processor_reference);
    expect(
      after.operations.filter(({ renews }) => renews).map(({ type, amount_minor }) => [type, amount_minor]),
    ).toContainEqual(['authorize', 100_00]);
    expect(await trailOf(payment)).toEqual([
      'authorized',
      'captured',
      'expiring',
      'reauthorized',
      'earlier_hold_voided',
      'captured',
    ]);
  });

  it('is refunded by the authorization that was captured, and never beyond what one of them took', async () => {
    const payment = await held();
    await t.operate('capture', payment, { amount: 20 });
    const after = await renewed(payment);
    await t.operate('capture', payment);
    expect(refusal(await t.operate('refund', payment, { amount: 120 }))).toEqual([409, 'amount_exceeds_refundable']);
    expect(refusal(await t.operate('refund', payment, { amount: 100.01 }))).toEqual([409, 'amount_exceeds_refundable']);
    expect((await t.payment(payment.payment_id)).counters).toMatchObject({ refunded: 0, refund_pending: 0 });
    for (const amount of [15, 100, 5]) expect((await t.operate('refund', payment, { amount })).status).toBe(200);
    expect(await t.payment(payment.payment_id)).toMatchObject({ status: 'refunded', counters: { refunded: 120_00 } });
    const refunds = (await effectsOf(payment)).filter(({ type }) => type === 'refund');
    expect(refunds.map((one) => [one.amount_minor, one.processor_reference])).toEqual([
      [15_00, payment.processor_reference],
      [100_00, after.processor_reference],
      [5_00, payment.processor_reference],
    ]);
  });

  it('is voided as any other, and then nothing is held', async () => {
    const payment = await held();
    await renewed(payment);
    expect((await t.operate('void', payment)).body).toMatchObject({
      status: 'voided',
      counters: { authorized: 240_00, released: 240_00 },
    });
    expect(await budgetOf(payment)).toBe(0);
  });

  it('ends as any other when the renewal is declined: the hold stands until then', async () => {
    const payment = await held();
    await script('decline', { operation: 'authorize', reference: payment.payment_id });
    const declined = (await t.becomes(payment, ({ operations }) =>
      operations.some(({ status }) => status === 'declined'),
    )) as Renewed;
    expect(declined).toMatchObject({
      status: 'authorized',
      processor_reference: payment.processor_reference,
      needs_attention: 'The hold ends soon, and is let go then',
      counters: { authorized: 120_00, released: 0 },
    });
    await t.becomes(payment, ({ status }) => status === 'expired');
    expect(await budgetOf(payment)).toBe(0);
    await effected(payment, 'expire 120');
  });

  it.each([
    ['authorize', 'lost_answer'],
    ['authorize', 'lost_request'],
    ['void', 'lost_answer'],
    ['void', 'lost_request'],
  ])('is renewed once, and one hold is left, when the %s meets %s', async (operation, fault) => {
    const payment = await held();
    await script(fault, { operation, reference: payment.payment_id });
    const after = await renewed(payment);
    await t.becomes(payment, ({ operations }) => operations.every(({ status }) => status === 'succeeded'));
    expect((await t.operate('capture', after)).status).toBe(200);
    expect(told(await effectsOf(payment)).toSorted()).toEqual([
      'authorize 120',
      'authorize 120',
      'capture 120',
      'void 120',
    ]);
  });

  it('is neither captured, raised nor voided while the outcome of the renewal is open', async () => {
    const payment = await held();
    await script('pending', { operation: 'authorize', reference: payment.payment_id });
    const open = await t.becomes(payment, ({ operations }) => operations.some(({ status }) => status === 'pending'));
    // It is no attempt at another account.
    expect(open.attempts).toHaveLength(1);
    for (const act of ['capture', 'void'] as const) {
      expect(refusal(await t.operate(act, payment))).toEqual([409, 'invalid_payment_state']);
    }
    expect(refusal(await t.operate('increment', payment, { amount: 1 }))).toEqual([409, 'invalid_payment_state']);
    await renewed(payment);
    expect((await t.operate('capture', payment)).body).toMatchObject({ counters: { captured: 120_00 } });
  });

  it('is tried again when the processor was away', async () => {
    const payment = await held();
    await script('unavailable', { operation: 'authorize', reference: payment.payment_id });
    const after = await renewed(payment);
    expect(after.operations.map(({ type, status }) => `${type} ${status}`)).toContain('authorize not_sent');
    expect(after.needs_attention).toBeUndefined();
    await t.operate('void', payment);
  });
});

describe('a hold whose authority is gone', () => {
  it.each([
    ['revoked', (agent_id: string) => t.api('POST', '/v1/identities/revoke', { agent_id, reason: 'test' })],
    ['frozen', (agent_id: string) => t.api('POST', '/v1/identities/freeze', { agent_id, reason: 'test' })],
  ])('is not renewed but given back when the agent was %s', async (_, stop) => {
    const cast = await t.cast();
    const { body } = await t.pay(await t.approved(cast), 'tok_expire_soon', { on_expiry: 'reauthorize' });
    expect((await stop(cast.agent_id)).status).toBeLessThan(300);
    const voided = (await t.becomes(body, ({ status }) => status === 'voided')) as Renewed;
    expect(voided.reauthorizations).toBeUndefined();
    expect(told(await effectsOf(body))).toEqual(['authorize 120', 'void 120']);
    expect(await trailOf(body)).toContain('reauthorization_refused');
  });

  it('is wholly given back by a freeze that comes while it is renewed', async () => {
    const cast = await t.cast();
    const { body } = await t.pay(await t.approved(cast), 'tok_expire_soon', { on_expiry: 'reauthorize' });
    await script('pending', { operation: 'authorize', reference: body.payment_id });
    await t.becomes(body, ({ operations }) => operations.some(({ status }) => status === 'pending'));
    const freeze = { agent_id: cast.agent_id, reason: 'test', void_open_authorizations: true };
    const frozen = await t.api<{ still_dangerous: { why: string }[] }>('POST', '/v1/identities/freeze', freeze);
    expect(frozen.body.still_dangerous.map(({ why }) => why)).toEqual(['authorization_unknown']);
    const voided = await t.becomes(body, ({ status }) => status === 'voided');
    expect(voided.counters).toMatchObject({ authorized: 240_00, released: 240_00 });
  });

  it('control: the same hold, with its authority, is renewed', async () => {
    const payment = await held();
    expect((await renewed(payment)).status).toBe('authorized');
    await t.operate('void', payment);
  });
});

it('is renewed as often as the installation allows, and then it ends', async () => {
  const payment = await held();
  const expired = (await t.becomes(payment, ({ status }) => status === 'expired', 40_000)) as Renewed;
  expect(expired).toMatchObject({ reauthorizations: 2, counters: { authorized: 360_00, released: 360_00 } });
  expect(expired.earlier_references).toHaveLength(2);
  await effected(payment, 'expire 120');
  expect((await trailOf(payment)).filter((type) => type === 'expiring')).toHaveLength(3);
}, 60_000);
