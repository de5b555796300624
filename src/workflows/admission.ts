import { ApplicationFailure } from '@temporalio/workflow';
import type { ProblemCode } from '../domain/errors.ts';
import type { Stage } from '../domain/lifecycle.ts';

/**
 * What the validators look at. They run before a message is accepted: a refusal leaves no trace in the history. While
 * the first decision is still `deciding` here, it may be committed and answered already (the answer is the committed
 * row): such messages are admitted, wait, and are checked again.
 */
export interface LifecycleState {
  stage: Stage;
  /** Code of the reason the last decision gave. */
  reasonCode?: string;
  /** Of a review that more than one person must approve. */
  votes?: { approvals: number; quorum: number };
  /** Money operations whose outcome is still awaited. */
  openOperations: number;
}

export function respond(state: LifecycleState): void {
  if (state.stage === 'deciding' || state.stage === 'challenged') return;
  refuse('challenge_expired', `The execution is ${state.stage}, not challenged.`);
}

export function review(state: LifecycleState): void {
  if (state.stage === 'deciding' || state.stage === 'in_review') return;
  refuse('review_closed', `The execution is ${state.stage}, not in review.`);
}

/**
 * The published codes for acting without a live approval, one for each way of not having one. Who pays holds a token, and
 * a token is given out for a committed approval only: where this workflow still waits for a person, it has not heard of
 * the approval yet (its worker died after the commit), and the database says whether it holds.
 */
export function pay(state: LifecycleState): void {
  switch (state.stage) {
    case 'deciding':
    case 'challenged':
    case 'in_review':
    case 'approved':
      return;
    case 'denied':
      return refuse(denialCode(state.reasonCode), 'The execution was denied.');
    case 'lapsed':
      return refuse('execution_token_expired', 'The approval has lapsed or was withdrawn.');
    case 'authorizing':
    case 'auth_unknown':
    case 'needs_review':
    case 'authorized':
    case 'partially_captured':
    case 'captured':
    case 'voided':
    case 'expired':
    case 'failed':
    case 'settled':
      return refuse('execution_token_used', 'The execution token was already used.');
  }
}

/** Whether the approval was spent, or is being spent. */
export function isSpent(stage: Stage): boolean {
  return !UNSPENT.has(stage);
}

const UNSPENT: ReadonlySet<Stage> = new Set(['deciding', 'challenged', 'in_review', 'approved', 'denied', 'lapsed']);

/**
 * Money can be captured or voided where some may be held. That includes the stages before: a worker may have died after
 * its commit was answered and before this workflow heard of it, and the database refuses what cannot be.
 */
export function capture(state: LifecycleState): void {
  if (mayHold(state.stage)) return;
  refuse(
    state.stage === 'captured' || state.stage === 'settled' ? 'amount_exceeds_capturable' : 'invalid_payment_state',
    `The payment is ${state.stage}: nothing can be captured.`,
  );
}

export function release(state: LifecycleState): void {
  if (mayHold(state.stage)) return;
  refuse('invalid_payment_state', `The payment is ${state.stage}: there is no open authorization to void.`);
}

function mayHold(stage: Stage): boolean {
  switch (stage) {
    case 'deciding':
    case 'approved':
    case 'authorizing':
    case 'auth_unknown':
    case 'needs_review':
    case 'authorized':
    case 'partially_captured':
      return true;
    case 'challenged':
    case 'in_review':
    case 'denied':
    case 'lapsed':
    case 'captured':
    case 'voided':
    case 'expired':
    case 'failed':
    case 'settled':
      return false;
  }
}

function denialCode(reason: string | undefined): ProblemCode {
  return reason === 'invalid_scope' || reason === 'risk_elevated' || reason === 'challenge_required'
    ? reason
    : 'policy_denied';
}

function refuse(code: ProblemCode, detail: string): never {
  throw ApplicationFailure.nonRetryable(detail, code);
}
