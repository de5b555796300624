export const NEXT_ACTIONS = [
  'ask_principal',
  'wait_for_review',
  'reduce_amount',
  'retry_after',
  'missing_evidence',
  'change_intent',
  'stop',
] as const;

/** One thing that an agent can do about a decision, in words that a program can decide by. */
export type NextStep =
  /** The principal must confirm: by the challenge that the answer names, or by a wider delegation. */
  | { action: 'ask_principal'; challenge_id?: string; expires_at?: string }
  /** An operator looks at it; nothing has to be done. */
  | { action: 'wait_for_review'; expires_at?: string }
  /** Propose at most this much: the largest amount that no limit on amounts stands against. */
  | { action: 'reduce_amount'; max_amount: string; max_amount_minor: number; currency: string }
  /** Propose it again, not earlier than in so many seconds. */
  | { action: 'retry_after'; after_seconds: number }
  /** Bring what is missing: members of the request, or things such as `delegation` and `mandate`. */
  | { action: 'missing_evidence'; evidence: string[] }
  /** What stands in these members of the request is not allowed. */
  | { action: 'change_intent'; members: string[] }
  /** Do not repeat it: only a person can change the answer. */
  | { action: 'stop' };
