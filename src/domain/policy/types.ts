import type { Intent } from '../types.ts';
import type { HistoryAnswers } from './history.ts';

/**
 * A limit in minor units: one number for whatever currency the intent has, an amount with its currency, or one number
 * per currency. An intent in a currency that a limit does not name is beyond the limit.
 */
export type Limit = number | { amount_minor: number; currency: string } | { [currency: string]: number };

/** The rules of a policy document. A number as limit holds for every currency: limit `currencies` too. */
export interface PolicyRules {
  /** Largest amount of one action, inclusive. */
  max_amount?: Limit;
  currencies?: string[];
  /** ISO 3166-1 alpha-2 codes, or the groups of `country-groups.ts`. A deny beats an allow. */
  geo?: { allow?: string[]; deny?: string[] };
  /** At most `max` actions per `window` (`15m`, `1h`, `1d`), this one included, counted by agent unless said. */
  velocity?: { window: string; max: number; by?: VelocitySubject };
  merchants?: { allow?: string[]; deny?: string[] };
  channels?: string[] | { allow: string[] };
  hours?: Hours;
  /** Above this amount (exclusive) the principal must confirm. */
  step_up_above?: Limit;
  /** Above this amount (exclusive) an operator must look. */
  review_above?: Limit;
  /** What happens at the first payment of this principal to a merchant. */
  unknown_payee?: 'challenge' | 'review' | 'allow';
  /** Rules in the expression language (docs/policies.md). */
  cel?: CelRule[];
}

export type VelocitySubject = 'agent' | 'principal' | 'merchant';

/** An expression that says when a rule fails, and what follows. */
export interface CelRule {
  name: string;
  when: string;
  effect: Effect;
  message: string;
}

export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** When actions are allowed. A window whose end is not after its beginning ends on the next day. */
export interface Hours {
  /** IANA name: `Europe/Berlin`. */
  time_zone: string;
  /** `days` (all unless said) are those on which a window begins; `from` is inclusive, `to` exclusive, `HH:MM`. */
  windows: { days?: (typeof WEEKDAYS)[number][]; from: string; to: string }[];
  /** Outside of them; `deny` unless said. */
  effect?: Effect;
}

/** The wall clock of a time zone. */
export interface LocalTime {
  /** 1 for Monday … 7 for Sunday. */
  weekday: number;
  /** Minutes since midnight, by the hands of the clock. */
  minute: number;
}

/** What was gathered for the rules. */
export interface PolicyFacts {
  intent: Intent;
  /** Country of the circumstances, where known apart from `intent.country`; both must pass when they differ. */
  country?: string;
  /** Actions already counted in the velocity rule's window, without this one. */
  velocityCount?: number;
  /** When it is asked, Unix milliseconds. */
  nowMs?: number;
  /** What the caller said of the circumstances. */
  said?: { session_id?: string; device_trust?: string; device_id?: string; country?: string; risk_signals?: string[] };
  /** `trust` and `behaviour` are 0 to 100; absent where it is not known any more. */
  agent?: { id: string; ageMs: number; trust?: number; behaviour?: number; certificate?: string };
  principal?: { id: string; kind: 'principal' | 'organization' };
  /** Whether this agent was approved at this merchant before. */
  merchantSeen?: boolean;
  /** The answers to the history facts that the policy asks for, by their keys. */
  history?: HistoryAnswers;
}

/**
 * What rules need that the domain cannot do itself: the rules of a time zone, and the expression language. A rule that
 * needs one which was not given cannot be evaluated, and so it fails.
 */
export interface PolicyTools {
  /** @throws RangeError for a zone that does not exist */
  localTime(ms: number, zone: string): LocalTime;
  /** One explanation for each rule. `policyId` names a document that never changes; undefined: do not remember it. */
  expressions(rules: CelRule[], facts: PolicyFacts, policyId?: string): Explanation[];
}

export type Effect = 'deny' | 'challenge' | 'review';

/** What one rule said. `effect` is there unless it passed; an `error` denies, or is reviewed where that is the rule. */
export interface Explanation {
  rule: string;
  outcome: 'pass' | 'fail' | 'error';
  effect?: Effect;
  message: string;
  observed?: unknown;
  expected?: unknown;
  /** The part of an expression that decided, in its author's words. */
  clause?: string;
}
