import type { Pool } from 'pg';

/** Copied by one statement. The counters of risk make a version of their rows for every copy, and walk those that the
 *  same transaction made: ten times as many take a hundred times as long. */
const BATCH = 250;

/**
 * Copies of a stored decision, made at regular times up to `before`: amounts, merchants and sessions
 * differ, everything else is the template's.
 */
export async function copyDecisions(
  pool: Pick<Pool, 'query'>,
  template: string,
  { count, everyMs, before }: { count: number; everyMs: number; before: Date },
): Promise<void> {
  for (let first = 0; first < count; first += BATCH) {
    await pool.query(
      `INSERT INTO executions (id, org_id, mode, workflow_id, run_id, stage, decision, agent_id, principal_id, intent, context,
       amount_minor, currency, merchant_ref, policy_id, risk, reasons, risk_payload_jws, audit_id, answer, created_at,
       updated_at)
     SELECT gen_random_uuid(), org_id, mode, gen_random_uuid()::text, '', stage, decision, agent_id, principal_id,
            intent || jsonb_build_object('amountMinor', 1000 + i * 7919 % 400000, 'merchantRef', 'mrc_' || i % 50),
            jsonb_build_object('session_id', 'sess_' || i % 500) ||
              CASE WHEN i % 3 = 0 THEN '{}' ELSE jsonb_build_object('device_id', 'd-' || i % 20) END,
            1000 + i * 7919 % 400000, currency, 'mrc_' || i % 50, policy_id, risk, reasons, '', audit_id, answer,
            date_trunc('milliseconds', $4::timestamptz - (i + 1) * $3 * interval '1 millisecond'),
            date_trunc('milliseconds', $4::timestamptz - (i + 1) * $3 * interval '1 millisecond')
       FROM executions, generate_series($5::bigint, $2::bigint - 1) i WHERE id = $1`,
      [template, Math.min(count, first + BATCH), everyMs, before, first],
    );
  }
}
