import type { Stage } from '../src/domain/lifecycle.ts';
import type { Counters } from '../src/domain/payment.ts';
import type { Request } from './client.ts';
import type { EffectType } from '../src/processors/simulator/server/effects.ts';

/** Everything that is known at the end of a run. Ids are UUIDs, except in what processors and clients were told. */
export interface World {
  payments: PaymentRow[];
  operations: OperationRow[];
  /** What the processors really did, in the order they did it. */
  effects: EffectRow[];
  /** Holds that are open at the processors, by our payment id in TypeID form. */
  openHolds: { reference: string; amount_minor: number; expires_at: string }[];
  ledger: LedgerRow[];
  /** Payments that were made without a live approval; a query says why. */
  unapproved: { id: string; why: string }[];
  /** Approvals of what was added to a payment: increments, and captures beyond the hold. */
  additions: { operation: string; amount_minor: number }[];
  /** Running totals of delegations that are not what their executions hold. */
  wrongTotals: { id: string; spent: number; held: number }[];
  /** Payments that hold something else of running totals than they may still capture or have. */
  wrongHoldings: { id: string; held: number; should: number }[];
  events: EventRow[];
  /** Ids of events that the endpoint was owed, and those that it acknowledged. */
  owed: string[];
  acknowledged: ReadonlyMap<string, number>;
  audit: { valid: boolean; entries_checked: number; first_break: { sequence: number; reason: string } | null };
  executions: ExecutionRow[];
  /** Stages as a reader saw them, one after another, by execution. */
  sightings: ReadonlyMap<string, Stage[]>;
  requests: Request[];
  now: string;
}

export interface PaymentRow {
  id: string;
  /** `pay_…` */
  reference: string;
  execution_id: string;
  phase: string;
  closed_by: string | null;
  amount_minor: number;
  currency: string;
  counters: Counters;
  /** Of `authorized`, what was captured beyond the hold, which no processor was asked to hold. */
  overcaptured: number;
  /** What the hold is being raised by. */
  increment_pending: number;
  mid_id: string | null;
  processor: string | null;
  mid: string | null;
  authorization_expires_at: string | null;
  needs_attention: string | null;
  reconciliation_status: string;
}
export interface OperationRow {
  id: string;
  /** `op_…` */
  name: string;
  payment_id: string;
  type: 'authorize' | 'increment' | 'capture' | 'void' | 'refund';
  status: string;
  amount_minor: number;
  /** Of a capture, what was not held. */
  beyond_minor: number;
  /** It renews a hold, or voids the one that was renewed. */
  renews: boolean;
  attempt: number;
  processor: string;
  sent_at: string;
  completed_at: string | null;
  failure_class: string | null;
}
export interface EffectRow {
  type: EffectType;
  amount_minor: number;
  released_minor: number;
  currency: string;
  reference: string;
  operation_id: string | null;
  processor: string;
  mid: string;
}
export interface LedgerRow {
  entry_id: string;
  payment_id: string;
  account: string;
  amount_minor: number;
  currency: string;
}
export interface EventRow {
  id: string;
  type: string;
  execution_id: string | null;
  sequence: number;
}
export interface ExecutionRow {
  id: string;
  stage: string;
  decision: string;
  signed: boolean;
  audited: boolean;
}

/** One thing that must hold: what was looked at, and what is wrong, each with the payment or execution that it is about. */
export interface Property {
  name: string;
  kind: 'safety' | 'liveness';
  check: (world: World) => Finding;
}
export interface Finding {
  /** How much was looked at: a property that saw nothing has shown nothing. */
  seen: string;
  faults: Fault[];
}
export interface Fault {
  message: string;
  /** UUID of the payment, which is its execution's as well. */
  payment?: string;
}

/** Payments of which a person was asked about an outcome: what their processor did, nobody has told us yet. */
export function beforeAPerson(operations: readonly OperationRow[]): Set<string> {
  return new Set(operations.filter(({ status }) => status === 'needs_review').map((one) => one.payment_id));
}
