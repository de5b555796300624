import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { LifecycleActivities, StopActivities } from '../activities/types.ts';

/** The first step commits within this time, or the workflow ends having done nothing. */
export const DECISION_DEADLINE_MS = 8_000;

const deciding = (summary: string) =>
  proxyLocalActivities<LifecycleActivities>({
    summary,
    startToCloseTimeout: 6_000,
    scheduleToCloseTimeout: DECISION_DEADLINE_MS,
    // The count is needed: `scheduleToCloseTimeout` alone does not end the retries of a local activity whose attempts
    // fail quickly. Twelve of them (50 + 100 + … + 800 ms, then seconds) fill the deadline.
    retry: { initialInterval: 50, backoffCoefficient: 2, maximumInterval: 1_000, maximumAttempts: 12 },
  });

/**
 * Steps that may not be given up: the money may be on its way. They are retried until the database answers; the
 * processor itself is never called twice for one operation without asking it first.
 */
const persistent = (summary: string) =>
  proxyLocalActivities<LifecycleActivities>({
    summary,
    startToCloseTimeout: 30_000,
    localRetryThreshold: 10_000,
    retry: { initialInterval: 100, backoffCoefficient: 2, maximumInterval: 5_000 },
  });

export const decision = {
  assessRisk: deciding('gather context, score risk').assessRisk,
  evaluatePolicy: deciding('evaluate policy, sign and commit the decision').evaluatePolicy,
  findDecision: persistent('was the decision committed?').findDecision,
  answerChallenge: persistent('check the step-up response').answerChallenge,
  answerReview: persistent('record the operator’s verdict').answerReview,
  expireStage: persistent('the wait is over').expireStage,
};

export const money = {
  authorizePayment: persistent('reserve, authorize at the processor, record').authorizePayment,
  capturePayment: persistent('reserve, capture at the processor, record').capturePayment,
  incrementPayment: persistent('decide the addition, reserve, raise the hold at the processor, record')
    .incrementPayment,
  voidPayment: persistent('reserve, void at the processor, record').voidPayment,
  captureAtExpiry: persistent('the hold ends: capture what is left').captureAtExpiry,
  reauthorizeAtExpiry: persistent('the hold ends: authorize what is left anew').reauthorizeAtExpiry,
  giveBack: persistent('give back what was granted in part').giveBack,
  answerRefundReview: persistent('count a person’s vote').answerRefundReview,
  expireRefundReview: persistent('the wait for a person is over').expireRefundReview,
  answerRefundChallenge: persistent('check the principal’s response').answerRefundChallenge,
  expireRefundChallenge: persistent('the wait for the principal is over').expireRefundChallenge,
  refundStopped: persistent('was the wait ended from outside?').refundStopped,
  refundPayment: persistent('check policy, reserve, refund at the processor, record').refundPayment,
};

/** Slow, after the answer: normal activities, so that every question and retry is seen in the history. */
export const evidence = proxyActivities<
  Pick<
    LifecycleActivities,
    | 'resolveOperation'
    | 'escalateOperation'
    | 'warnOfExpiry'
    | 'expireHold'
    | 'standingOfPayment'
    | 'flagOverdueSettlement'
  >
>({
  startToCloseTimeout: 60_000,
  retry: { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 30_000 },
});

/** Slow, after the answer, beside the person who is asked: given up when it cannot be had. */
export const refinement = proxyActivities<Pick<LifecycleActivities, 'refineReview'>>({
  startToCloseTimeout: 60_000,
  retry: { initialInterval: 1_000, backoffCoefficient: 3, maximumInterval: 60_000, maximumAttempts: 20 },
});

/** Steps of a stop that decide what comes next: each costs milliseconds, and the caller may be waiting for them. */
export const stopping = proxyLocalActivities<Pick<StopActivities, 'closeStopped' | 'reviewStop'>>({
  summary: 'what is stopped, what is still dangerous?',
  startToCloseTimeout: 30_000,
  localRetryThreshold: 10_000,
  retry: { initialInterval: 100, backoffCoefficient: 2, maximumInterval: 5_000 },
});

/** The long passes of a stop. A worker that dies in one is noticed by its heartbeat; another goes on. */
export const passes = proxyActivities<Pick<StopActivities, 'tellStopped' | 'voidHolds'>>({
  startToCloseTimeout: 600_000,
  heartbeatTimeout: 10_000,
  retry: { initialInterval: 500, backoffCoefficient: 2, maximumInterval: 10_000 },
});
