import type {
  AuthorizeInput,
  CaptureRequest,
  IncrementInput,
  ChallengeResponse,
  LifecycleTimers,
  OperationStep,
  PaymentStage,
  PayRequest,
  RefundChallengeStanding,
  RefundInput,
  RefundStep,
  Refusal,
  RequestRef,
  ReviewVerdict,
  VoidRequest,
} from '../domain/messages.ts';
import type { StoppedCounts } from '../domain/freeze.ts';
import type { ReviewStanding } from '../domain/review/standing.ts';
import type { Decision, Risk, Tenant } from '../domain/types.ts';

/**
 * What risk assessment hands to policy evaluation. The gathered facts themselves stay in the worker's memory for the
 * next step (they would only swell the history) and are gathered anew when that step runs elsewhere.
 */
export interface Assessment {
  /** Set when the same key was decided before: nothing is decided again. */
  prior?: DecidedExecution;
  risk?: Risk;
}

/** The committed decision, as far as the workflow needs it. */
export interface DecidedExecution {
  executionId: string;
  decision: Decision;
  stage: 'approved' | 'challenged' | 'in_review' | 'denied' | 'lapsed' | 'authorizing';
  /** Code of the first reason: what a payment attempt is refused with. */
  reasonCode?: string;
  /** Milliseconds until the wait of this stage ends, counted from the commit. */
  waitMs?: number;
  /** Of an execution in review that more persons must approve. */
  votes?: { approvals: number; quorum: number };
  /** The request that asked for it was refused; the stage is as it was. */
  refused?: Refusal;
}

/** How a payment stands, and which of its operations have no outcome yet. */
export interface PaymentStanding {
  stage: PaymentStage;
  authorizationExpiresAt?: string;
  /** Operation ids. */
  open: string[];
  /** All that was captured is settled. */
  settled: boolean;
}

export interface ExecutionRef {
  tenant: Tenant;
  executionId: string;
  timers: LifecycleTimers;
}

/** Evidence on one operation whose outcome is open. */
export interface OperationRef {
  tenant: Tenant;
  paymentId: string;
  operationId: string;
  visibilityLagMs: number;
  /** Whose request waits for the outcome, while it does. */
  reply?: RequestRef;
}

/** A freeze or revocation that a workflow works off. */
export interface StopRef {
  tenant: Tenant;
  stopId: string;
  visibilityLagMs: number;
}

/** How a stop stands, as far as its workflow needs it. */
export interface StopReport {
  status: 'in_progress' | 'confirmed';
  lifted: boolean;
  stopped: StoppedCounts;
  voided: number;
  openHolds: number;
  /** The first of them, printed; `dangers` counts all. */
  stillDangerous: { paymentId: string; processor: string | null; why: string }[];
  dangers: number;
  /** Some of them only a person can take away. */
  needsPerson: boolean;
  /** Accounts where holds wait to be voided. */
  midIds: string[];
  /** Workflows that have not heard of it. */
  untold: number;
}

/** One pass over the holds at one account. */
export interface LaneReport {
  tried: number;
  /** The account did not answer: a pause before the next pass, a longer one each time. */
  stuck: boolean;
  /** It answered that it does not know a void: believed when it says so again after the visibility lag. */
  absent: boolean;
}

/** Activities of a stop. Each may be run again, and beside another run of itself. */
export interface StopActivities {
  /** Closes what waits under it, should whoever asked for it have died before. */
  closeStopped(ref: StopRef): Promise<void>;
  /** Looks, confirms when nothing is dangerous, and tells whoever waits for that. */
  reviewStop(ref: StopRef, replyTo: string[]): Promise<StopReport>;
  /** Signals every workflow that has not heard of it. */
  tellStopped(ref: StopRef): Promise<void>;
  /** @param probing the account did not answer before: one call at a time */
  voidHolds(ref: StopRef, midId: string, probing: boolean): Promise<LaneReport>;
}

/**
 * Activities of the lifecycle. Each is one effect, safe to run again with the same arguments: decisions are keyed by
 * the Idempotency-Key, money operations by the operation id that the workflow chose.
 */
export interface LifecycleActivities {
  assessRisk(input: AuthorizeInput): Promise<Assessment>;
  evaluatePolicy(input: AuthorizeInput, assessment: Assessment): Promise<DecidedExecution>;
  /** What stands in the database for a first step whose own answer was lost; undefined when nothing was committed. */
  findDecision(input: AuthorizeInput): Promise<DecidedExecution | undefined>;
  answerChallenge(ref: ExecutionRef, response: ChallengeResponse): Promise<DecidedExecution>;
  answerReview(ref: ExecutionRef, verdict: ReviewVerdict): Promise<DecidedExecution>;
  /** The wait of a stage is over: challenge and review are denied, an unused approval lapses. */
  expireStage(ref: ExecutionRef, stage: 'challenged' | 'in_review' | 'approved'): Promise<DecidedExecution>;
  /** The second look at what is in review; what stands now, when the organization lets that decide. */
  refineReview(ref: ExecutionRef): Promise<DecidedExecution | undefined>;

  authorizePayment(ref: ExecutionRef, pay: PayRequest, attempt: number): Promise<OperationStep>;
  capturePayment(ref: ExecutionRef, capture: CaptureRequest): Promise<OperationStep>;
  voidPayment(ref: ExecutionRef, request: VoidRequest): Promise<OperationStep>;
  /** Gives back what was granted in part and not accepted: the operation was reserved with the grant. */
  giveBack(ref: ExecutionRef, request: RequestRef, operationId: string): Promise<OperationStep>;
  refundPayment(input: RefundInput): Promise<RefundStep>;
  incrementPayment(input: IncrementInput): Promise<OperationStep>;
  /** A person's word on a refund that waits for one. */
  answerRefundReview(input: RefundInput, verdict: ReviewVerdict): Promise<ReviewStanding>;
  /** The principal's answer to the challenge of a refund. */
  answerRefundChallenge(input: RefundInput, response: ChallengeResponse): Promise<RefundChallengeStanding>;
  /** Nobody answered in time: the refund is not made. */
  expireRefundChallenge(input: RefundInput): Promise<RefundChallengeStanding>;
  /** Nobody decided in time: the refund is not made. */
  expireRefundReview(input: RefundInput): Promise<ReviewStanding>;
  /** Why a freeze or a revocation has ended the wait of a refund, once its key says so; undefined when none has. */
  refundStopped(input: RefundInput): Promise<Refusal | undefined>;
  /** Asks the processor once by our reference and records what it says. */
  resolveOperation(ref: OperationRef): Promise<OperationStep>;
  /** The deadline of an unknown outcome passed: a person decides; the reservation stays. */
  escalateOperation(ref: OperationRef): Promise<void>;
  /** The hold ends soon: tells whoever may still capture. Whether what is left is to be captured by itself. */
  warnOfExpiry(ref: ExecutionRef): Promise<{ capture: boolean; reauthorize?: true }>;
  /** Authorizes what is left of a hold anew before it ends; without its authority, gives it back. */
  reauthorizeAtExpiry(ref: ExecutionRef, operationId: string): Promise<OperationStep>;
  /** Captures what is left of a hold that is about to end, as was chosen when it was made. */
  captureAtExpiry(ref: ExecutionRef, operationId: string): Promise<OperationStep>;
  /** The hold's date has passed: releases what was not captured; nothing is sent. */
  expireHold(ref: ExecutionRef, until?: string): Promise<{ stage: PaymentStage; authorizationExpiresAt?: string }>;
  /** The payment as the database has it, for a lifecycle that lost a step to a dying worker. */
  standingOfPayment(ref: ExecutionRef): Promise<PaymentStanding>;
  /** Settlement is overdue: raises an exception on the payment. */
  flagOverdueSettlement(ref: ExecutionRef): Promise<void>;
}
