import { defineSignal, defineUpdate } from '@temporalio/workflow';
import type {
  CaptureRequest,
  ChallengeResponse,
  OperationStep,
  PayRequest,
  RefundChallengeStanding,
  ReviewVerdict,
  VoidRequest,
} from '../domain/messages.ts';
import type { DecidedExecution } from '../activities/types.ts';
import type { ReviewStanding } from '../domain/review/standing.ts';

/**
 * Messages of `executionLifecycle`. What a caller waits for is an update, so that it is accepted or refused at once
 * and answered once; what merely became known (revocation, evidence, settlement) is a signal: it was stored first, and
 * losing the sender must not lose it.
 */
export const respondUpdate = defineUpdate<DecidedExecution, [ChallengeResponse]>('respond');
export const reviewUpdate = defineUpdate<DecidedExecution, [ReviewVerdict]>('review');
/** The same of `assessmentReview`. */
export const voteUpdate = defineUpdate<ReviewStanding, [ReviewVerdict]>('review');
/** The same of `refund`. */
export const confirmUpdate = defineUpdate<RefundChallengeStanding, [ChallengeResponse]>('respond');
export const payUpdate = defineUpdate<OperationStep, [PayRequest]>('pay');
export const captureUpdate = defineUpdate<OperationStep, [CaptureRequest]>('capture');
export const voidUpdate = defineUpdate<OperationStep, [VoidRequest]>('void');

/** Authority was withdrawn; the database already refuses everything under it. */
export const revokedSignal = defineSignal<[{ reason: string }]>('revoked');
/**
 * The payment is not as this workflow knows it (a freeze voided its hold, or an update was lost with the server that had
 * taken it): it follows the row.
 */
export const lookSignal = defineSignal('look');
/** A processor told something about this operation; the resolution asks again now instead of later. */
export const evidenceSignal = defineSignal<[{ operationId: string }]>('evidence');
/** Settlement lines were stored; `complete` when everything captured is settled. */
export const settledSignal = defineSignal<[{ complete: boolean }]>('settled');

/** Messages of `freeze` and `revocation`: something changed (asked to void as well, lifted), and who waits for the end. */
export const stopSignal = defineSignal<[{ replyTo?: string }]>('news');

/** Message of `agentWatch`: the row says what happened. */
export const watchSignal = defineSignal('look-at-agent');
/** Message of `crlRefresh`: a certificate was revoked, and its issuer's list is signed anew at once. */
export const certificateRevokedSignal = defineSignal('certificateRevoked');
/** Message of `dispute`: the row says what was changed. */
export const disputeSignal = defineSignal('dispute-changed');
