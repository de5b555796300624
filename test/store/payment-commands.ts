import type * as fc from 'fast-check';
import { expect } from 'vitest';
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
  reserveCapture,
  reserveRefund,
  reverseRefund,
  type ClosedBy,
  type Counters,
} from '../../src/domain/payment.ts';
import { failOvercapture, overcaptureCeiling, reserveOvercapture } from '../../src/domain/payment/overcapture.ts';
import { inTransaction } from '../../src/store/pool.ts';
import { reverseRefund as reverseInStore } from '../../src/store/refunds/reverse.ts';
import { captureBeyond, heldOfTotal, raise } from './raise.ts';
import { complete, DECLINED, follow, ledgerOf, paymentOf, type FollowUp, type World } from './world.ts';

/** How far beyond a hold the accounts take a capture, percent. */
export const CEILING = 15;

interface Open extends FollowUp {
  type: 'increment' | 'capture' | 'void' | 'refund';
  final: boolean;
  /** Of a capture, what was not held. */
  beyondMinor?: number;
}

/** What the domain says the payment is, and the operations whose outcome is open. */
export interface Model {
  counters: Counters;
  /** Of what is authorized, what was captured beyond the hold. */
  overcaptured: number;
  closedBy?: ClosedBy;
  open: Open[];
  /** Refunds that stand as succeeded, and the amount each gave back. */
  refunded: FollowUp[];
  /** The account takes one capture only. */
  single?: boolean;
}
export interface Real {
  w: World;
  paymentId: string;
}

const beingRaised = ({ open }: Model) =>
  open.reduce((sum, { type, amountMinor }) => sum + (type === 'increment' ? amountMinor : 0), 0);
const exclusive = (model: Model) => model.open.some(({ type, final }) => type === 'void' || final);

type FollowUpType = 'capture' | 'void' | 'refund';

/** What a reservation makes of the counters, or undefined when the domain refuses it. */
function reserved(model: Model, type: FollowUpType, amountMinor: number, final: boolean): Counters | undefined {
  const c = model.counters;
  if (type !== 'refund' && exclusive(model)) return undefined;
  if (type !== 'refund' && (type === 'void' || final) && c.capture_pending > 0) return undefined;
  // While a hold is raised something is left of it: what a final capture or a void gives back is not known.
  if (beingRaised(model) > 0) {
    if (type === 'void' || (type === 'capture' && (final || amountMinor >= capturable(c)))) return undefined;
  }
  if (type === 'void') return capturable(c) > 0 ? c : undefined;
  try {
    return type === 'capture' ? reserveCapture(c, amountMinor) : reserveRefund(c, amountMinor);
  } catch (error) {
    if (error instanceof CounterError && error.code !== 'broken_invariant') return undefined;
    throw error;
  }
}

/** Everything that is printed of a payment is the same in the database and in the domain. */
export async function expectSame(model: Model, { w, paymentId }: Real): Promise<void> {
  const row = await paymentOf(w, paymentId);
  const counters = Object.fromEntries(Object.keys(NO_COUNTERS).map((name) => [name, row[name as keyof Counters]]));
  expect(counters).toEqual(model.counters);
  expect(paymentStatus(row, row.phase, row.closed_by ?? undefined)).toBe(
    paymentStatus(model.counters, 'open', model.closedBy),
  );
  expect([row.overcaptured, row.increment_pending]).toEqual([model.overcaptured, beingRaised(model)]);
  expect((await ledgerOf(w, paymentId)).filter(({ sum }) => sum !== 0)).toEqual([]);
  const held = await balanceOf(w, paymentId, 'authorized:%');
  const c = model.counters;
  // What is reserved beyond the hold is in the journal once it is captured.
  const unposted = model.open.reduce((sum, { beyondMinor = 0 }) => sum + beyondMinor, 0);
  expect(held).toBe(c.authorized - unposted - c.captured - c.released);
  const charged = c.authorized + beingRaised(model) - c.released;
  expect(await heldOfTotal(w, paymentId)).toEqual({ held: charged, spent: charged });
}

/** Minor units on the payment's accounts of such names. */
async function balanceOf(w: World, paymentId: string, accounts: string): Promise<number> {
  const { rows } = await w.pool.query<{ balance: number }>(
    `SELECT COALESCE(sum(l.amount_minor), 0)::bigint AS balance
       FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id WHERE e.payment_id = $1 AND l.account LIKE $2`,
    [paymentId, accounts],
  );
  return rows[0]!.balance;
}

export class Reserve implements fc.AsyncCommand<Model, Real> {
  readonly type: FollowUpType;
  readonly amountMinor: number;
  readonly final: boolean;
  constructor(type: FollowUpType, amountMinor: number, final: boolean) {
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
    const got = await follow(real.w, type, real.paymentId, { ...asked, final: this.final || type === 'void' });
    if ((got === undefined) !== (next === undefined))
      throw new Error(`${this.toString()}: only one of the two refuses it`);
    if (got && next) {
      model.counters = next;
      model.open.push({ ...got, type, final });
    }
    await expectSame(model, real);
  }
  toString = () => `reserve ${this.type} ${this.amountMinor}${this.final ? ' final' : ''}`;
}

/** A hold is raised. */
export class Raise implements fc.AsyncCommand<Model, Real> {
  readonly amountMinor: number;
  constructor(amountMinor: number) {
    this.amountMinor = amountMinor;
  }
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    const may = !exclusive(model) && beingRaised(model) === 0 && capturable(model.counters) > 0;
    const got = await raise(real.w, real.paymentId, this.amountMinor);
    if ((got !== undefined) !== may) throw new Error(`${this.toString()}: only one of the two refuses it`);
    if (got) model.open.push({ ...got, type: 'increment', final: false });
    await expectSame(model, real);
  }
  toString = () => `raise ${this.amountMinor}`;
}

/** All that is held is captured, and more. */
export class CaptureBeyond implements fc.AsyncCommand<Model, Real> {
  readonly beyondMinor: number;
  constructor(beyondMinor: number) {
    this.beyondMinor = beyondMinor;
  }
  check = () => true;
  async run(model: Model, real: Real): Promise<void> {
    const c = { ...model.counters, overcaptured: model.overcaptured };
    const underway = exclusive(model) || c.capture_pending > 0 || beingRaised(model) > 0;
    const may = !underway && this.beyondMinor <= overcaptureCeiling(c, CEILING);
    const got = await captureBeyond(real.w, real.paymentId, this.beyondMinor, CEILING);
    if ((got !== undefined) !== may) throw new Error(`${this.toString()}: only one of the two refuses it`);
    if (got) {
      setCounters(model, reserveOvercapture(c, this.beyondMinor));
      model.open.push({ ...got, type: 'capture', final: true });
    }
    await expectSame(model, real);
  }
  toString = () => `capture ${this.beyondMinor} beyond`;
}

function setCounters(model: Model, { overcaptured, ...counters }: Counters & { overcaptured: number }): void {
  Object.assign(model, { counters, overcaptured });
}

export class Outcome implements fc.AsyncCommand<Model, Real> {
  readonly which: number;
  readonly what: 'succeeded' | 'declined' | 'unknown';
  constructor(which: number, what: Outcome['what']) {
    this.which = which;
    this.what = what;
  }
  check = (model: Readonly<Model>) => model.open.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const operation = model.open[this.which % model.open.length]!;
    const { type, amountMinor, final, operationId } = operation;
    if (this.what === 'unknown') {
      await complete(real.w, operationId, { status: 'unknown', reason: 'timeout' });
      return expectSame(model, real);
    }
    const done = this.what === 'succeeded';
    await complete(
      real.w,
      operationId,
      done ? { status: 'succeeded', processorReference: 'pr', amountMinor } : DECLINED,
    );
    const c = model.counters;
    if (type === 'increment') {
      if (done) model.counters = { ...c, authorized: c.authorized + amountMinor };
    } else if (type === 'capture' && operation.beyondMinor !== undefined && !done) {
      const all = { ...c, overcaptured: model.overcaptured };
      setCounters(model, failOvercapture(all, amountMinor, operation.beyondMinor));
    } else if (type === 'capture') {
      model.counters = done ? postCapture(c, amountMinor) : failCapture(c, amountMinor);
      if (done && final) model.counters = releaseRemainder(model.counters);
    } else if (type === 'refund') model.counters = done ? postRefund(c, amountMinor) : failRefund(c, amountMinor);
    else if (done) {
      model.counters = releaseRemainder(c);
      model.closedBy = 'void';
    }
    if (type === 'refund' && done) model.refunded.push(operation);
    model.open = model.open.filter((one) => one !== operation);
    await expectSame(model, real);
  }
  toString = () => `outcome ${this.which} ${this.what}`;
}

/** A refund comes back, and is told to have come back twice. */
export class Return implements fc.AsyncCommand<Model, Real> {
  readonly which: number;
  constructor(which: number) {
    this.which = which;
  }
  check = (model: Readonly<Model>) => model.refunded.length > 0;
  async run(model: Model, real: Real): Promise<void> {
    const refund = model.refunded[this.which % model.refunded.length]!;
    const reversal = { operationId: refund.operationId, code: 'returned', actor: 'test', at: new Date() };
    const tell = () => inTransaction(real.w.pool, (db) => reverseInStore(db, real.w.tenant, reversal));
    const told = await Promise.all([tell(), tell()]);
    if (told.filter(Boolean).length !== 1) throw new Error('it was reversed twice, or not at all');
    model.counters = reverseRefund(model.counters, refund.amountMinor);
    model.refunded = model.refunded.filter((one) => one !== refund);
    await expectSame(model, real);
  }
  toString = () => `return ${this.which}`;
}

export const modelOf = (authorizedMinor: number): Model => ({
  counters: openCounters(authorizedMinor),
  overcaptured: 0,
  open: [],
  refunded: [],
});
