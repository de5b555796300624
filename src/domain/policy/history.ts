/**
 * What happened before, as far as a policy asks for it. A policy's questions are derived from its rules when it is
 * drafted, stored with it, and answered in the same read as everything else.
 */

/** `decisions`, `denials` and `payments` count from when they were decided, the others from when they happened. */
export const HISTORY_KINDS = [
  'decisions',
  'denials',
  'payments',
  'approvals',
  'failures',
  'capture_failures',
  'refunds',
  'behaviour_events',
  'behaviour_alerts',
] as const;
/** Kinds that have no amounts to be summed up. */
export const WITHOUT_AMOUNTS: ReadonlySet<HistoryKind> = new Set(['behaviour_events', 'behaviour_alerts']);
export const HISTORY_SUBJECTS = ['agent', 'principal', 'merchant', 'session'] as const;

export type HistoryKind = (typeof HISTORY_KINDS)[number];
export type HistorySubject = (typeof HISTORY_SUBJECTS)[number];

/** One question. `key` is the question in words, and equal for equal questions. */
export type HistoryFact =
  | {
      key: string;
      /** `sum` is over amounts in the intent's currency, minor units. */
      measure: 'count' | 'sum';
      kind: HistoryKind;
      by: HistorySubject;
      windowMs: number;
    }
  /** When it happened last, Unix milliseconds. */
  | { key: string; measure: 'last'; kind: HistoryKind; by: HistorySubject }
  /** Whether this principal ever paid this merchant. */
  | { key: string; measure: 'paid' };

/** The answer to `measure: 'last'` when it never happened. */
export const NEVER = -1;

/**
 * Answers by key. `null`: there is nothing to ask about (an intent without a session), or there is more than is
 * counted. Both make a rule that needs the answer fail, since neither leaving out the session nor being busy may be the
 * way round a rule.
 */
export type HistoryAnswers = Record<string, number | boolean | null>;

/** Beyond so many occurrences in a window nothing is counted any more: it bounds what a decision reads. */
export const HISTORY_LIMIT = 5_000;

export const MERCHANT_PAID: HistoryFact = { key: 'merchant.paid', measure: 'paid' };
