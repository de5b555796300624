import { ApplicationFailure } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { STAGES, type Stage } from '../../src/domain/lifecycle.ts';
import { PROBLEMS } from '../../src/domain/errors.ts';
import * as admit from '../../src/workflows/admission.ts';

type Message = keyof typeof admit;
const MESSAGES: readonly Message[] = ['respond', 'review', 'pay', 'capture', 'release'];

/** Where a message is accepted; everywhere else it is refused, with the code below. */
const ACCEPTED: Record<Message, readonly Stage[]> = {
  respond: ['challenged'],
  review: ['in_review'],
  pay: ['approved'],
  capture: ['authorized', 'partially_captured'],
  release: ['authorized', 'partially_captured'],
};

const PAY_REFUSALS: Partial<Record<Stage, string>> = {
  deciding: 'challenge_required',
  challenged: 'challenge_required',
  in_review: 'risk_elevated',
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
      return stage === 'captured' ? 'amount_exceeds_capturable' : 'invalid_payment_state';
    case 'release':
      return 'invalid_payment_state';
  }
}

/** The code of the refusal, `accepted` when there is none. */
function verdict(message: Message, state: admit.LifecycleState): string {
  try {
    admit[message](state);
    return 'accepted';
  } catch (error) {
    if (!(error instanceof ApplicationFailure)) throw error;
    expect(error.nonRetryable).toBe(true);
    expect(PROBLEMS).toHaveProperty(error.type!);
    return error.type!;
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
