/**
 * What crosses the boundary of Temporal: inputs of workflows, updates, signals and activities. JSON only; amounts are
 * safe integers of minor units, times RFC 3339 texts or milliseconds, ids bare UUIDs. No secret travels in clear: what
 * must stay private is sealed before it enters a payload.
 */
import type { PresentedMandate } from './mandates/evidence.ts';
import type { Intent, IntentContext, Tenant } from './types.ts';
import type { FailureClass } from './failures.ts';

/** Durations of the lifecycle's timers, milliseconds: inputs, so that a test may shorten them. */
export interface LifecycleTimers {
  challengeMs: number;
  reviewMs: number;
  tokenMs: number;
  settlementMs: number;
  /** How long before its end a hold is warned of; of runs from before there was a warning, a day. */
  holdWarningMs?: number;
  unknownDeadlineMs: number;
  /** Spacing of two "not found" answers before absence is believed. */
  visibilityLagMs: number;
}

/** Who asked, under which key, and which process waits for the answer. */
export interface RequestRef {
  /** The Idempotency-Key. */
  key: string;
  fingerprint: string;
  /** `api_key:key_…`, `client:…`: goes into the audit trail. */
  actor: string;
  /** Id of the waiting process: when another one commits, it says so through PostgreSQL. */
  replyTo: string;
}

/** Input of `executionLifecycle`. The execution, its challenge and its payment share one UUID (ADR 0002). */
export interface AuthorizeInput {
  tenant: Tenant;
  executionId: string;
  request: RequestRef;
  agentId: string;
  principalId: string;
  delegationId?: string;
  intent: Intent;
  context: IntentContext;
  /** The mandate that was presented, verified before the workflow was started. */
  mandate?: PresentedMandate;
  /** The agent signed the request itself (RFC 9421), by this registered key. */
  agentProof?: { keyId: string; thumbprint: string };
  timers: LifecycleTimers;
}

export interface ChallengeResponse {
  request: RequestRef;
  method: 'totp' | 'webauthn' | 'approval';
  /** JSON of the response, sealed. */
  sealedResponse: string;
}

export interface ReviewVerdict {
  request: RequestRef;
  verdict: 'approve' | 'deny';
  note: string;
}

export interface PayRequest {
  request: RequestRef;
  operationId: string;
  amountMinor?: number;
  currency?: string;
  /** JSON of the payment method, sealed. */
  sealedMethod: string;
  routePlanId?: string;
  capture: 'manual' | 'automatic';
  merchantReference?: string;
  /** Take an approval for less than was asked; else it is given back, and the payment counts as declined. */
  acceptPartial?: boolean;
  onExpiry?: OnExpiry;
}

/** What becomes of what is still held when the hold is about to end. */
export type OnExpiry = 'release' | 'capture' | 'reauthorize';

export interface CaptureRequest {
  request: RequestRef;
  operationId: string;
  amountMinor?: number;
  final: boolean;
}

export interface VoidRequest {
  request: RequestRef;
  operationId: string;
  reason?: string;
}

/** Input of the `refund` workflow. */
export interface RefundInput {
  tenant: Tenant;
  request: RequestRef;
  paymentId: string;
  operationId: string;
  amountMinor?: number;
  reason?: string;
  timers: LifecycleTimers;
}

/** Input of the `outcome` workflow. */
export interface OutcomeInput {
  tenant: Tenant;
  paymentId: string;
  operationId: string;
  timers: LifecycleTimers;
}

/** Input of the `increment` workflow. */
export interface IncrementInput {
  tenant: Tenant;
  request: RequestRef;
  paymentId: string;
  operationId: string;
  /** What the hold is to be raised by. */
  amountMinor: number;
  reason?: string;
  timers: LifecycleTimers;
}

/**
 * How a refund stands after a step: as every operation, or it waits for a person, and nothing is reserved. With
 * `challenge` that person is the principal, else an operator.
 */
export type RefundStep = OperationStep | { kind: 'waits'; waitMs: number; challenge?: true };

/** How the challenge of a refund stands. */
export interface RefundChallengeStanding {
  status: 'open' | 'passed' | 'declined' | 'failed' | 'expired' | 'cancelled';
  /** The answer was refused. */
  refused?: Refusal;
}

/** How a money operation stands after a step. */
export type OperationStep =
  | {
      kind: 'succeeded';
      /** Stage that the lifecycle is in now, read off the counters. */
      stage: PaymentStage;
      processor?: string;
      authorizationExpiresAt?: string;
      /** Operation that gives the money back, reserved with this outcome: nobody accepts what was granted. */
      giveBack?: string;
      /** Of an authorization that renews a hold: it took its place, or was granted in part and is given back. */
      renewal?: 'stands' | 'in_part';
    }
  | { kind: 'failed'; class: FailureClass; code: string; failover: boolean }
  /** The operation stays reserved; only evidence resolves it. */
  | { kind: 'unknown'; processor?: string }
  | { kind: 'pending'; processor?: string }
  /** Not accepted by our own rules: nothing was reserved, nothing sent. */
  | { kind: 'refused'; code: string; detail: string };

/** Stages that are read off a payment's counters. */
export type PaymentStage =
  | 'authorizing'
  | 'auth_unknown'
  | 'needs_review'
  | 'authorized'
  | 'partially_captured'
  | 'captured'
  | 'voided'
  | 'expired'
  | 'failed';

/** What was committed under an Idempotency-Key: exactly what a repeat of the request reads back. */
export interface CommittedAnswer {
  fingerprint: string;
  /** HTTP status of the answer; 202 while the outcome is open. */
  status: number;
  /** `{…authorize answer}` for decisions, `{payment, operation_id}` for money, `{code, detail, members}` for refusals. */
  body: Record<string, unknown>;
}

/** Why a request was not carried out; nothing of it was kept. */
export interface Refusal {
  code: string;
  detail: string;
  members?: Record<string, unknown>;
}
