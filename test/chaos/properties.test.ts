import { describe, expect, it } from 'vitest';
import type { Request } from '../../chaos/client.ts';
import { LIVENESS } from '../../chaos/liveness.ts';
import { SAFETY } from '../../chaos/safety.ts';
import type { EffectRow, OperationRow, PaymentRow, Property, World } from '../../chaos/world.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import { NO_COUNTERS } from '../../src/domain/payment.ts';

const ID = '01a2084f-4009-7de5-8883-1e8df8d5fbc1';
const PAY = toTypeId('pay', ID);
/** Of a second payment, which was captured beyond its hold. */
const OTHER = '01a2084f-4009-7de5-8883-1e8df8d5fbc3';
const OP = '01a2084f-4009-7de5-8883-1e8df8d5fbc2';

/**
 * One payment: authorized 80, raised by 20, captured 60 and final, refunded 10 and 7, of which the 7 came back; settled.
 * Another: authorized 100, captured 110; settled.
 */
function calm(): World {
  const operation = (
    type: OperationRow['type'],
    amount_minor: number,
    more: Partial<OperationRow> = {},
  ): OperationRow => ({
    id: OP,
    name: `op_${type}`,
    payment_id: ID,
    type,
    status: 'succeeded',
    amount_minor,
    beyond_minor: 0,
    renews: false,
    attempt: 1,
    processor: 'alpha',
    sent_at: '2026-01-01T00:00:00',
    completed_at: '2026-01-01T00:00:01',
    failure_class: null,
    ...more,
  });
  const effect = (
    type: EffectRow['type'],
    amount_minor: number,
    released_minor = 0,
    more: Partial<EffectRow> = {},
  ): EffectRow => ({
    type,
    amount_minor,
    released_minor,
    currency: 'EUR',
    reference: PAY,
    operation_id: `op_${type}`,
    processor: 'alpha',
    mid: 'alpha-demo',
    ...more,
  });
  const entry = (entry_id: string, debit: string, credit: string, amount_minor: number, payment_id = ID) => [
    { entry_id, payment_id, account: debit, amount_minor, currency: 'EUR' },
    { entry_id, payment_id, account: credit, amount_minor: -amount_minor, currency: 'EUR' },
  ];
  const payment: PaymentRow = {
    id: ID,
    reference: PAY,
    execution_id: ID,
    phase: 'open',
    closed_by: null,
    amount_minor: 100,
    currency: 'EUR',
    counters: { ...NO_COUNTERS, authorized: 100, captured: 60, released: 40, refunded: 10, settled: 60 },
    overcaptured: 0,
    increment_pending: 0,
    mid_id: OP,
    processor: 'alpha',
    mid: 'alpha-demo',
    authorization_expires_at: '2026-01-08T00:00:00.000Z',
    needs_attention: null,
    reconciliation_status: 'matched',
  };
  const beyond = { id: OTHER, reference: toTypeId('pay', OTHER), execution_id: OTHER, amount_minor: 100 };
  const event = (id: string, type: string, sequence: number) => ({ id, type, execution_id: ID, sequence });
  return {
    payments: [
      payment,
      {
        ...payment,
        ...beyond,
        overcaptured: 10,
        counters: { ...NO_COUNTERS, authorized: 110, captured: 110, settled: 110 },
      },
    ],
    operations: [
      operation('authorize', 80),
      operation('capture', 60),
      operation('refund', 10),
      operation('increment', 20),
      operation('refund', 7, { name: 'op_returned', status: 'reversed' }),
      operation('authorize', 100, { name: 'op_other', payment_id: OTHER }),
      operation('capture', 110, { name: 'op_beyond', payment_id: OTHER, beyond_minor: 10 }),
    ],
    effects: [
      effect('authorize', 80),
      effect('capture', 60, 40),
      effect('refund', 10),
      effect('increment', 20),
      effect('refund', 7, 0, { operation_id: 'op_returned' }),
      effect('refund_return', 7, 0, { operation_id: 'op_returned' }),
      effect('authorize', 100, 0, { reference: beyond.reference, operation_id: 'op_other' }),
      effect('capture', 110, 0, { reference: beyond.reference, operation_id: 'op_beyond' }),
    ],
    openHolds: [],
    ledger: [
      ...entry('1', 'authorized:alpha', 'authorized_offset', 100),
      ...entry('2', 'authorized_offset', 'authorized:alpha', 100),
      ...entry('3', 'receivable:alpha', 'sales', 60),
      ...entry('4', 'refunds', 'receivable:alpha', 17),
      ...entry('5', 'receivable:alpha', 'refunds', 7),
      ...entry('6', 'receivable:alpha', 'sales', 110, OTHER),
    ],
    unapproved: [],
    additions: [
      { operation: 'op_increment', amount_minor: 20 },
      { operation: 'op_beyond', amount_minor: 10 },
    ],
    wrongTotals: [],
    wrongHoldings: [],
    events: [
      event('e1', 'payment.authorized', 1),
      event('e2', 'payment.captured', 2),
      event('e3', 'payment.refunded', 3),
    ],
    owed: ['e1', 'e2', 'e3'],
    acknowledged: new Map([
      ['e1', 1],
      ['e2', 2],
      ['e3', 1],
    ]),
    audit: { valid: true, entries_checked: 3, first_break: null },
    executions: [{ id: ID, stage: 'authorizing', decision: 'approved', signed: true, audited: true }],
    sightings: new Map([[ID, ['approved', 'authorized', 'captured']]]),
    requests: [
      asked('k1', 200, '{"a":1}'),
      asked('k1', 200, '{"a":1}', 'same'),
      asked('k1', 409, '{"code":"idempotency_conflict"}', 'other'),
    ],
    now: '2026-02-01T00:00:00.000Z',
  };
}

function asked(key: string, status: number, text: string, again?: 'same' | 'other'): Request {
  const request: Request = {
    key,
    method: 'POST',
    path: '/v1/payments/capture',
    body: {},
    as: 'tenant',
    tries: [],
    status,
    text,
  };
  return again ? { ...request, again: { of: key, body: again } } : request;
}

type Plant = (world: World) => void;
const counters = (world: World) => world.payments[0]!.counters;
const again = (world: World, type: OperationRow['type'], more: Partial<OperationRow>) =>
  world.operations.push({ ...world.operations.find((one) => one.type === type)!, ...more });

/** By the number of the property: violations, each of which it must find. */
const PLANTED: Record<string, Record<string, Plant>> = {
  'safety 1': {
    'one operation, two effects': (w) => w.effects.push(w.effects[1]!),
    'one increment, two effects': (w) => w.effects.push(w.effects[3]!),
    'two authorizations': (w) => w.effects.push({ ...w.effects[0]!, operation_id: 'op_another', processor: 'beta' }),
    'two open holds': (w) => {
      const hold = { reference: PAY, amount_minor: 1, expires_at: '' };
      w.openHolds.push(hold, hold);
    },
  },
  'safety 2': {
    'a negative counter': (w) => (counters(w).refunded = -1),
    'more refunded than captured': (w) => (counters(w).refunded = 61),
    'more beyond the hold than was captured': (w) => (w.payments[1]!.overcaptured = 111),
  },
  'safety 3': {
    'an entry out of balance': (w) => (w.ledger[0]!.amount_minor += 1),
    'a refund that our books do not have': (w) => w.effects.push({ ...w.effects[2]!, operation_id: 'op_x' }),
    'a capture that no processor made': (w) => w.effects.splice(1, 1),
    'an increment that no processor granted': (w) => w.effects.splice(3, 1),
    'an increment that our books do not have': (w) => (counters(w).authorized = 80),
    'a capture beyond the hold that was written down as held': (w) => (w.payments[1]!.overcaptured = 0),
    'a refund that came back, which our books do not have': (w) => (counters(w).refunded = 17),
    'an effect of nobody': (w) => w.effects.push({ ...w.effects[0]!, reference: toTypeId('pay', OP) }),
    'an effect in another currency': (w) => (w.effects[1]!.currency = 'USD'),
  },
  'safety 4': {
    'another answer to the same': (w) => (w.requests[1]!.text = '{"a":2}'),
    'an answer to another body': (w) => (w.requests[2]!.status = 200),
  },
  'safety 5': {
    'an increment that nobody approved': (w) => w.additions.shift(),
    'an increment by more than was approved': (w) => (w.additions[0]!.amount_minor = 19),
    'an increment that was approved twice': (w) => w.additions.push(w.additions[0]!),
    'a capture beyond the hold that nobody approved': (w) => w.additions.pop(),
    'a payment without approval': (w) => w.unapproved.push({ id: ID, why: 'its delegation had been revoked' }),
  },
  'safety 6': {
    'another attempt while the first is unknown': (w) => {
      w.operations[0]!.status = 'unknown';
      again(w, 'authorize', { attempt: 2, sent_at: '2026-01-01T00:00:05' });
    },
    'another attempt before the first was over': (w) => {
      Object.assign(w.operations[0]!, { status: 'declined', completed_at: '2026-01-01T00:00:09' });
      again(w, 'authorize', { attempt: 2, sent_at: '2026-01-01T00:00:05' });
    },
    'a failure over money that moved': (w) => (w.payments[0]!.phase = 'failed'),
  },
  'safety 7': {
    'a refund told before its capture': (w) => (w.events[2]!.sequence = 0),
    'a capture told after the void': (w) =>
      w.events.unshift({ ...w.events[0]!, id: 'e0', type: 'payment.voided', sequence: 1 }),
    'a stage that cannot follow': (w) => Object.assign(w, { sightings: new Map([[ID, ['captured', 'authorized']]]) }),
  },
  'safety 8': {
    'a capture at another account': (w) => (w.effects[1]!.processor = 'beta'),
    'a hard decline tried again': (w) => {
      Object.assign(w.operations[0]!, { status: 'declined', failure_class: 'hard_decline' });
      again(w, 'authorize', { attempt: 2, status: 'succeeded', failure_class: null });
    },
  },
  'safety 9': {
    'a stranger who is answered': (w) => w.requests.push({ ...asked('k2', 200, '{}'), as: 'stranger' }),
    'an error that approves': (w) => w.requests.push(asked('k3', 503, '{"decision":"approved"}')),
    'an approval without a signature': (w) => (w.executions[0]!.signed = false),
  },
  'liveness 1': {
    'an outcome that stays unknown': (w) => (w.operations[1]!.status = 'unknown'),
    'a payment that stays on its way': (w) => (w.payments[0]!.phase = 'auth_unknown'),
  },
  'liveness 2': { 'an event that never arrived': (w) => w.owed.push('e4') },
  'liveness 3': {
    'an amount that stays reserved': (w) => (counters(w).refund_pending = 5),
    'an increment that stays reserved': (w) => (w.payments[0]!.increment_pending = 5),
    'an addition that is not given back': (w) => w.wrongHoldings.push({ id: ID, held: 80, should: 60 }),
    'a total that nothing holds': (w) => w.wrongTotals.push({ id: ID, spent: 5, held: 0 }),
  },
  'liveness 4': {
    'a capture that nobody settles': (w) => {
      counters(w).settled = 0;
      w.payments[0]!.reconciliation_status = 'expected';
    },
  },
  'liveness 5': {
    'a hold past its date': (w) => (counters(w).released = 0),
    'a hold that we forgot': (w) => w.openHolds.push({ reference: PAY, amount_minor: 40, expires_at: '' }),
  },
};

/** The first payment was authorized anew: a second hold, and the first one given back. */
function renewed(world: World): World {
  const [first] = world.effects;
  again(world, 'authorize', { name: 'op_renewal', renews: true, sent_at: '2026-01-01T12:00:00' });
  again(world, 'authorize', { name: 'op_earlier', renews: true, type: 'void' });
  world.effects.push(
    { ...first!, operation_id: 'op_renewal' },
    { ...first!, type: 'void', operation_id: 'op_earlier' },
  );
  counters(world).authorized += first!.amount_minor;
  counters(world).released += first!.amount_minor;
  return world;
}

describe('a hold that was renewed', () => {
  it.each([...SAFETY, ...LIVENESS])('violates nothing: $kind $name', ({ check }) => {
    expect(check(renewed(calm())).faults).toEqual([]);
  });

  it('is violated by a second renewal that nobody reserved', () => {
    const world = renewed(calm());
    world.effects.push({ ...world.effects[0]!, operation_id: 'op_another' });
    expect(SAFETY[0]!.check(world).faults).not.toEqual([]);
  });
});

describe.each([...SAFETY, ...LIVENESS])('$kind $name', ({ kind, name, check }: Property) => {
  const planted = PLANTED[`${kind} ${name.split(' ')[0]}`]!;

  it('holds where nothing is wrong', () => {
    expect(check(calm()).faults).toEqual([]);
  });

  it.each(Object.keys(planted))('is violated by %s', (which) => {
    const world = calm();
    planted[which]!(world);
    expect(check(world).faults).not.toEqual([]);
  });
});
