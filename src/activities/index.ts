import { sealAudit } from './audit/seal.ts';
import type { AuditActivities } from './audit/types.ts';
import { compactBehaviour } from './behaviour/compact.ts';
import type { BehaviourActivities } from './behaviour/types.ts';
import { haltForBehaviour, reviewWatch } from './behaviour/watch.ts';
import { refreshLists } from './certificates/refresh-lists.ts';
import type { CertificateActivities } from './certificates/types.ts';
import { answerChallenge } from './decision/answer-challenge.ts';
import { answerReview } from './decision/answer-review.ts';
import { assessRisk } from './decision/assess-risk.ts';
import { evaluatePolicy } from './decision/evaluate-policy.ts';
import { expireStage } from './decision/expire-stage.ts';
import { findDecision } from './decision/find-decision.ts';
import type { ActivityDeps } from './deps.ts';
import { followDispute } from './disputes/follow.ts';
import type { DisputeActivities } from './disputes/types.ts';
import { authorizePayment } from './money/authorize-payment.ts';
import { captureAtExpiry, warnOfExpiry } from './money/before-expiry.ts';
import { capturePayment, voidPayment } from './money/follow-up.ts';
import { expireHold, flagOverdueSettlement } from './money/hold-and-settlement.ts';
import { incrementPayment } from './money/increment-payment.ts';
import { giveBack } from './money/take-up.ts';
import { reauthorizeAtExpiry } from './money/reauthorize.ts';
import { refundPayment } from './money/refund-payment.ts';
import { refundStopped } from './money/refund-stopped.ts';
import { answerRefundChallenge, expireRefundChallenge } from './money/refund-challenge.ts';
import { answerRefundReview, expireRefundReview } from './money/refund-review.ts';
import { standingOfPayment } from './money/standing.ts';
import { escalateOperation, resolveOperation } from './money/resolve.ts';
import { closeStopped, reviewStop } from './freeze/review.ts';
import { tellStopped } from './freeze/tell.ts';
import { voidHolds } from './freeze/void-holds.ts';
import { end, replayBacktest } from './policy/replay-backtest.ts';
import type { BacktestActivities } from './policy/types.ts';
import {
  answerAssessmentReview,
  expireAssessmentReview,
  standingOfReview,
  withdrawAssessment,
} from './review/assessment.ts';
import { refineAssessmentReview } from './review/refine-assessment.ts';
import { refineReview } from './review/refine-execution.ts';
import type { AssessmentReviewActivities } from './review/types.ts';
import type { LifecycleActivities, StopActivities } from './types.ts';
import { coveredFrom, measureCoverage } from './ledger/coverage.ts';
import { readEffects } from './ledger/effects.ts';
import type { LedgerActivities } from './ledger/types.ts';
import { endImport, importSettlement, tellSettled } from './settlement/import.ts';
import type { SettlementActivities } from './settlement/types.ts';
import { superviseEndpoint } from './webhooks/supervise.ts';
import type { WebhookActivities } from './webhooks/types.ts';

/** The activities of a worker, given what they need from the outside. */
export function createActivities(
  deps: ActivityDeps,
): LifecycleActivities &
  AuditActivities &
  StopActivities &
  BacktestActivities &
  AssessmentReviewActivities &
  BehaviourActivities &
  CertificateActivities &
  SettlementActivities &
  LedgerActivities &
  DisputeActivities &
  WebhookActivities {
  return {
    assessRisk: (input) => assessRisk(deps, input),
    evaluatePolicy: (input, assessment) => evaluatePolicy(deps, input, assessment),
    findDecision: (input) => findDecision(deps, input),
    answerChallenge: (ref, response) => answerChallenge(deps, ref, response),
    answerReview: (ref, verdict) => answerReview(deps, ref, verdict),
    expireStage: (ref, stage) => expireStage(deps, ref, stage),
    refineReview: (ref) => refineReview(deps, ref),
    standingOfReview: (ref) => standingOfReview(deps, ref),
    answerAssessmentReview: (ref, verdict) => answerAssessmentReview(deps, ref, verdict),
    expireAssessmentReview: (ref) => expireAssessmentReview(deps, ref),
    withdrawAssessment: (ref) => withdrawAssessment(deps, ref),
    refineAssessmentReview: (ref) => refineAssessmentReview(deps, ref),
    authorizePayment: (ref, pay, attempt) => authorizePayment(deps, ref, pay, attempt),
    capturePayment: (ref, capture) => capturePayment(deps, ref, capture),
    voidPayment: (ref, request) => voidPayment(deps, ref, request),
    giveBack: (ref, request, operationId) => giveBack(deps, ref, request, operationId),
    refundPayment: (input) => refundPayment(deps, input),
    incrementPayment: (input) => incrementPayment(deps, input),
    answerRefundChallenge: (input, response) => answerRefundChallenge(deps, input, response),
    expireRefundChallenge: (input) => expireRefundChallenge(deps, input),
    answerRefundReview: (input, verdict) => answerRefundReview(deps, input, verdict),
    expireRefundReview: (input) => expireRefundReview(deps, input),
    refundStopped: (input) => refundStopped(deps, input),
    resolveOperation: (ref) => resolveOperation(deps, ref),
    escalateOperation: (ref) => escalateOperation(deps, ref),
    warnOfExpiry: (ref) => warnOfExpiry(deps, ref),
    captureAtExpiry: (ref, operationId) => captureAtExpiry(deps, ref, operationId),
    reauthorizeAtExpiry: (ref, operationId) => reauthorizeAtExpiry(deps, ref, operationId),
    expireHold: (ref, until) => expireHold(deps, ref, until),
    standingOfPayment: (ref) => standingOfPayment(deps, ref),
    flagOverdueSettlement: (ref) => flagOverdueSettlement(deps, ref),
    followDispute: (ref) => followDispute(deps, ref),
    sealAudit: () => sealAudit({ ...deps, pool: deps.backgroundPool ?? deps.pool }),
    reviewWatch: (ref) => reviewWatch(deps, ref),
    haltForBehaviour: (ref) => haltForBehaviour(deps, ref),
    compactBehaviour: () => compactBehaviour({ ...deps, pool: deps.backgroundPool ?? deps.pool }),
    refreshLists: () => refreshLists({ ...deps, pool: deps.backgroundPool ?? deps.pool }),
    closeStopped: (ref) => closeStopped(deps, ref),
    reviewStop: (ref, replyTo) => reviewStop(deps, ref, replyTo),
    tellStopped: (ref) => tellStopped(deps, ref),
    voidHolds: (ref, midId, probing) => voidHolds(deps, ref, midId, probing),
    replayBacktest: (work) => replayBacktest(deps, work),
    giveUpBacktest: ({ tenant, backtestId: id }, why) =>
      end(
        deps,
        { tenant, id },
        'failure' in why ? { status: 'failed', failure: why.failure } : { status: 'cancelled' },
      ),
    coverageEvery: async () => deps.coverageEveryMs ?? 0,
    measureCoverage: async (until) => {
      const background = { ...deps, pool: deps.backgroundPool ?? deps.pool };
      await readEffects(background, coveredFrom(until));
      return measureCoverage(background, until);
    },
    importSettlement: (work) => importSettlement(deps, work, 'evidence'),
    giveUpImport: ({ tenant, importId: id }, why) =>
      endImport(
        deps,
        { tenant, id },
        'failure' in why ? { status: 'failed', failure: why.failure } : { status: 'cancelled' },
      ),
    tellSettled: (work) => tellSettled(deps, work, 'settled'),
    superviseEndpoint: (ref) => superviseEndpoint({ ...deps, pool: deps.backgroundPool ?? deps.pool }, ref),
  };
}
