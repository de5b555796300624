import type { HistoryKind } from '../policy.ts';
import type { Decision, Intent, IntentContext, Reason, Risk } from '../types.ts';

/**
 * What became known later, the first that holds. `disputed`: a cardholder disputed it; `rejected`: the principal or an
 * operator, when asked, said no; `refunded`: money went back without a dispute; `confirmed`: one of them said yes;
 * `failed`: the payment failed; `captured`: paid, and nothing was heard.
 */
export const TRUTHS = ['disputed', 'rejected', 'refunded', 'confirmed', 'failed', 'captured', 'unknown'] as const;
export type Truth = (typeof TRUTHS)[number];

/** What a policy should have stopped, unless whoever asks says otherwise. */
export const BAD: readonly Truth[] = ['disputed', 'rejected'];
/** What it should have let pass, unless it is asked for as bad. The others say nothing either way. */
export const GOOD: readonly Truth[] = ['confirmed', 'captured'];

/** Something that happened to an execution after it was decided. */
export interface Occurrence {
  kind: Exclude<HistoryKind, 'decisions' | 'denials' | 'payments' | 'behaviour_events' | 'behaviour_alerts'>;
  atMs: number;
  amountMinor: number;
}

/** A decision as it was first made, and what came of it. */
export interface RecordedDecision {
  id: string;
  atMs: number;
  intent: Intent;
  context: IntentContext;
  /** `trust` and `behaviour` as they were then, when they were kept; `certificate` was `none` where there was none. */
  agent: { id: string; ageMs: number; trust?: number; behaviour?: number; certificate?: string };
  principal: { id: string; kind: 'principal' | 'organization' };
  decision: Decision;
  reasons: Reason[];
  risk: Risk;
  /** The policy that was active then. */
  policyId?: string;
  /** It led to a payment that did not fail. */
  paid: boolean;
  /** In the order in which they happened. */
  occurrences: Occurrence[];
  truth: Truth;
}
