import { createHash, randomUUID } from 'node:crypto';
import type { Pool } from 'pg';

/** One transaction each, in one round trip: data-modifying CTEs, prepared once per connection. */
const FACT = `fact AS (
    INSERT INTO audit_entries (id, type, subject, body, entry_hash) VALUES ($1, $2, $3, $4, $5)
  ), announced AS (
    INSERT INTO outbox (id, type, subject, data) VALUES ($6, $2, $3, $4)
  )`;

const AUTHORIZE = `WITH ${FACT}, keyed AS (
    INSERT INTO idempotency_keys (key, fingerprint, response) VALUES ($7, $5, $4)
  )
  INSERT INTO executions (id, agent_id, intent, amount_minor, currency, merchant_ref, decision, risk, stage)
  VALUES ($3, $8, $4, $9, $10, $11, 'approved', $4, 'approved')`;

const RESERVE_PAYMENT = `WITH keyed AS (
    INSERT INTO idempotency_keys (key, fingerprint) VALUES ($1, $2)
  ), spent AS (
    UPDATE executions SET stage = 'authorizing' WHERE id = $3 AND stage = 'approved' RETURNING id, amount_minor
  ), paid AS (
    INSERT INTO payments (id, execution_id, amount_minor) SELECT id, id, amount_minor FROM spent RETURNING id, amount_minor
  )
  INSERT INTO operations (id, payment_id, type, status, amount_minor)
  SELECT $4, id, 'authorize', 'sent', amount_minor FROM paid RETURNING amount_minor`;

const RECORD_PAYMENT = `WITH ${FACT}, completed AS (
    UPDATE operations SET status = 'succeeded', completed_at = now() WHERE id = $7
  ), posted AS (
    INSERT INTO ledger_lines (entry_id, line, payment_id, account, amount_minor)
    VALUES ($1, 1, $3, 'held', $9), ($1, 2, $3, 'pledged', -$9::bigint)
  ), answered AS (
    UPDATE idempotency_keys SET response = $4 WHERE key = $10
  )
  UPDATE payments SET authorized = $9, processor_reference = $8 WHERE id = $3`;

const RESERVE_CAPTURE = `WITH keyed AS (
    INSERT INTO idempotency_keys (key, fingerprint) VALUES ($1, $2)
  ), reserved AS (
    UPDATE payments SET capture_pending = authorized - captured WHERE id = $3 AND capture_pending = 0
      AND authorized > captured RETURNING id, capture_pending, processor_reference
  ), sent AS (
    INSERT INTO operations (id, payment_id, type, status, amount_minor)
    SELECT $4, id, 'capture', 'sent', capture_pending FROM reserved
  )
  SELECT capture_pending AS amount_minor, processor_reference FROM reserved`;

const RECORD_CAPTURE = `WITH ${FACT}, completed AS (
    UPDATE operations SET status = 'succeeded', completed_at = now() WHERE id = $7
  ), posted AS (
    INSERT INTO ledger_lines (entry_id, line, payment_id, account, amount_minor)
    VALUES ($1, 1, $3, 'receivable', $8), ($1, 2, $3, 'payable', -$8::bigint)
  ), answered AS (
    UPDATE idempotency_keys SET response = $4 WHERE key = $9
  )
  UPDATE payments SET captured = captured + $8, capture_pending = 0 WHERE id = $3`;

export interface Reserved {
  amountMinor: number;
  processorReference: string | null;
}

/** What the service writes for a lifecycle, by plain SQL: one transaction for the decision, two for each money step. */
export function createWrites(pool: Pool) {
  const run = (name: string, text: string, values: unknown[]) => pool.query({ name, text, values });
  const reserve = async (name: string, text: string, values: unknown[]): Promise<Reserved> => {
    const row = (await run(name, text, values)).rows[0] as { amount_minor: string; processor_reference?: string };
    if (!row) throw new Error('nothing to reserve');
    return { amountMinor: Number(row.amount_minor), processorReference: row.processor_reference ?? null };
  };
  return {
    countRecent: (agentId: string) =>
      run('recent', `SELECT count(*) FROM executions WHERE agent_id = $1 AND created_at > now() - interval '1 hour'`, [
        agentId,
      ]),
    authorize: (id: string, key: string, agentId: string, intent: Intent) =>
      run('authorize', AUTHORIZE, [
        ...fact('execution.decision', id, intent),
        key,
        agentId,
        Math.round(intent.amount * 100),
        intent.currency,
        intent.merchant_ref,
      ]),
    reservePayment: (id: string, key: string, operationId: string) =>
      reserve('reserve payment', RESERVE_PAYMENT, [key, 'fingerprint', id, operationId]),
    recordPayment: (id: string, key: string, operationId: string, reference: string, amountMinor: number) =>
      run('record payment', RECORD_PAYMENT, [
        ...fact('payment.authorized', id, { amountMinor }),
        operationId,
        reference,
        amountMinor,
        key,
      ]),
    reserveCapture: (id: string, key: string, operationId: string) =>
      reserve('reserve capture', RESERVE_CAPTURE, [key, 'fingerprint', id, operationId]),
    recordCapture: (id: string, key: string, operationId: string, amountMinor: number) =>
      run('record capture', RECORD_CAPTURE, [
        ...fact('payment.captured', id, { amountMinor }),
        operationId,
        amountMinor,
        key,
      ]),
  };
}

export interface Intent {
  amount: number;
  currency: string;
  merchant_ref: string;
}

/** Values 1 to 6 of {@link FACT}. */
function fact(type: string, subject: string, body: object): unknown[] {
  const text = JSON.stringify(body);
  return [randomUUID(), type, subject, text, createHash('sha256').update(text).digest('hex'), randomUUID()];
}
