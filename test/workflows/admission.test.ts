import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { STAGES, type Stage } from '../../src/domain/lifecycle.ts';
import { isProblemCode } from '../../src/domain/errors.ts';
import { capture, pay, release, respond, review, type LifecycleState } from '../../src/workflows/admission.ts';

const ADMIT = { respond, review, pay, capture, release };
type Message = keyof typeof ADMIT;
const MESSAGES = Object.keys(ADMIT) as Message[];

/** Where money may be held; before the decision and the outcome are recorded, PostgreSQL says whether it is. */
const MAY_HOLD = [
  'deciding',
  'approved',
  'authorizing',
  'auth_unknown',
  'needs_review',
  'authorized',
  'partially_captured',
] as const;

/** Where a message is accepted; everywhere else it is refused, with the code below. */
const ACCEPTED: Record<Message, readonly Stage[]> = {
  respond: ['deciding', 'challenged'],
  review: ['deciding', 'in_review'],
  // Whoever has a token was approved, though it was not heard of here; PostgreSQL says whether it holds.
  pay: ['deciding', 'challenged', 'in_review', 'approved'],
  capture: MAY_HOLD,
  release: MAY_HOLD,
};

const PAY_REFUSALS: Partial<Record<Stage, string>> = {
  denied: 'policy_denied',
  lapsed: 'execution_token_expired',
};

function refusalOf(message: Message, stage: Stage): string {
  switch (message) {
    case 'respond':
      return 'challenge_expired';
    case 'review':
      return 'review_closed';
    case 'pay':
      return PAY_REFUSALS[stage] ?? 'execution_token_used';
    case 'capture':
      return stage === 'captured' || stage === 'settled' ? 'amount_exceeds_capturable' : 'invalid_payment_state';
    case 'release':
      return 'invalid_payment_state';
  }
}

/** The code of the refusal, `accepted` when there is none. */
function verdict(message: Message, state: LifecycleState): string {
  try {
    ADMIT[message](state);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof ApplicationFailure) || !error.nonRetryable || !isProblemCode(error.type)) throw error;
    return error.type;
  }
}

describe.each(MESSAGES)('%s', (message) => {
  it.each(STAGES)('in stage %s', (stage) => {
    const expected = ACCEPTED[message].includes(stage) ? 'accepted' : refusalOf(message, stage);
    expect(verdict(message, { stage, openOperations: 0 })).toBe(expected);
  });
});

describe('paying after a denial tells its reason', () => {
  it.each([
    ['invalid_scope', 'invalid_scope'],
    ['risk_elevated', 'risk_elevated'],
    ['challenge_required', 'challenge_required'],
    ['policy_denied', 'policy_denied'],
    ['max_amount', 'policy_denied'],
    [undefined, 'policy_denied'],
  ])('%s: refused with %s', (reasonCode, code) => {
    expect(verdict('pay', { stage: 'denied', reasonCode, openOperations: 0 })).toBe(code);
  });
});
