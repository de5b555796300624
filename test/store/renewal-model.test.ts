import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reserveRenewal } from '../../src/store/payments/renewal.ts';
import { findOperation } from '../../src/store/payments/read.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { reverseRefund as reverseInStore } from '../../src/store/refunds/reverse.ts';
import { newId } from '../../src/trust/new-id.ts';
import {
  capturable,
  CounterError,
  failCapture,
  failRefund,
  NO_COUNTERS,
  openCounters,
  paymentStatus,
  postCapture,
  postRefund,
  releaseRemainder,
  renewHold,
  reserveCapture,
  reserveRefund,
  reverseRefund,
  type ClosedBy,
  type Counters,
} from '../../src/domain/payment.ts';
import {
  authorized,
  complete,
  createWorld,
  DECLINED,
  follow,
  ledgerOf,
  paymentOf,
  type FollowUp,
  type World,
} from './world.ts';

let w: World;
beforeAll(async () => {
  w = await createWorld();
});
afterAll(() => w.database.drop());

const AUTHORIZED = 100;

interface Open extends FollowUp {
  type: 'capture' | 'void' | 'refund' | 'renewal';
  final: boolean;
  /** The authorization that it is about. */
  reference: string;
}

/** What the domain says the payment is, and the operations whose outcome is open. */
interface Model {
  counters: Counters;
  closedBy?: ClosedBy;
  open: Open[];
  /** Refunds that stand as succeeded, and the amount each gave back. */
  refunded: Open[];
  /** The authorization that holds the money now. */
  current: string;
  /** By authorization, what was captured of it and may be refunded yet. */
  left: Map<string, number>;
  /** The account takes one capture only. */
  single?: boolean;
}
interface Real {
  paymentId: string;
}

const exclusive = (model: Model) =>
  model.open.some(({ type, final }) => type === 'void' || type === 'renewal' || final);

const freshModel = (more: Partial<Model> = {}): Model => ({
  counters: openCounters(AUTHORIZED),
  open: [],
  refunded: [],
  current: 'pr_1',
  left: new Map(),
  ...more,
});

const add = ({ left }: Model, reference: string, amountMinor: number) =>
  left.set(reference, (left.get(reference) ?? 0) + amountMinor);

/** What a reservation makes of the counters, or undefined when the domain refuses it. */
function reserved(model: Model, type: Open['type'], amountMinor: number, final: boolean): Counters | undefined {
  const c = model.counters;
  if (type !== 'refund' && exclusive(model)) return undefined;
  if (type !== 'refund' && (type === 'void' || final) && c.capture_pending > 0) return undefined;
  if (type === 'void') return capturable(c) > 0 ? c : undefined;
  // Of one authorization only, where the hold was renewed.
  if (type === 'refund' && Math.max(0, ...model.left.values()) < amountMinor) return undefined;
  try {
    return type === 'capture' ? reserveCapture(c, amountMinor) : reserveRefund(c, amountMinor);
  } catch (error) {
    if (error instanceof CounterError && error.code !== 'broken_invariant') return undefined;
    throw error;
  }
}

/** Everything that is printed of a payment is the same in the database and in the domain. */
async function expectSame(model: Model, { paymentId }: Real): Promise<void> {
  const row = await paymentOf(w, paymentId);
  const counters = Object.fromEntries(Object.keys(NO_COUNTERS).map((name) => [name, row[name as keyof Counters]]));
  expect(counters).toEqual(model.counters);
  expect(paymentStatus(row, row.phase, row.closed_by ?? undefined)).toBe(
    paymentStatus(model.counters, 'open', model.closedBy),
  );
  expect((await ledgerOf(w, paymentId)).filter(({ sum }) => sum !== 0)).toEqual([]);
}

/** Authorizes what is left of the hold anew, as far as that: the outcome is another command. */
class Renew implements fc.AsyncCommand<Model, Real> {
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    const c = model.counters;
    const allowed = !exclusive(model) && c.capture_pending === 0 && capturable(c) > 0;
    const operationId = newId();
    const ask = { tenant: w.tenant, ...real, operationId, max: 30, actor: 'test', at: new Date() };
    const got = await reserveRenewal(w.pool, ask);
    if ((got !== undefined) !== allowed) throw new Error('renew: only one of the two refuses it');
    if (got) {
      const { amountMinor } = got;
      if (amountMinor !== capturable(c)) throw new Error(`renew: ${amountMinor} of ${capturable(c)}`);
      model.open.push({ operationId, amountMinor, type: 'renewal', final: false, reference: `pr_${operationId}` });
    }
    await expectSame(model, real);
  }
  toString = () => 'renew';
}

class Reserve implements fc.AsyncCommand<Model, Real> {
  readonly type: Exclude<Open['type'], 'renewal'>;
  readonly amountMinor: number;
  readonly final: boolean;
  constructor(type: Reserve['type'], amountMinor: number, final: boolean) {
    this.type = type;
    this.amountMinor = amountMinor;
    this.final = final && type === 'capture';
  }
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    const { type, amountMinor } = this;
    const final = this.final || (type === 'capture' && model.single === true);
    const next = reserved(model, type, amountMinor, final);
    const asked = type === 'void' ? {} : { amountMinor };
    const got = await follow(w, type, real.paymentId, { ...asked, final: this.final || type === 'void' });
    if ((got === undefined) !== (next === undefined))
      throw new Error(`${this.toString()}: only one of the two refuses it`);
    if (got && next) {
      model.counters = next;
      const { operation } = (await findOperation(w.pool, w.tenant, got.operationId))!;
      const reference = operation.processor_reference!;
      if (type !== 'refund' && reference !== model.current) throw new Error(`${this.toString()}: of ${reference}`);
      if (type === 'refund') add(model, reference, -got.amountMinor);
      if ((model.left.get(reference) ?? 0) < 0) throw new Error(`${this.toString()}: more than ${reference} captured`);
      model.open.push({ ...got, type, final, reference });
    }
    await expectSame(model, real);
  }
  toString = () => `reserve ${this.type} ${this.amountMinor}${this.final ? ' final' : ''}`;
}

class Outcome implements fc.AsyncCommand<Model, Real> {
  readonly which: number;
  readonly what: 'succeeded' | 'in part' | 'declined' | 'unknown';
  constructor(which: number, what: Outcome['what']) {
    this.which = which;
    this.what = what;
  }
  check = (model: Readonly<Model>) => model.open.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const operation = model.open[this.which % model.open.length]!;
    const { type, final, operationId, reference } = operation;
    const inPart = this.what === 'in part' && type === 'renewal' && operation.amountMinor > 1;
    const amountMinor = inPart ? operation.amountMinor - 1 : operation.amountMinor;
    if (this.what === 'unknown') {
      await complete(w, operationId, { status: 'unknown', reason: 'timeout' });
      return expectSame(model, real);
    }
    const done = this.what === 'succeeded' || this.what === 'in part';
    const granted = { status: 'succeeded', processorReference: reference, amountMinor } as const;
    await complete(w, operationId, done ? granted : DECLINED);
    const c = model.counters;
    if (type === 'capture') {
      model.counters = done ? postCapture(c, amountMinor) : failCapture(c, amountMinor);
      if (done && final) model.counters = releaseRemainder(model.counters);
      if (done) add(model, reference, amountMinor);
    } else if (type === 'renewal') {
      if (done) model.counters = renewHold(c, amountMinor);
      if (done && !inPart) model.current = reference;
    } else if (type === 'refund') model.counters = done ? postRefund(c, amountMinor) : failRefund(c, amountMinor);
    else if (done) {
      model.counters = releaseRemainder(c);
      model.closedBy = 'void';
    }
    if (type === 'refund' && done) model.refunded.push(operation);
    if (type === 'refund' && !done) add(model, reference, amountMinor);
    model.open = model.open.filter((one) => one !== operation);
    await expectSame(model, real);
  }
  toString = () => `outcome ${this.which} ${this.what}`;
}

/** A refund comes back, and is told to have come back twice. */
class Return implements fc.AsyncCommand<Model, Real> {
  readonly which: number;
  constructor(which: number) {
    this.which = which;
  }
  check = (model: Readonly<Model>) => model.refunded.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const refund = model.refunded[this.which % model.refunded.length]!;
    const reversal = { operationId: refund.operationId, code: 'returned', actor: 'test', at: new Date() };
    const tell = () => inTransaction(w.pool, (db) => reverseInStore(db, w.tenant, reversal));
    const told = await Promise.all([tell(), tell()]);
    if (told.filter(Boolean).length !== 1) throw new Error('it was reversed twice, or not at all');
    model.counters = reverseRefund(model.counters, refund.amountMinor);
    model.refunded = model.refunded.filter((one) => one !== refund);
    add(model, refund.reference, refund.amountMinor);
    await expectSame(model, real);
  }
  toString = () => `return ${this.which}`;
}

const someCommands = fc.commands(
  [
    fc
      .tuple(
        fc.constantFrom('capture' as const, 'capture' as const, 'refund' as const, 'void' as const),
        fc.integer({ min: 1, max: 70 }),
        fc.boolean(),
      )
      .map((args) => new Reserve(...args)),
    fc
      .tuple(
        fc.nat({ max: 3 }),
        fc.constantFrom(
          'succeeded' as const,
          'succeeded' as const,
          'in part' as const,
          'declined' as const,
          'unknown' as const,
        ),
      )
      .map((args) => new Outcome(...args)),
    fc.nat({ max: 3 }).map((which) => new Return(which)),
    fc.constant(null).map(() => new Renew()),
  ],
  { maxCommands: 16 },
);

const allow = (multicapture: boolean) =>
  w.pool.query('UPDATE mids SET capabilities = $1', [JSON.stringify({ multicapture })]);

describe('the SQL of a payment whose hold is renewed', () => {
  it.each([
    ['several captures', false],
    ['one capture', true],
  ])(
    'keeps the counters, the status and the refusals of the domain, whatever happens in whatever order, where the account takes %s',
    async (_, single) => {
      await allow(!single);
      await fc.assert(
        fc.asyncProperty(someCommands, async (commands) => {
          const paymentId = await authorized(w, AUTHORIZED);
          await w.pool.query(`UPDATE payments SET on_expiry = 'reauthorize' WHERE id = $1`, [paymentId]);
          const setup = () => ({
            model: freshModel({ single }),
            real: { paymentId },
          });
          await fc.asyncModelRun(setup, commands);
        }),
        // A shrunk case needs a payment of its own, which every run makes.
        { numRuns: 40 },
      );
      await allow(true);
    },
  );

  it('control: a row that lost a minor unit is noticed', async () => {
    const paymentId = await authorized(w, AUTHORIZED);
    await w.pool.query('UPDATE payments SET released = 1 WHERE id = $1', [paymentId]);
    const model = freshModel();
    await expect(expectSame(model, { paymentId })).rejects.toThrow('to deeply equal');
  });
});
