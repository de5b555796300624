import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { expectInvariants } from './invariants.ts';
import { startJourney, type Answered, type Journey, type Payment } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
  await t.simulator('POST', '/control/timing', { pending_ms: 2_000 });
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

type Kind = 'increment' | 'capture' | 'void' | 'refund';

/** Everything that a refused request must leave as it was: counters, operations, effects, events. */
async function standing({ payment_id, execution_ref }: Payment) {
  const { status, counters, operations } = await t.payment(payment_id);
  const effects = await t.simulator<{ data: unknown[] }>('GET', `/control/effects?reference=${payment_id}`);
  const events = await t.database.pool.query('SELECT id FROM events WHERE execution_id = $1', [
    parseId(execution_ref, 'exec'),
  ]);
  return { status, counters, operations, effects: effects.body.data, events: events.rowCount };
}

interface Line {
  what: string;
  /** What the payment has been through. */
  before: ('capture' | 'capture 50' | 'capture pending' | 'void' | 'void pending' | 'refund' | 'refund 20')[];
  ask: [kind: Kind, body: object];
  answer: [status: number, code: string];
  detail: RegExp;
  field?: string;
}

const CAPTURABLE = 'amount_exceeds_capturable';
const REFUNDABLE = 'amount_exceeds_refundable';
const STATE = 'invalid_payment_state';

const LINES: Line[] = [
  {
    what: 'an increment beyond the delegation',
    before: [],
    ask: ['increment', { amount: 380.01 }],
    answer: [403, 'invalid_scope'],
    detail: /./,
  },
  {
    what: 'an increment with a pending void',
    before: ['void pending'],
    ask: ['increment', { amount: 10 }],
    answer: [409, STATE],
    detail: /ending/,
  },
  {
    what: 'an increment of what was captured',
    before: ['capture'],
    ask: ['increment', { amount: 10 }],
    answer: [409, STATE],
    detail: /Nothing is held/,
  },
  {
    what: 'a capture over the limit',
    before: [],
    ask: ['capture', { amount: 120.01 }],
    answer: [409, CAPTURABLE],
    detail: /At most 12000/,
  },
  {
    what: 'a capture over what an earlier one left',
    before: ['capture 50'],
    ask: ['capture', { amount: 70.01 }],
    answer: [409, CAPTURABLE],
    detail: /At most 7000/,
  },
  {
    what: 'a capture over what a pending one leaves',
    before: ['capture pending'],
    ask: ['capture', { amount: 70.01 }],
    answer: [409, CAPTURABLE],
    detail: /At most 7000/,
  },
  {
    what: 'a refund over the limit',
    before: ['capture 50'],
    ask: ['refund', { amount: 50.01 }],
    answer: [409, REFUNDABLE],
    detail: /At most 5000/,
  },
  {
    what: 'a refund over what an earlier one left',
    before: ['capture', 'refund 20'],
    ask: ['refund', { amount: 100.01 }],
    answer: [409, REFUNDABLE],
    detail: /At most 10000/,
  },
  {
    what: 'a refund of an uncaptured payment',
    before: [],
    ask: ['refund', {}],
    answer: [409, STATE],
    detail: /void the authorization instead/,
  },
  {
    what: 'a refund of an uncaptured payment, with an amount',
    before: [],
    ask: ['refund', { amount: 1 }],
    answer: [409, STATE],
    detail: /void the authorization instead/,
  },
  {
    what: 'a void with a pending capture',
    before: ['capture pending'],
    ask: ['void', {}],
    answer: [409, STATE],
    detail: /capture is under way/,
  },
  {
    what: 'a final capture with a pending capture',
    before: ['capture pending'],
    ask: ['capture', { amount: 10, final: true }],
    answer: [409, STATE],
    detail: /under way/,
  },
  {
    what: 'a capture with a pending void',
    before: ['void pending'],
    ask: ['capture', { amount: 10 }],
    answer: [409, STATE],
    detail: /under way/,
  },
  {
    what: 'a void with a pending void',
    before: ['void pending'],
    ask: ['void', {}],
    answer: [409, STATE],
    detail: /void is under way/,
  },
  {
    what: 'a capture of a voided payment',
    before: ['void'],
    ask: ['capture', {}],
    answer: [409, STATE],
    detail: /voided|closed/,
  },
  {
    what: 'a void of a voided payment',
    before: ['void'],
    ask: ['void', {}],
    answer: [409, STATE],
    detail: /voided|closed/,
  },
  {
    what: 'a refund of a voided payment',
    before: ['void'],
    ask: ['refund', {}],
    answer: [409, STATE],
    // Not the way out that an open authorization has.
    detail: /nothing is held any more/,
  },
  {
    what: 'a void of a captured payment',
    before: ['capture'],
    ask: ['void', {}],
    answer: [409, STATE],
    detail: /no open authorization/,
  },
  {
    what: 'a capture of a captured payment',
    before: ['capture'],
    ask: ['capture', {}],
    answer: [409, CAPTURABLE],
    detail: /captured|Nothing is left/,
  },
  {
    what: 'a refund of a refunded payment',
    before: ['capture', 'refund'],
    ask: ['refund', {}],
    answer: [409, REFUNDABLE],
    detail: /At most 0/,
  },
  {
    what: 'a capture in another currency',
    before: [],
    ask: ['capture', { amount: 10, currency: 'USD' }],
    answer: [400, 'invalid_request'],
    detail: /./,
    field: 'currency',
  },
  {
    what: 'a refund in another currency',
    before: ['capture'],
    ask: ['refund', { currency: 'USD' }],
    answer: [400, 'invalid_request'],
    detail: /./,
    field: 'currency',
  },
  {
    what: 'a capture of nothing',
    before: [],
    ask: ['capture', { amount: 0 }],
    answer: [400, 'invalid_request'],
    detail: /./,
    field: 'amount',
  },
  {
    what: 'a refund of nothing',
    before: ['capture'],
    ask: ['refund', { amount: '0.00' }],
    answer: [400, 'invalid_request'],
    detail: /./,
    field: 'amount',
  },
  {
    what: 'a negative capture',
    before: [],
    ask: ['capture', { amount: -1 }],
    answer: [400, 'invalid_request'],
    detail: /./,
    field: 'amount',
  },
  {
    what: 'a negative refund',
    before: ['capture'],
    ask: ['refund', { amount: '-1' }],
    answer: [400, 'invalid_request'],
    detail: /./,
    field: 'amount',
  },
  {
    what: 'a capture with too many decimals',
    before: [],
    ask: ['capture', { amount: '1.001' }],
    answer: [400, 'invalid_request'],
    detail: /: EUR has 2 decimals/,
    field: 'amount',
  },
];

async function bring(payment: Payment, steps: Line['before']): Promise<void> {
  for (const step of steps) {
    const [kind, rest] = step.split(' ') as [Kind, string | undefined];
    const later = rest === 'pending';
    if (later)
      await t.simulator('POST', '/control/script', {
        fault: 'pending',
        operation: kind,
        reference: payment.payment_id,
      });
    const amount = later && kind === 'capture' ? 50 : rest === undefined || later ? undefined : Number(rest);
    const asked = t.operate(kind, payment, { amount });
    if (later) await t.becomes(payment, ({ operations }) => operations.some(({ status }) => status === 'pending'));
    else await asked;
  }
}

function told({ status, body }: Answered<object>) {
  const { errors } = body as { errors?: { path: string }[] };
  return { answer: [status, body.code], field: errors?.[0]?.path };
}

describe('refused with its own code, and nothing changed', () => {
  it.each(LINES)('$what', async ({ before, ask: [kind, body], answer, detail, field }) => {
    const payment = await t.paid();
    await bring(payment, before);
    const stood = await standing(payment);
    const got = await t.operate(kind, payment, body);
    expect(told(got)).toEqual({ answer, field });
    expect(got.body.detail).toMatch(detail);
    expect(await standing(payment)).toEqual(stood);
  });

  it('control: what is just within the limit is taken', async () => {
    const payment = await t.paid();
    await bring(payment, ['capture 50']);
    expect((await t.operate('capture', payment, { amount: 70, currency: 'EUR' })).status).toBe(200);
    expect((await t.operate('refund', payment, { amount: 120, currency: 'EUR' })).status).toBe(200);
  });
});

describe('an approval', () => {
  const paymentsOf = async () => (await t.database.pool.query('SELECT id FROM payments')).rowCount;

  it.each([
    ['a changed amount', { amount: 120.01 }, [409, 'amount_exceeds_approved']],
    ['another currency', { currency: 'USD', amount: 10 }, [409, 'amount_exceeds_approved']],
    ['nothing', { amount: 0 }, [400, 'invalid_request']],
    ['a negative amount', { amount: -5 }, [400, 'invalid_request']],
  ])('is not spent on %s, and stays good', async (_, more, answer) => {
    const decided = await t.approved(await t.cast());
    const before = await paymentsOf();
    expect(told(await t.pay(decided, 'tok_approve', more)).answer).toEqual(answer);
    expect(await paymentsOf()).toBe(before);
    expect((await t.pay(decided)).status).toBe(201);
  });

  it('is spent once', async () => {
    const decided = await t.approved(await t.cast());
    const { body } = await t.pay(decided);
    const stood = await standing(body);
    expect(told(await t.pay(decided)).answer).toEqual([409, 'execution_token_used']);
    expect(await standing(body)).toEqual(stood);
  });

  it('that has expired is not spent', async () => {
    const decided = await t.approved(await t.cast());
    await t.database.pool.query(`UPDATE executions SET token_expires_at = now() - interval '1 second' WHERE id = $1`, [
      parseId(decided.execution_ref, 'exec'),
    ]);
    const before = await paymentsOf();
    expect(told(await t.pay(decided)).answer).toEqual([409, 'execution_token_expired']);
    expect(await paymentsOf()).toBe(before);
  });
});
