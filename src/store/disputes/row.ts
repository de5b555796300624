import type { DisputeStatus } from '../../domain/payment/dispute.ts';

/** A row of `disputes`, as `to_jsonb` gives it. */
export interface DisputeRow {
  id: string;
  org_id: string;
  mode: 'test' | 'live';
  payment_id: string;
  mid_id: string;
  processor: string;
  processor_dispute_id: string;
  status: DisputeStatus;
  reason: string | null;
  amount_minor: number;
  held_minor: number;
  currency: string;
  evidence_due_at: string | null;
  needs_attention: string | null;
  opened_at: string;
  updated_at: string;
  closed_at: string | null;
}

export interface ActRow {
  id: string;
  kind: 'evidence' | 'accept';
  status: 'waiting' | 'taken' | 'refused';
  body: Record<string, unknown>;
  note: string | null;
  actor: string;
  at: string;
  ended_at: string | null;
  answer: string | null;
}
