import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, refusal, startJourney, type Journey, type Payment } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
  await t.simulator('POST', '/control/timing', { expire_soon_ms: 4_000, pending_ms: 1_500 });
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

interface Effect {
  type: string;
  amount_minor: number;
  released_minor: number;
}

async function effectsOf({ payment_id }: Pick<Payment, 'payment_id'>): Promise<[string, number][]> {
  const { body } = await t.simulator<{ data: Effect[] }>('GET', `/control/effects?reference=${payment_id}`);
  return body.data.map(({ type, amount_minor }) => [type, amount_minor]);
}

async function eventsOf({ execution_ref }: Pick<Payment, 'execution_ref'>): Promise<string[]> {
  const { body } = await t.api<{ data: { type: string }[] }>('POST', '/v1/execution/events/query', {
    execution_ref,
    order: 'asc',
  });
  return body.data.map(({ type }) => type).filter((type) => type !== 'execution.decision');
}

const script = (fault: string, more: object) => t.simulator('POST', '/control/script', { fault, ...more });

type Held = Payment & { decline?: { code: string }; needs_attention?: string };

describe('an approval for less than was asked', () => {
  const refused = [402, 'payment_declined', 'partial_approval'];
  const told = ({ status, body }: Awaited<ReturnType<Journey['pay']>>) => [status, body.code, body.decline?.code];

  it('is given back, and the payment declined, unless the client takes it', async () => {
    const decided = await t.approved(await t.cast());
    const headers = { 'idempotency-key': randomUUID() };
    const answer = await t.pay(decided, 'tok_partial', {}, headers);
    expect(told(answer)).toEqual(refused);
    const { payment } = answer.body as unknown as { payment: Held };
    expect(payment).toMatchObject({ status: 'voided', counters: { authorized: 60_00, released: 60_00, captured: 0 } });
    expect(await effectsOf(payment)).toEqual([
      ['authorize', 60_00],
      ['void', 60_00],
    ]);
    expect((await eventsOf(payment)).toSorted()).toEqual(['payment.failed', 'payment.voided']);
    expect(told(await t.pay(decided, 'tok_partial', {}, headers))).toEqual(refused);
    expect(refusal(await t.operate('capture', payment))).toEqual([409, 'invalid_payment_state']);
    await eventually(
      async () => (await t.execution(payment.execution_ref)).stage,
      (stage) => stage === 'voided',
    );
  });

  it('is refunded where it was captured at once', async () => {
    const answer = await t.pay(await t.approved(await t.cast()), 'tok_partial', { capture: 'automatic' });
    expect(told(answer)).toEqual(refused);
    const { payment } = answer.body as unknown as { payment: Held };
    expect(payment).toMatchObject({ status: 'refunded', counters: { captured: 60_00, refunded: 60_00 } });
    expect(await effectsOf(payment)).toEqual([
      ['authorize', 60_00],
      ['capture', 60_00],
      ['refund', 60_00],
    ]);
  });

  it('is kept where the client takes it, and only that can be captured', async () => {
    const payment = await t.paid({}, 'tok_partial', { accept_partial: true });
    expect(payment).toMatchObject({ status: 'authorized', counters: { authorized: 60_00 } });
    expect(refusal(await t.operate('capture', payment, { amount: 60.01 }))).toEqual([409, 'amount_exceeds_capturable']);
    expect((await t.operate('capture', payment)).body.status).toBe('captured');
  });

  it.each(['lost_answer', 'lost_request'])('is given back once in spite of %s', async (fault) => {
    const decided = await t.approved(await t.cast());
    await script(fault, { operation: 'void' });
    const answer = await t.pay(decided, 'tok_partial');
    expect(told(answer)).toEqual(refused);
    const { payment } = answer.body as unknown as { payment: Held };
    expect(await effectsOf(payment)).toEqual([
      ['authorize', 60_00],
      ['void', 60_00],
    ]);
  });

  it('is not reported as declined while the money is held', async () => {
    const decided = await t.approved(await t.cast());
    await script('pending', { operation: 'void' });
    let answered = false;
    const asked = t.pay(decided, 'tok_partial').finally(() => (answered = true));
    const id = decided.execution_ref.replace('exec_', 'pay_');
    const held = await eventually(
      async () => (await t.api<Held>('GET', `/v1/payments/${id}`)).body,
      ({ operations }) => operations?.some(({ type, status }) => type === 'void' && status === 'pending'),
    );
    expect([held.status, answered]).toEqual(['authorized', false]);
    expect(told(await asked)).toEqual(refused);
    expect(await t.payment(id)).toMatchObject({ status: 'voided', counters: { released: 60_00 } });
  });

  it('stays held and is not captured where the processor refuses to take it back; a person looks', async () => {
    const decided = await t.approved(await t.cast());
    await script('decline', { operation: 'void' });
    const answer = await t.pay(decided, 'tok_partial');
    expect(told(answer)).toEqual(refused);
    const { payment } = answer.body as unknown as { payment: Held };
    expect(payment).toMatchObject({
      status: 'authorized',
      needs_attention: 'A partial approval could not be given back',
    });
    expect(refusal(await t.operate('capture', payment))).toEqual([409, 'invalid_payment_state']);
    expect((await t.operate('void', payment)).body).toMatchObject({ status: 'voided' });
  });
});

describe('captures', () => {
  const allow = (capabilities: object) =>
    t.database.pool.query(`UPDATE mids SET capabilities = $1 WHERE processor = 'alpha'`, [
      JSON.stringify(capabilities),
    ]);

  it('are several where the account takes several', async () => {
    const payment = await t.paid();
    for (const amount of [10, 20, 30]) expect((await t.operate('capture', payment, { amount })).status).toBe(200);
    expect((await t.payment(payment.payment_id)).counters).toMatchObject({ captured: 60_00, released: 0 });
    expect((await t.operate('void', payment)).body).toMatchObject({ status: 'captured' });
  });

  it('are one where the account takes one: it is final without being asked, and the rest is let go', async () => {
    await allow({ multicapture: false });
    try {
      const payment = await t.paid();
      const { body } = await t.operate('capture', payment, { amount: 50 });
      expect(body).toMatchObject({ status: 'captured', counters: { captured: 50_00, released: 70_00 } });
      const again = await t.operate('capture', payment, { amount: 1 });
      expect(refusal(again)).toEqual([409, 'amount_exceeds_capturable']);
      const { body: oracle } = await t.simulator<{ released_minor: number }>(
        'GET',
        `/control/summary?reference=${payment.payment_id}`,
      );
      expect(oracle.released_minor).toBe(70_00);
    } finally {
      await allow({});
    }
  });

  it('control: the same capture at an account that takes several leaves the rest held', async () => {
    const payment = await t.paid();
    const { body } = await t.operate('capture', payment, { amount: 50 });
    expect(body).toMatchObject({ status: 'partially_captured', counters: { released: 0 } });
  });

  it('a final one that is declined leaves the hold as it was', async () => {
    const payment = await t.paid();
    await script('decline', { operation: 'capture', reference: payment.payment_id });
    expect((await t.operate('capture', payment, { amount: 50, final: true })).status).toBe(402);
    expect((await t.payment(payment.payment_id)).counters).toMatchObject({ capture_pending: 0, released: 0 });
    expect((await t.operate('capture', payment)).body.status).toBe('captured');
  });

  it('that are accepted first and decided later stay reserved until then', async () => {
    const payment = await t.paid();
    await script('pending', { operation: 'capture', reference: payment.payment_id });
    const asked = t.operate('capture', payment, { amount: 100 });
    const open = await t.becomes(payment, ({ operations }) => operations.some(({ status }) => status === 'pending'));
    expect(open.counters).toMatchObject({ captured: 0, capture_pending: 100_00 });
    expect((await asked).status).toBe(200);
    await t.becomes(payment, ({ counters }) => counters.captured === 100_00);
  });
});

describe('a hold that ends', () => {
  it('is warned of, and let go of at the processor’s date', async () => {
    const payment = await t.paid({}, 'tok_expire_soon');
    const warned = (await t.becomes(payment, (seen) => (seen as Held).needs_attention !== undefined)) as Held;
    expect(warned).toMatchObject({ status: 'authorized', needs_attention: 'The hold ends soon, and is let go then' });
    const expired = (await t.becomes(payment, ({ status }) => status === 'expired')) as Held;
    expect(expired.needs_attention).toBeUndefined();
    expect(await eventsOf(payment)).toEqual(['payment.authorized', 'payment.expiring', 'execution.expired']);
    await eventually(
      () => effectsOf(payment),
      (effects) => effects.length === 2,
    );
  });

  it('is captured before its end where that was chosen', async () => {
    const payment = await t.paid({}, 'tok_expire_soon', { on_expiry: 'capture' });
    expect((await t.operate('capture', payment, { amount: 20 })).status).toBe(200);
    const captured = await t.becomes(payment, ({ status }) => status === 'captured');
    expect(captured.counters).toMatchObject({ captured: 120_00, released: 0 });
    expect(await eventsOf(payment)).toEqual([
      'payment.authorized',
      'payment.captured',
      'payment.expiring',
      'payment.captured',
    ]);
    const { rows } = await t.database.pool.query<{ actor: string }>(
      `SELECT actor FROM audit_entries WHERE subject = $1 AND type = 'payment.captured' ORDER BY seq`,
      [payment.payment_id],
    );
    expect(rows.at(-1)?.actor).toBe('system:timer');
  });

  it('is captured by a second try when the processor was away', async () => {
    await t.simulator('POST', '/control/timing', { expire_soon_ms: 9_000 });
    const payment = await t.paid({}, 'tok_expire_soon', { on_expiry: 'capture' });
    await script('unavailable', { operation: 'capture', reference: payment.payment_id });
    const captured = await t.becomes(payment, ({ status }) => status === 'captured');
    expect(captured.operations.map(({ type, status }) => `${type} ${status}`)).toEqual([
      'authorize succeeded',
      'capture not_sent',
      'capture succeeded',
    ]);
  });

  it('is captured once, also when the answer is lost', async () => {
    const payment = await t.paid({}, 'tok_expire_soon', { on_expiry: 'capture' });
    await script('lost_answer', { operation: 'capture', reference: payment.payment_id });
    await t.becomes(payment, ({ status }) => status === 'captured');
    expect((await effectsOf(payment)).filter(([type]) => type === 'capture')).toEqual([['capture', 120_00]]);
  });

  it('is not warned of once everything is captured', async () => {
    const payment = await t.paid({}, 'tok_expire_soon');
    await t.operate('capture', payment);
    const { rows } = await t.database.pool.query('SELECT 1 FROM payments WHERE id = $1 AND expiry_warned_at IS NULL', [
      parseId(payment.payment_id, 'pay'),
    ]);
    expect(rows).toHaveLength(1);
  });
});
