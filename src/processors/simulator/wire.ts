/** The plain wire format of the simulated processors: what the server prints and what the adapter reads. */

export const OPERATION_TYPES = ['authorize', 'increment', 'capture', 'void', 'refund'] as const;
export type OperationType = (typeof OPERATION_TYPES)[number];

/**
 * One operation as the processor tells it: in its answer, in a query and in a notification alike.
 * `declined` is the issuer's no, `refused` the processor's own rules; both mean that no money moved. `returned` is
 * a refund that had succeeded, and came back.
 */
export interface OperationView {
  /** Our operation id: the `Idempotency-Key` it came under. */
  operation_id: string;
  type: OperationType;
  /** Our payment id. */
  reference: string;
  state: 'succeeded' | 'pending' | 'declined' | 'refused' | 'returned';
  /** What really moved, minor units; 0 unless `succeeded` or `returned`. A void carries what it released. */
  amount_minor: number;
  currency: string;
  processor_reference: string;
  /** When the hold ends; on a successful authorization only. RFC 3339. */
  expires_at?: string;
  /** `true` on an authorization that was captured at once. */
  captured?: boolean;
  code?: string;
  message?: string;
  at: string;
}

/** Refusals that concern no stored operation. A 503 or 429 in this shape means that nothing was done. */
export interface WireError {
  code: string;
  message: string;
  errors?: { path: string; message: string }[];
}

/** `GET /v1/payments?reference=`: everything known under our reference; empty lists when nothing is. */
export interface PaymentQueryView {
  reference: string;
  payments: {
    processor_reference: string;
    mid: string;
    status: 'authorized' | 'partially_captured' | 'captured' | 'voided' | 'expired';
    currency: string;
    authorized_minor: number;
    captured_minor: number;
    released_minor: number;
    refunded_minor: number;
    expires_at: string;
  }[];
  operations: OperationView[];
}

/** Account header of every request; a body member `mid` does the same. */
export const MID_HEADER = 'merchant-account';

const STATES = new Set<unknown>(['succeeded', 'pending', 'declined', 'refused', 'returned']);

/** Checks by hand, since this runs once per call on the hot path; `undefined` when it is not an operation. */
export function readOperationView(value: unknown): OperationView | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const view = value as OperationView;
  const sound =
    typeof view.operation_id === 'string' &&
    OPERATION_TYPES.includes(view.type) &&
    typeof view.reference === 'string' &&
    STATES.has(view.state) &&
    Number.isSafeInteger(view.amount_minor) &&
    view.amount_minor >= 0 &&
    typeof view.currency === 'string' &&
    typeof view.processor_reference === 'string' &&
    (view.expires_at === undefined || typeof view.expires_at === 'string') &&
    (view.code === undefined || typeof view.code === 'string');
  return sound ? view : undefined;
}
