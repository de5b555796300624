import type { HistoryKind } from '../policy.ts';
import type { Decision, Intent, IntentContext, Reason, Risk } from '../types.ts';

/**
 * What became known later. `disputed`: a cardholder disputed it; `rejected`: the principal or an operator, when asked,
 * said no; `confirmed`: one of them said yes; `refunded`: money went back without a dispute; `captured`: paid, and
 * nothing was heard.
 */
export const TRUTHS = ['disputed', 'rejected', 'confirmed', 'refunded', 'captured', 'unknown'] as const;
export type Truth = (typeof TRUTHS)[number];

export const BAD: ReadonlySet<Truth> = new Set(['disputed', 'rejected']);
export const GOOD: ReadonlySet<Truth> = new Set(['confirmed', 'captured']);

/** Something that happened to an execution after it was decided. */
export interface Occurrence {
  kind: Exclude<HistoryKind, 'decisions' | 'denials' | 'payments'>;
  atMs: number;
  amountMinor: number;
}

/** A decision as it was first made, and what came of it. */
export interface RecordedDecision {
  id: string;
  atMs: number;
  intent: Intent;
  context: IntentContext;
  /** `trust` as it was then, when it was kept. */
  agent: { id: string; ageMs: number; trust?: number };
  principal: { id: string; kind: 'principal' | 'organization' };
  decision: Decision;
  reasons: Reason[];
  risk: Risk;
  /** It led to a payment that did not fail. */
  paid: boolean;
  /** In the order in which they happened. */
  occurrences: Occurrence[];
  truth: Truth;
}
