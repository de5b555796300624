import type { Intent } from '../types.ts';

/**
 * The built-in rules of a policy document. Amounts are minor units of whatever currency the intent has: limit
 * `currencies` too, unless one number is meant to hold for all of them.
 */
export interface PolicyRules {
  /** Largest amount of one action, inclusive. */
  max_amount?: number;
  currencies?: string[];
  /** ISO 3166-1 alpha-2 codes, or the groups of `country-groups.ts`. A deny beats an allow. */
  geo?: { allow?: string[]; deny?: string[] };
  /** At most `max` actions per `window` (`15m`, `1h`, `1d`), this one included, counted by agent unless said. */
  velocity?: { window: string; max: number; by?: VelocitySubject };
  merchants?: { allow?: string[]; deny?: string[] };
  channels?: string[];
  /** Above this amount (exclusive) the principal must confirm. */
  step_up_above?: number;
  /** Above this amount (exclusive) an operator must look. */
  review_above?: number;
}

export type VelocitySubject = 'agent' | 'principal' | 'merchant';

/** What was gathered for the rules. */
export interface PolicyFacts {
  intent: Intent;
  /** Country of the circumstances, where known apart from `intent.country`; both must pass when they differ. */
  country?: string;
  /** Actions already counted in the velocity rule's window, without this one. */
  velocityCount?: number;
}

export type Effect = 'deny' | 'challenge' | 'review';

/** What one rule said. `effect` is there unless it passed; an `error` always denies. */
export interface Explanation {
  rule: string;
  outcome: 'pass' | 'fail' | 'error';
  effect?: Effect;
  message: string;
  observed?: unknown;
  expected?: unknown;
}
