import type { Frequency } from './recurrence.ts';

/** JSON as it came over the wire; members that are not known here are kept. */
export type Json = Record<string, unknown>;

/** The `vct` values of AP2 v0.2, matched exactly: another suffix is another schema. */
export const MANDATE_TYPES = [
  'mandate.payment.1',
  'mandate.payment.open.1',
  'mandate.checkout.1',
  'mandate.checkout.open.1',
] as const;

export type MandateType = (typeof MANDATE_TYPES)[number];
export type MandateFamily = 'payment' | 'checkout';

export function isMandateType(value: unknown): value is MandateType {
  return (MANDATE_TYPES as readonly unknown[]).includes(value);
}

export function familyOf(type: MandateType): MandateFamily {
  return type.startsWith('mandate.payment') ? 'payment' : 'checkout';
}

export function isOpen(type: MandateType): boolean {
  return type.endsWith('.open.1');
}

/** A closed payment mandate whose shape was checked. */
export interface PaymentMandate extends Json {
  transaction_id: string;
  payee: Json;
  payment_amount: { amount: number; currency: string };
  payment_instrument: Json;
  pisp?: Json;
  execution_date?: string;
}

/** An open mandate whose shape was checked. Constraints are read one by one, each by its own evaluator. */
export interface OpenMandate extends Json {
  constraints: Json[];
}

/** What was done under an open mandate before, as kept by whoever decides. */
export interface Usage {
  /** Sum of the amounts approved so far, in minor units of the budget's currency. */
  readonly spentMinor: number;
  readonly occurrences: number;
  /** Epoch seconds of the last approval. */
  readonly lastAt?: number;
}

/**
 * What an approval uses up of an open payment mandate. The transaction that decides adds it to what it keeps and
 * checks the limits again there: between this evaluation and the commit another approval may have come first.
 */
export interface Charge {
  readonly amountMinor: number;
  readonly currency: string;
  /** The tightest budget, in minor units: `spentMinor + amountMinor` must not exceed it. */
  readonly budgetMinor?: number;
  /** `occurrences + 1` must not exceed it. 1 without a recurrence: such a mandate is for one payment. */
  readonly maxOccurrences?: number;
  /** How far apart two approvals must lie: `isDue` of `recurrence.ts`. */
  readonly frequency?: Frequency;
}

/** One constraint and how it came out. `code` is what a failure of it is called. */
export interface Outcome {
  readonly code: string;
  readonly ok: boolean;
  readonly detail: string;
}
