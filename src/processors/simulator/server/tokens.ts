import type { Fault } from './faults.ts';

/** How an authorization with a token ends. Without members: approved at once. */
export interface TokenBehaviour {
  declineCode?: string;
  fault?: Fault;
  /** The fault strikes the first attempt for a payment, and no later one at any processor. */
  firstAttemptOnly?: boolean;
  /** Approve half of the amount, rounded down, at least one minor unit. */
  partial?: boolean;
  /** The hold ends after `timing.expire_soon_ms`. */
  expiresSoon?: boolean;
}

export const TOKENS: Readonly<Record<string, TokenBehaviour>> = {
  tok_approve: {},
  tok_decline_insufficient_funds: { declineCode: 'insufficient_funds' },
  tok_decline_lost: { declineCode: 'lost_card' },
  tok_decline_generic: { declineCode: 'generic_decline' },
  tok_requires_authentication: { declineCode: 'authentication_required' },
  tok_slow: { fault: 'slow' },
  tok_unavailable_once: { fault: 'unavailable', firstAttemptOnly: true },
  tok_lost_answer: { fault: 'lost_answer' },
  tok_lost_request: { fault: 'lost_request', firstAttemptOnly: true },
  tok_500_after_commit: { fault: '500_after_commit' },
  tok_pending: { fault: 'pending' },
  tok_partial: { partial: true },
  tok_expire_soon: { expiresSoon: true },
};

/**
 * `tok_x` behaves so everywhere; `tok_x@alpha` at `alpha` only, and is approved at the others.
 * `undefined` for a token that does not exist.
 */
export function behaviourOf(token: string, processor: string): TokenBehaviour | undefined {
  const at = token.indexOf('@');
  const name = at === -1 ? token : token.slice(0, at);
  if (!Object.hasOwn(TOKENS, name)) return undefined;
  return at === -1 || token.slice(at + 1) === processor ? TOKENS[name] : {};
}
