import { DISPUTE_STATUSES, type DisputeStatus } from '../../domain/payment/dispute.ts';
import type { DisputeTold } from '../port.ts';

/** A dispute in the plain wire format: in answers and in notifications alike. */
export interface DisputeView {
  dispute_id: string;
  /** Our payment id. */
  reference: string;
  status: DisputeStatus;
  reason: string;
  /** What the issuer claims, minor units. */
  amount_minor: number;
  /** What is withheld of it. */
  held_minor: number;
  currency: string;
  evidence_due_at?: string;
}

/** `undefined` when it is not a dispute. */
export function readDisputeView(value: unknown): DisputeView | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const view = value as DisputeView;
  const sound =
    [view.dispute_id, view.reference, view.reason, view.currency].every((member) => typeof member === 'string') &&
    DISPUTE_STATUSES.includes(view.status) &&
    Number.isSafeInteger(view.amount_minor) &&
    view.amount_minor > 0 &&
    (view.evidence_due_at === undefined || !Number.isNaN(Date.parse(view.evidence_due_at)));
  return sound ? view : undefined;
}

/** The same at the port. */
export function disputeOf(view: DisputeView): DisputeTold {
  return {
    processorDisputeId: view.dispute_id,
    reference: view.reference,
    status: view.status,
    reason: view.reason,
    amountMinor: view.amount_minor,
    currency: view.currency,
    ...(view.evidence_due_at === undefined ? {} : { evidenceDueAt: view.evidence_due_at }),
  };
}
