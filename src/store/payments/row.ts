import type { OnExpiry } from '../../domain/messages.ts';
import type { Counters, PaymentPhase, ClosedBy } from '../../domain/payment.ts';

/** One attempt at a processor, as it is printed. */
export interface AttemptRow {
  attempt: number;
  processor: string;
  mid: string;
  outcome: string;
  class?: string;
  code?: string;
  at: string;
  latency_ms: number;
  /** Why it went there, as the plan said. */
  reason?: string;
  message?: string;
  /** It was to find out whether an outage is over. */
  probe?: boolean;
  /** Accounts that the plan put before it, and why they were passed over when it was made. */
  skipped?: SkippedMid[];
}

export interface SkippedMid {
  processor: string;
  mid: string;
  reason: 'disabled' | 'frozen' | 'outage' | 'at_capacity' | 'rate_limited';
}

export interface ChosenCandidate {
  midId: string;
  processor: string;
  mid: string;
  position: number;
  reason?: string;
  message?: string;
  probe?: boolean;
  skipped?: SkippedMid[];
}

/** Summary of one operation, kept on the payment's row so that a payment is read in one go. */
export interface OperationSummary {
  type: 'authorize' | 'increment' | 'capture' | 'void' | 'refund';
  status: string;
  amount_minor: number;
  at: string;
  /** An authorization that renews a hold, or the void of the one that it replaced. */
  renews?: true;
  /** Why it did not succeed, when it did not. */
  class?: string;
  code?: string;
}

/** A row of `payments`, as `to_jsonb` gives it. */
export interface PaymentRow extends Counters {
  id: string;
  org_id: string;
  mode: 'test' | 'live';
  execution_id: string;
  workflow_id: string;
  agent_id: string | null;
  principal_id: string | null;
  merchant_ref: string;
  merchant_reference: string | null;
  phase: PaymentPhase;
  closed_by: ClosedBy | null;
  capture_mode: 'manual' | 'automatic';
  accept_partial: boolean;
  on_expiry: OnExpiry;
  expiry_warned_at: string | null;
  amount_minor: number;
  currency: string;
  mid_id: string | null;
  processor: string | null;
  mid: string | null;
  processor_reference: string | null;
  route_plan_id: string | null;
  /** What is left of the plan, the account of the latest attempt first. */
  candidates: ChosenCandidate[];
  method_sealed: string;
  attempts: AttemptRow[];
  operations: Record<string, OperationSummary>;
  authorization_expires_at: string | null;
  /** What a hold is being raised by. */
  increment_pending: number;
  /** Of `authorized`, what was captured beyond the hold. */
  overcaptured: number;
  /** How often what was left of a hold was authorized anew. */
  renewals: number;
  /** The sum of that: in `authorized`, and in `released` as well. */
  renewed_minor: number;
  /** Of `authorized`, what is not of the hold that stands now. */
  earlier_minor: number;
  /** The processor's names of the holds before it. */
  earlier_references: string[];
  /** A void, a final capture or a renewal is under way. */
  void_pending: boolean;
  /** What open disputes claim beyond what could be held. */
  dispute_short: number;
  needs_attention: string | null;
  reconciliation_status: string;
  reconciliation_refs: unknown[];
  settlement_id: string | null;
  settled_at: string | null;
  decline: { class: string; code: string; retryable: boolean } | null;
  created_at: string;
  updated_at: string;
}

/** The account an operation goes to, as stored. */
export interface AccountRow {
  mid_id: string;
  processor: string;
  mid: string;
  kind: string;
  base_url: string;
  api_key_sealed: string;
  capabilities: Record<string, unknown>;
}
