import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { capturable, refundable } from '../../src/domain/payment.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, refusal, startJourney, type Journey, type Payment } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
});
beforeEach(async () => {
  const timing = { slow_ms: 2_500, pending_ms: 400, expire_soon_ms: 1_000, visibility_lag_ms: 0 };
  await t.simulator('POST', '/control/timing', timing);
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

/** Unanswered questions after which a request is answered 202: they are asked at growing intervals. */
const SILENT = 5;

interface Effect {
  type: string;
  processor: string;
  operation_id: string;
}

async function effectsOf({ payment_id }: Pick<Payment, 'payment_id'>, type: string): Promise<Effect[]> {
  const { body } = await t.simulator<{ data: Effect[] }>('GET', `/control/effects?reference=${payment_id}`);
  return body.data.filter((effect) => effect.type === type);
}

const script = (fault: string, more: object) => t.simulator('POST', '/control/script', { fault, ...more });

/** Pays and waits until the outcome is known. */
async function paidInTheEnd(token: string): Promise<Payment> {
  const { status, body } = await t.pay(await t.approved(await t.cast()), token);
  expect(['201 authorized', '202 auth_unknown', '202 pending']).toContain(`${status} ${body.status}`);
  return t.becomes(body, (payment) => payment.status === 'authorized');
}

describe('an authorization whose answer does not come', () => {
  it.each(['tok_lost_answer', 'tok_500_after_commit', 'tok_slow', 'tok_pending'])(
    '%s: is found at its processor, and was made once',
    async (token) => {
      const payment = await paidInTheEnd(token);
      expect(payment).toMatchObject({ processor: 'alpha', counters: { authorized: 120_00 } });
      expect(await effectsOf(payment, 'authorize')).toMatchObject([{ processor: 'alpha' }]);
      expect((await t.operate('capture', payment)).status).toBe(200);
    },
  );

  it('tok_lost_request: never arrived, and is made once after all', async () => {
    const payment = await paidInTheEnd('tok_lost_request');
    expect(await effectsOf(payment, 'authorize')).toHaveLength(1);
  });

  it('is unknown, and nobody else is asked, while the processor does not tell', async () => {
    const decided = await t.approved(await t.cast());
    await script('unavailable', { operation: 'query', times: SILENT });
    const { status, body } = await t.pay(decided, 'tok_lost_answer');
    expect({ status, payment: body.status }).toEqual({ status: 202, payment: 'auth_unknown' });
    // The attempt is shown while it is open, with the account that may hold the money and why it was asked.
    expect(body.attempts).toMatchObject([
      { attempt: 1, processor: 'alpha', mid: 'alpha-demo', outcome: 'unknown', reason: 'priority' },
    ]);
    for (const kind of ['capture', 'void', 'refund'] as const) {
      expect(refusal(await t.operate(kind, body))).toEqual([409, 'invalid_payment_state']);
    }
    const payment = await t.becomes(body, (seen) => seen.status === 'authorized');
    expect(payment.attempts).toMatchObject([{ attempt: 1, processor: 'alpha', outcome: 'approved' }]);
    expect(payment.attempts).toHaveLength(1);
    expect(await effectsOf(payment, 'authorize')).toMatchObject([{ processor: 'alpha' }]);
  });

  it('is not believed absent at the first "not found"', async () => {
    await t.simulator('POST', '/control/timing', { visibility_lag_ms: 150 });
    const payment = await paidInTheEnd('tok_lost_answer');
    expect(payment.processor).toBe('alpha');
    expect(await effectsOf(payment, 'authorize')).toHaveLength(1);
  });

  it('stays the truth of a repeated request', async () => {
    const decided = await t.approved(await t.cast());
    await script('unavailable', { operation: 'query', times: 2 });
    const headers = { 'idempotency-key': crypto.randomUUID() };
    const first = await t.pay(decided, 'tok_lost_answer', {}, headers);
    await t.becomes(first.body, (seen) => seen.status === 'authorized');
    const again = await t.pay(decided, 'tok_lost_answer', {}, headers);
    expect(again.body.payment_id).toBe(first.body.payment_id);
    expect(await effectsOf(first.body, 'authorize')).toHaveLength(1);
  });

  it('tok_partial: half of it was granted, and only that can be captured', async () => {
    const payment = await t.paid({}, 'tok_partial', { accept_partial: true });
    expect(payment).toMatchObject({ status: 'authorized', counters: { authorized: 60_00 } });
    expect(refusal(await t.operate('capture', payment, { amount: 60.01 }))).toEqual([409, 'amount_exceeds_capturable']);
    expect((await t.operate('capture', payment)).body.counters.captured).toBe(60_00);
  });

  it('tok_expire_soon: the hold is let go when its time is over', async () => {
    const payment = await t.becomes(await t.paid({}, 'tok_expire_soon'), (seen) => seen.status === 'expired');
    expect(payment.counters.released).toBe(120_00);
    // The processor's own clock may be a moment behind.
    await eventually(
      () => effectsOf(payment, 'expire'),
      (effects) => effects.length === 1,
    );
    expect(refusal(await t.operate('capture', payment))).toEqual([409, 'invalid_payment_state']);
  });

  it('tok_unavailable_once: a documented no-op goes to the next at once', async () => {
    const payment = await t.paid({}, 'tok_unavailable_once@alpha');
    expect(payment.processor).toBe('beta');
    expect(payment.attempts.map((one) => one.class)).toEqual(['throttled', undefined]);
  });

  it('fails over from a processor that is out of order', async () => {
    const outage = (mode: string) => t.simulator('POST', '/control/outage', { processor: 'alpha', mode });
    const decided = await t.approved(await t.cast());
    await outage('503');
    try {
      const { status, body } = await t.pay(decided);
      expect({ status, processor: body.processor }).toEqual({ status: 201, processor: 'beta' });
    } finally {
      await outage('off');
    }
  });
});

/** What a finished operation leaves behind. */
const DONE = {
  capture: ({ counters }: Payment) => counters.captured === 120_00 && counters.capture_pending === 0,
  void: ({ counters }: Payment) => counters.released === 120_00,
  refund: ({ counters }: Payment) => counters.refunded === 120_00 && counters.refund_pending === 0,
};
const KINDS = ['capture', 'void', 'refund'] as const;
const ready = async (kind: (typeof KINDS)[number]) => {
  const payment = await t.paid();
  return kind === 'refund' ? (await t.operate('capture', payment)).body : payment;
};

describe.each(KINDS)('a %s', (kind) => {
  it.each(['lost_answer', 'lost_request', '500_after_commit', 'garbled_answer', 'pending'])(
    'happens once in spite of %s',
    async (fault) => {
      const payment = await ready(kind);
      await script(fault, { operation: kind, reference: payment.payment_id });
      const { status } = await t.operate(kind, payment);
      expect([200, 202]).toContain(status);
      const known = await t.becomes(payment, DONE[kind]);
      expect(known.operations.at(-1)).toMatchObject({ type: kind, status: 'succeeded' });
      expect(await effectsOf(payment, kind)).toHaveLength(1);
    },
  );

  it('keeps its amount reserved while its outcome is unknown', async () => {
    const payment = await ready(kind);
    await script('lost_answer', { operation: kind, reference: payment.payment_id });
    await script('unavailable', { operation: 'query', reference: payment.payment_id, times: SILENT });
    const { status, body } = await t.operate(kind, payment);
    expect(status).toBe(202);
    const { counters } = body;
    expect({
      capture: [counters.capture_pending, capturable(counters)],
      void: [counters.released, counters.captured],
      refund: [counters.refund_pending, refundable(counters)],
    }).toMatchObject({ [kind]: kind === 'void' ? [0, 0] : [120_00, 0] });
    for (const other of kind === 'refund' ? (['refund'] as const) : (['capture', 'void'] as const)) {
      expect([other, (await t.operate(other, payment)).status]).toEqual([other, 409]);
    }
    await t.becomes(payment, DONE[kind]);
    expect(await effectsOf(payment, kind)).toHaveLength(1);
  });

  it.each(['decline', 'late_decline'])('gives its reservation back after %s, and may be repeated', async (fault) => {
    const payment = await ready(kind);
    await script(fault, { operation: kind, reference: payment.payment_id });
    const { status } = await t.operate(kind, payment);
    expect(fault === 'decline' ? [402] : [402, 202]).toContain(status);
    const back = await t.becomes(payment, ({ operations }) => operations.at(-1)?.status === 'declined');
    expect(back.counters).toEqual(payment.counters);
    expect((await t.operate(kind, payment)).status).toBe(200);
    expect(await t.payment(payment.payment_id)).toSatisfy(DONE[kind]);
  });

  it('is not done by a documented no-op, and may be repeated', async () => {
    const payment = await ready(kind);
    await script('unavailable', { operation: kind, reference: payment.payment_id });
    const { status } = await t.operate(kind, payment);
    expect(status).toBeGreaterThanOrEqual(400);
    expect((await t.payment(payment.payment_id)).counters).toEqual(payment.counters);
    expect((await t.operate(kind, payment)).status).toBe(200);
  });

  it('is counted once though it is announced twice', async () => {
    const payment = await ready(kind);
    await script('duplicate_notification', { operation: kind, reference: payment.payment_id });
    expect((await t.operate(kind, payment)).status).toBe(200);
    await t.becomes(payment, DONE[kind]);
  });
});

describe('a final capture', () => {
  const finally50 = (payment: Payment) => t.operate('capture', payment, { amount: 50, final: true });

  it('waits for no other one: while a capture is unknown it is refused, since what is left is not known', async () => {
    const payment = await t.paid();
    await script('lost_request', { operation: 'capture', reference: payment.payment_id });
    await script('unavailable', { operation: 'query', reference: payment.payment_id, times: 2 });
    const [unknown, final] = await Promise.all([
      t.operate('capture', payment, { amount: 30 }),
      t.becomes(payment, ({ counters }) => counters.capture_pending === 30_00).then(finally50),
    ]);
    expect(refusal(final)).toEqual([409, 'invalid_payment_state']);
    expect([200, 202]).toContain(unknown.status);
    await t.becomes(payment, ({ counters }) => counters.captured === 30_00);
    const { body } = await finally50(payment);
    expect(body).toMatchObject({ status: 'captured', counters: { captured: 80_00, released: 40_00 } });
  });

  it('lets no other one begin while it is unknown itself', async () => {
    const payment = await t.paid();
    await script('lost_request', { operation: 'capture', reference: payment.payment_id });
    await script('unavailable', { operation: 'query', reference: payment.payment_id, times: 2 });
    const [, other] = await Promise.all([
      finally50(payment),
      t
        .becomes(payment, ({ counters }) => counters.capture_pending === 50_00)
        .then(() => t.operate('capture', payment, { amount: 30 })),
    ]);
    expect(other.status).toBe(409);
    const known = await t.becomes(payment, ({ counters }) => counters.captured === 50_00);
    expect(known).toMatchObject({ status: 'captured', counters: { released: 70_00 } });
  });
});

describe('a settlement', () => {
  it.each([
    ['over', { kind: 'over', by_minor: 5 }],
    ['under', { kind: 'under', by_minor: 5 }],
    ['currency_mismatch', { kind: 'currency_mismatch' }],
    ['duplicate', { kind: 'duplicate' }],
  ])('that is %s is flagged, and not taken for a match', async (status, discrepancy) => {
    const payment = await t.paid();
    await t.operate('capture', payment);
    await t.simulator('POST', '/control/settle', { reference: payment.payment_id, discrepancies: [discrepancy] });
    const flagged = await t.becomes(payment, ({ reconciliation }) => reconciliation.status !== 'expected');
    expect(flagged.reconciliation.status).toBe(status);
  });

  it('matches what was granted, when that was less than asked', async () => {
    const payment = await t.paid({}, 'tok_partial', { capture: 'automatic', accept_partial: true });
    expect(payment.counters).toMatchObject({ authorized: 60_00, captured: 60_00 });
    await t.simulator('POST', '/control/settle', { reference: payment.payment_id });
    const settled = await t.becomes(payment, ({ reconciliation }) => reconciliation.status !== 'expected');
    expect([settled.reconciliation.status, settled.counters.settled]).toEqual(['matched', 60_00]);
  });

  it('settles captures and refunds in their own batches', async () => {
    const payment = await t.paid();
    await t.operate('capture', payment, { amount: 70 });
    await t.simulator('POST', '/control/settle', { reference: payment.payment_id });
    await t.becomes(payment, ({ counters }) => counters.settled === 70_00);
    const later = await t.operate('capture', payment);
    // What was settled says nothing of what was captured since.
    expect(later.body.reconciliation.status).toBe('expected');
    await t.operate('refund', payment, { amount: 10 });
    await t.simulator('POST', '/control/settle', { reference: payment.payment_id });
    const settled = await t.becomes(payment, ({ counters }) => counters.settled === 120_00);
    expect(settled.reconciliation.status).toBe('matched');
  });
});
