import type { Pool } from 'pg';
import type { OperationType, OperationView, PaymentQueryView } from '../wire.ts';
import { messageOf } from './messages.ts';

/** What a request asks for and how it will be decided; columns of `simulator.operations`. */
export interface OperationInput {
  processor: string;
  mid: string;
  operation_id: string;
  type: OperationType;
  request_hash: string;
  reference: string | null;
  processor_reference: string;
  merchant_reference: string | null;
  currency: string | null;
  requested_minor: number | null;
  final: boolean;
  automatic: boolean;
  hold_ms: number | null;
  api_key_hash: string;
  plan_minor: number | null;
  plan_code: string | null;
  decide_after_ms: number | null;
  notify_copies: number;
  notify_after_ms: number;
  /** What only one wire format has. */
  details?: Record<string, unknown>;
}

/** A stored operation, as Postgres renders it to JSON: `bigint`s as numbers, times with microseconds. */
export interface OperationRow {
  operation_id: string;
  type: OperationType;
  request_hash: string;
  reference: string;
  processor_reference: string;
  currency: string;
  amount_minor: number;
  automatic: boolean;
  state: OperationView['state'];
  code: string | null;
  expires_at: string | null;
  created_at: string;
  decided_at: string | null;
  processor: string;
  mid: string;
  requested_minor: number | null;
  final: boolean;
  merchant_reference: string | null;
  details: Record<string, unknown> | null;
}

/** One authorization with all that was done to it, for the wire formats that show a payment as a whole. */
export interface StoredPayment {
  /** Oldest first; the authorization is among them, also when it was declined. */
  operations: OperationRow[];
  /** `null` until an authorization is approved. */
  counters: { authorized: number; captured: number; released: number; expired: boolean } | null;
}

export type RunResult =
  { missing: 'payment_not_found' | 'payment_pending' } | (OperationRow & { missing?: undefined; replayed: boolean });

/** Runs one operation, or finds it under its key; one statement, one transaction. */
export async function runOperation(pool: Pool, input: OperationInput): Promise<RunResult> {
  const { rows } = await pool.query<{ result: RunResult }>({
    name: 'run_operation',
    text: 'SELECT simulator.run_operation($1) AS result',
    values: [JSON.stringify(input)],
  });
  return rows[0]!.result;
}

/** `true` for the first call with these arguments, ever, at whichever processor. */
export async function claimFirstAttempt(pool: Pool, reference: string, fault: string): Promise<boolean> {
  const claimed = await pool.query(
    `INSERT INTO simulator.first_attempts (reference, fault) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
    [reference, fault],
  );
  return claimed.rowCount === 1;
}

/** Operations of one payment at one account, oldest first; those younger than `lagMs` are not visible yet. */
export async function queryPayment(
  pool: Pool,
  filter: { processor: string; mid: string; reference: string; lagMs: number },
): Promise<PaymentQueryView> {
  const { rows } = await pool.query<{ operations: OperationRow[]; payments: PaymentQueryView['payments'] }>({
    name: 'query_payment',
    text: `SELECT
      (SELECT coalesce(jsonb_agg(to_jsonb(o) ORDER BY o.created_at), '[]') FROM simulator.operations o
        WHERE o.reference = $1 AND o.processor = $2 AND o.mid = $3
          AND o.created_at <= clock_timestamp() - $4 * interval '1 millisecond') AS operations,
      (SELECT coalesce(jsonb_agg(jsonb_build_object(
          'processor_reference', p.processor_reference, 'mid', p.mid, 'currency', p.currency,
          'status', CASE
            WHEN p.captured > 0 AND (p.captured + p.released = p.authorized OR p.expires_at <= clock_timestamp())
              THEN 'captured'
            WHEN p.released = p.authorized AND NOT p.expired THEN 'voided'
            WHEN p.expired OR p.expires_at <= clock_timestamp() THEN 'expired'
            WHEN p.captured > 0 THEN 'partially_captured'
            ELSE 'authorized' END,
          'authorized_minor', p.authorized, 'captured_minor', p.captured, 'released_minor', p.released,
          'refunded_minor', p.refunded, 'expires_at', p.expires_at) ORDER BY p.id), '[]') FROM simulator.payments p
        WHERE p.reference = $1 AND p.processor = $2 AND p.mid = $3
          AND p.created_at <= clock_timestamp() - $4 * interval '1 millisecond') AS payments`,
    values: [filter.reference, filter.processor, filter.mid, filter.lagMs],
  });
  const { operations, payments } = rows[0]!;
  return { reference: filter.reference, payments, operations: operations.map(viewOf) };
}

/** By the processor's own reference: no lag, as a lookup by primary key has none. */
export async function findPayment(
  pool: Pool,
  key: { processor: string; mid: string; processorReference: string },
): Promise<StoredPayment | undefined> {
  const { rows } = await pool.query<StoredPayment>({
    name: 'find_payment',
    text: `SELECT
      (SELECT coalesce(jsonb_agg(to_jsonb(o) ORDER BY o.created_at), '[]') FROM simulator.operations o
        WHERE o.processor_reference = $3 AND o.processor = $1 AND o.mid = $2) AS operations,
      (SELECT jsonb_build_object('authorized', p.authorized, 'captured', p.captured, 'released', p.released,
          'expired', p.expired OR (p.expires_at <= clock_timestamp() AND p.captured + p.released < p.authorized))
        FROM simulator.payments p WHERE p.processor_reference = $3 AND p.processor = $1 AND p.mid = $2) AS counters`,
    values: [key.processor, key.mid, key.processorReference],
  });
  return rows[0]!.operations.length === 0 ? undefined : rows[0];
}

/** The processor's references of the payments under our reference that are older than `lagMs`. */
export async function searchPayments(
  pool: Pool,
  filter: { processor: string; mid: string; reference: string; lagMs: number },
): Promise<string[]> {
  const { rows } = await pool.query<{ processor_reference: string }>({
    name: 'search_payments',
    text: `SELECT processor_reference FROM simulator.operations
      WHERE reference = $1 AND processor = $2 AND mid = $3 AND type = 'authorize'
        AND created_at <= clock_timestamp() - $4 * interval '1 millisecond' ORDER BY created_at DESC`,
    values: [filter.reference, filter.processor, filter.mid, filter.lagMs],
  });
  return rows.map((row) => row.processor_reference);
}

export async function loadOperationRow(
  pool: Pool,
  key: { processor: string; mid: string; operationId: string },
): Promise<OperationRow | undefined> {
  const { rows } = await pool.query<{ operation: OperationRow }>(
    `SELECT to_jsonb(o) AS operation FROM simulator.operations o
     WHERE processor = $1 AND mid = $2 AND operation_id = $3`,
    [key.processor, key.mid, key.operationId],
  );
  return rows[0]?.operation;
}

export function viewOf(row: OperationRow): OperationView {
  return {
    operation_id: row.operation_id,
    type: row.type,
    reference: row.reference,
    state: row.state,
    amount_minor: row.amount_minor,
    currency: row.currency,
    processor_reference: row.processor_reference,
    ...(row.expires_at ? { expires_at: new Date(row.expires_at).toISOString() } : {}),
    ...(row.automatic && row.state === 'succeeded' ? { captured: true } : {}),
    ...(row.code ? { code: row.code, message: messageOf(row.code) } : {}),
    at: new Date(row.decided_at ?? row.created_at).toISOString(),
  };
}
