import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { tellDispute } from '../../src/store/disputes/tell.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, refusal, startJourney, type Journey, type Payment } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
});
beforeEach(() => t.simulator('POST', '/control/calm'));
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

interface Dispute {
  dispute_id: string;
  payment_id: string;
  processor_dispute_id: string;
  status: string;
  amount_minor: number;
  held_minor: number;
  needs_attention?: string;
  acts?: { kind: string; status: string; answer?: string }[];
}

/** Each at a merchant of its own: one whose payments are disputed is a risk. */
async function captured(): Promise<Payment> {
  const merchant_ref = `mrc_${crypto.randomUUID()}`;
  return (await t.operate('capture', await t.paid({ merchant_ref }))).body;
}
/** The issuer of the payer at the processor. @returns the id of the dispute there */
async function issuer(payment: Payment, more: object = {}): Promise<string> {
  const { status, body } = await t.simulator<{ dispute_id: string }>('POST', '/control/disputes', {
    reference: payment.payment_id,
    ...more,
  });
  expect(status).toBe(201);
  return body.dispute_id;
}
const decides = (id: string, status: string) => t.simulator('POST', `/control/disputes/${id}`, { status });
const disputesOf = async ({ payment_id }: Payment) =>
  (await t.api<{ data: Dispute[] }>('GET', `/v1/disputes?payment_id=${payment_id}`)).body.data;
async function becomes(payment: Payment, holds: (dispute: Dispute) => boolean): Promise<Dispute> {
  const [found] = await eventually(
    () => disputesOf(payment),
    ([dispute]) => dispute !== undefined && holds(dispute),
  );
  return (await t.api<Dispute>('GET', `/v1/disputes/${found!.dispute_id}`)).body;
}
const opened = ({ status }: Dispute) => status === 'opened';
const countersOf = async ({ payment_id }: Payment) => (await t.payment(payment_id)).counters;
const send = ({ dispute_id }: Dispute, kind: 'evidence' | 'accept', headers = {}) =>
  t.api<Dispute & { code?: string }>(
    'POST',
    `/v1/disputes/${dispute_id}/${kind}`,
    kind === 'evidence' ? { statement: 'The guest stayed both nights.' } : { note: 'The guest is right.' },
    headers,
  );

describe('a dispute', () => {
  it('is an inquiry, opened, challenged and won: the money is held, and comes back', async () => {
    const payment = await captured();
    const id = await issuer(payment, { status: 'inquiry' });
    const inquiry = await becomes(payment, ({ status }) => status === 'inquiry');
    expect((await countersOf(payment)).dispute_held).toBe(0);
    expect(refusal(await send(inquiry, 'accept'))).toEqual([409, 'invalid_payment_state']);
    await decides(id, 'opened');
    const dispute = await becomes(payment, opened);
    expect(await countersOf(payment)).toMatchObject({ dispute_held: 120_00, dispute_lost: 0 });

    const key = { 'idempotency-key': crypto.randomUUID() };
    expect([(await send(dispute, 'evidence', key)).status, (await send(dispute, 'evidence', key)).status]).toEqual([
      202, 202,
    ]);
    const challenged = await becomes(payment, ({ status }) => status === 'challenged');
    expect(challenged.acts).toMatchObject([{ kind: 'evidence', status: 'taken' }]);
    expect(refusal(await send(dispute, 'evidence'))).toEqual([409, 'invalid_payment_state']);
    await decides(id, 'won');
    await becomes(payment, ({ status }) => status === 'won');
    expect(await countersOf(payment)).toMatchObject({ dispute_held: 0, dispute_lost: 0 });
    const events = await t.api<{ data: { type: string; data: { status?: string } }[] }>(
      'POST',
      '/v1/execution/events/query',
      { types: ['payment.disputed'], limit: 50 },
    );
    const told = events.body.data.filter(({ type }) => type === 'payment.disputed').map(({ data }) => data.status);
    expect(new Set(told)).toEqual(new Set(['inquiry', 'opened', 'challenged', 'won']));
  });

  it('is lost: the money is gone, and cannot be refunded as well', async () => {
    const payment = await captured();
    const id = await issuer(payment, { amount_minor: 100_00 });
    await becomes(payment, opened);
    expect(refusal(await t.operate('refund', payment, { amount: 20.01 }))).toEqual([409, 'amount_exceeds_refundable']);
    expect((await t.operate('refund', payment, { amount: 20 })).status).toBe(200);
    await decides(id, 'lost');
    await becomes(payment, ({ status }) => status === 'lost');
    expect(await countersOf(payment)).toMatchObject({ dispute_held: 0, dispute_lost: 100_00, refunded: 20_00 });
    expect(refusal(await t.operate('refund', payment))).toEqual([409, 'amount_exceeds_refundable']);
  });

  it('is accepted', async () => {
    const payment = await captured();
    await issuer(payment);
    const dispute = await becomes(payment, opened);
    expect((await send(dispute, 'accept')).status).toBe(202);
    await becomes(payment, ({ status }) => status === 'accepted');
    expect(await countersOf(payment)).toMatchObject({ dispute_held: 0, dispute_lost: 120_00 });
  });

  it('expires at the deadline when nobody has answered, and late evidence is refused', async () => {
    const payment = await captured();
    const id = await issuer(payment, { evidence_due_ms: 1_500 });
    const dispute = await becomes(payment, ({ status }) => status === 'expired');
    expect(await countersOf(payment)).toMatchObject({ dispute_held: 0, dispute_lost: 120_00 });
    expect(refusal(await send(dispute, 'evidence'))).toEqual([409, 'invalid_payment_state']);
    // The processor says the same of the money; that it says otherwise is for a person, and changes nothing.
    await decides(id, 'lost');
    const news = { processorDisputeId: id, paymentId: parseId(payment.payment_id, 'pay')!, processor: 'alpha' };
    const claim = { amountMinor: 120_00, currency: 'EUR' };
    await inTransaction(t.database.pool, (db) => tellDispute(db, { ...news, ...claim, status: 'won' }, new Date()));
    const stands = await becomes(payment, ({ needs_attention }) => needs_attention !== undefined);
    expect(stands).toMatchObject({ status: 'expired', needs_attention: expect.stringContaining('won') as string });
    expect(await countersOf(payment)).toMatchObject({ dispute_held: 0, dispute_lost: 120_00 });
  });

  it('that is withdrawn gives the money back', async () => {
    const payment = await captured();
    const id = await issuer(payment);
    await becomes(payment, opened);
    await decides(id, 'withdrawn');
    await becomes(payment, ({ status }) => status === 'withdrawn');
    expect(await countersOf(payment)).toMatchObject({ dispute_held: 0, dispute_lost: 0 });
    expect((await t.operate('refund', payment)).body.counters.refunded).toBe(120_00);
  });
});

describe('a chargeback beside a refund', () => {
  it('of the same money is not paid twice, and wants a person', async () => {
    const payment = await captured();
    await t.operate('refund', payment, { amount: 50 });
    const id = await issuer(payment);
    const dispute = await becomes(payment, opened);
    expect(dispute).toMatchObject({ amount_minor: 120_00, held_minor: 70_00 });
    expect(dispute.needs_attention).toContain('refund');
    expect(refusal(await t.operate('refund', payment, { amount: 1 }))).toEqual([409, 'invalid_payment_state']);
    await decides(id, 'lost');
    await becomes(payment, ({ status }) => status === 'lost');
    expect(await countersOf(payment)).toMatchObject({ refunded: 50_00, dispute_lost: 70_00 });
  });

  it('whose refund is unknown holds what comes free when the refund fails', async () => {
    const payment = await captured();
    await t.simulator('POST', '/control/timing', { pending_ms: 1_500 });
    await t.simulator('POST', '/control/script', {
      fault: 'late_decline',
      operation: 'refund',
      reference: payment.payment_id,
    });
    const refund = t.operate('refund', payment);
    await t.becomes(payment, ({ counters }) => counters.refund_pending === 120_00);
    const id = await issuer(payment);
    expect((await becomes(payment, opened)).held_minor).toBe(0);
    expect((await refund).status).toBe(402);
    await t.becomes(payment, ({ counters }) => counters.refund_pending === 0);
    expect((await t.operate('refund', payment)).status).toBe(409);
    await t.becomes(payment, ({ counters }) => counters.dispute_held === 120_00);
    await decides(id, 'lost');
    await becomes(payment, ({ status }) => status === 'lost');
    expect(await countersOf(payment)).toMatchObject({ refunded: 0, dispute_held: 0, dispute_lost: 120_00 });
  });

  it('at the same moment: the counters decide, whichever comes first', async () => {
    const payment = await captured();
    const [refunded] = await Promise.all([t.operate('refund', payment, { amount: 60 }), issuer(payment)]);
    await becomes(payment, opened);
    await eventually(
      () => countersOf(payment),
      ({ refunded: back, dispute_held: held }) => back + held === 120_00,
    );
    expect([200, 402, 409]).toContain(refunded.status);
  });
});

describe('a processor that is away', () => {
  it('gets the evidence when it is back, once', async () => {
    const payment = await captured();
    await issuer(payment);
    const dispute = await becomes(payment, opened);
    await t.simulator('POST', '/control/outage', { processor: 'alpha', mode: 'refuse' });
    try {
      expect((await send(dispute, 'evidence')).status).toBe(202);
      expect(refusal(await send(dispute, 'accept'))).toEqual([409, 'invalid_payment_state']);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect((await becomes(payment, opened)).acts).toMatchObject([{ status: 'waiting' }]);
    } finally {
      await t.simulator('POST', '/control/outage', { processor: 'alpha', mode: 'off' });
    }
    const challenged = await becomes(payment, ({ status }) => status === 'challenged');
    expect(challenged.acts).toHaveLength(1);
  });
});
