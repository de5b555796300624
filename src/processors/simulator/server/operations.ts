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

export async function loadOperation(
  pool: Pool,
  key: { processor: string; mid: string; operationId: string },
): Promise<OperationView | undefined> {
  const { rows } = await pool.query<{ operation: OperationRow }>(
    `SELECT to_jsonb(o) AS operation FROM simulator.operations o
     WHERE processor = $1 AND mid = $2 AND operation_id = $3`,
    [key.processor, key.mid, key.operationId],
  );
  return rows[0] && viewOf(rows[0].operation);
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
