/**
 * Why a call to a processor did not succeed, and what may be tried then (docs/failures.md). Processors map their own
 * codes onto these; a code that nobody mapped becomes the class that retries least.
 */
export const FAILURE_CLASSES = [
  'not_sent',
  'throttled',
  'unknown',
  'pending',
  'soft_decline',
  'insufficient_funds',
  'hard_decline',
  'authentication_required',
  'invalid_data',
  'configuration',
  'fraud_block',
  'duplicate',
] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

export interface FailureRule {
  /** Whether the same MID may be asked again for the same operation: at once, later or on a change, or never. */
  sameMid: 'now' | 'later' | 'never';
  /** Whether another MID may be tried within this authorization. */
  otherMid: boolean;
  /** Whether the same instrument may succeed in a later payment, once what `meaning` names has changed. */
  retryable: boolean;
  meaning: string;
}

export const FAILURES: Readonly<Record<FailureClass, FailureRule>> = {
  not_sent: {
    sameMid: 'now',
    otherMid: true,
    retryable: true,
    meaning: 'The request never left: connection refused, name not resolved, TLS not established.',
  },
  throttled: {
    sameMid: 'later',
    otherMid: true,
    retryable: true,
    meaning: 'The processor refused to look at it (429, documented no-op 503): back off, keep the key.',
  },
  unknown: {
    sameMid: 'never',
    otherMid: false,
    retryable: false,
    meaning: 'Money may have moved: ask by our reference first, then repeat with the same key only.',
  },
  pending: {
    sameMid: 'never',
    otherMid: false,
    retryable: false,
    meaning: 'Accepted, and decided later: wait for the notification or ask.',
  },
  soft_decline: {
    sameMid: 'later',
    otherMid: true,
    retryable: true,
    meaning: 'The issuer was away or declined without a reason that will last.',
  },
  insufficient_funds: {
    sameMid: 'later',
    otherMid: false,
    retryable: true,
    meaning: 'The funds or a limit do not suffice now; another processor reaches the same account.',
  },
  hard_decline: {
    sameMid: 'never',
    otherMid: false,
    retryable: false,
    meaning: 'Lost, stolen, closed or invalid: no processor may be asked again with this instrument.',
  },
  authentication_required: {
    sameMid: 'later',
    otherMid: false,
    retryable: true,
    meaning: 'The issuer wants the payer authenticated before it answers.',
  },
  invalid_data: {
    sameMid: 'later',
    otherMid: false,
    retryable: false,
    meaning: 'The data of the instrument are wrong (security code, expiry): new input is needed.',
  },
  configuration: {
    sameMid: 'never',
    otherMid: true,
    retryable: false,
    meaning: 'The MID cannot do this (currency off, account inactive): an operator must look.',
  },
  fraud_block: {
    sameMid: 'never',
    otherMid: false,
    retryable: false,
    meaning: 'The processor stopped it as a risk; shopping around would defeat its purpose.',
  },
  duplicate: {
    sameMid: 'never',
    otherMid: false,
    retryable: false,
    meaning: 'The processor already has this operation: fetch the original, its outcome is the outcome.',
  },
};

/** Attempts of one authorization over all MIDs. */
export const MAX_ATTEMPTS = 3;
/** After this long, measured from the first attempt, no further one begins. Milliseconds. */
export const WALL_CLOCK_CAP_MS = 30_000;

export interface Progress {
  /** Attempts already made, the failed one included. */
  attemptsMade: number;
  /** Candidates of the route plan that were not tried yet. */
  candidatesLeft: number;
  elapsedMs: number;
}

/**
 * After a failed attempt: `failover` to the next candidate, `stop` (the payment failed), or `resolve`, since nobody
 * knows yet whether money moved. Budget never turns `resolve` into `stop`, and a class that is not in the table
 * resolves too: a failure must not be reported over unresolved money.
 */
export function nextStep(cls: FailureClass, progress: Progress): 'failover' | 'stop' | 'resolve' {
  if (!Object.hasOwn(FAILURES, cls) || cls === 'unknown' || cls === 'pending' || cls === 'duplicate') return 'resolve';
  const budgetLeft =
    progress.attemptsMade < MAX_ATTEMPTS && progress.candidatesLeft > 0 && progress.elapsedMs < WALL_CLOCK_CAP_MS;
  return FAILURES[cls].otherMid && budgetLeft ? 'failover' : 'stop';
}

/** The processor did nothing, for certain, and not because of what was asked: the same may be asked again. */
export function isNotDone(failure: FailureClass): boolean {
  return failure === 'not_sent' || failure === 'throttled';
}
