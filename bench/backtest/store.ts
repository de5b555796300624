import type { Client } from 'pg';
import type { Tenant } from '../../src/domain/types.ts';

/** An id as the product gives them, of that moment (UUIDv7): rows that come together lie together in every index. */
export const idAt = (at: string): string => `(lpad(to_hex((extract(epoch FROM ${at}) * 1000)::bigint), 12, '0') || '7'
  || substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid`;

/**
 * Stores decisions of the last 30 days in a few statements: 300 agents of 200 principals at 500 merchants, nine of ten
 * paid and captured, one of a thousand disputed, one of fifty with a failed capture, and one of twenty denied.
 */
export async function storeDecisions(
  db: Client,
  { orgId, mode }: Tenant,
  midId: string,
  decisions: number,
): Promise<void> {
  await db.query(
    `INSERT INTO principals (id, org_id, mode, external_ref, type, name)
     SELECT gen_random_uuid(), $1, $2, 'p' || i, 'person', 'P' FROM generate_series(0, 199) i`,
    [orgId, mode],
  );
  await db.query(
    `INSERT INTO agents (id, org_id, mode, name, created_at)
     SELECT gen_random_uuid(), $1, $2, 'A', now() - interval '90 days' FROM generate_series(0, 299) i`,
    [orgId, mode],
  );
  await db.query(
    `CREATE TEMP TABLE made AS
     SELECT ${idAt(`now() - interval '30 days' + i * (interval '30 days' / $3::bigint)`)} AS id, i, 1000 + i * 7919 % 400000 AS amount, 'mrc_' || i % 500 AS merchant,
            date_trunc('milliseconds', now() - interval '30 days' + i * (interval '30 days' / $3::bigint)) AS at,
            a.ids[1 + i % 300] AS agent, p.ids[1 + i % 200] AS principal, i % 20 = 7 AS denied
       FROM generate_series(0, $3::bigint - 1) i,
            (SELECT array_agg(id) AS ids FROM agents WHERE org_id = $1 AND mode = $2) a,
            (SELECT array_agg(id) AS ids FROM principals WHERE org_id = $1 AND mode = $2) p`,
    [orgId, mode, decisions],
  );
  await db.query(
    `INSERT INTO executions (id, org_id, mode, workflow_id, run_id, stage, decision, agent_id, principal_id, intent, context,
       amount_minor, currency, merchant_ref, risk, reasons, risk_payload_jws, audit_id, token_used_at, answer, created_at,
       updated_at)
     SELECT id, $1, $2, 'exec:' || id, 'run', CASE WHEN denied THEN 'denied' ELSE 'authorizing' END,
            CASE WHEN denied THEN 'deny' ELSE 'approved' END, agent, principal,
            jsonb_build_object('action', 'payment.authorize', 'amountMinor', amount, 'currency', 'EUR', 'channel', 'chatpay',
                               'merchantRef', merchant, 'country', 'DE', 'description', 'Two nights in a hotel'),
            jsonb_build_object('session_id', 'sess_' || i % 50000, 'device_trust', 'verified', 'country', 'DE',
                               'risk_signals', jsonb_build_array('velocity_ok', 'geo_ok')),
            amount, 'EUR', merchant,
            '{"score": 12, "level": "normal", "modelVersion": "2026-01", "signals": [
               {"category": "behavior", "type": "new_merchant", "severity": "low", "points": 7, "detail": "The first here"},
               {"category": "behavior", "type": "young_agent", "severity": "low", "points": 5, "detail": "Registered lately"}]}',
            CASE WHEN denied THEN '[{"code": "policy_denied", "category": "policy", "message": "max_amount: no"}]'::jsonb
                 ELSE '[]' END,
            repeat('x', 900), gen_random_uuid(), CASE WHEN denied THEN NULL ELSE at END,
            json_build_object('decision', CASE WHEN denied THEN 'deny' ELSE 'approved' END,
              'reasons', CASE WHEN denied THEN '[{"code": "policy_denied", "category": "policy", "message": "max_amount: no"}]'::json
                              ELSE '[]'::json END,
              'risk', json_build_object('jws', repeat('y', 900))), at, at
       FROM made`,
    [orgId, mode],
  );
  await db.query(
    `INSERT INTO payments (id, org_id, mode, execution_id, workflow_id, merchant_ref, phase, amount_minor, currency,
       authorized, captured, dispute_held, mid_id, method_sealed, created_at)
     SELECT id, $1, $2, id, 'exec:' || id, merchant, 'open', amount, 'EUR', amount, amount,
            CASE WHEN i % 1000 = 3 THEN amount ELSE 0 END, $3, 'sealed', at
       FROM made WHERE NOT denied AND i % 10 <> 1`,
    [orgId, mode, midId],
  );
  await db.query(
    `INSERT INTO history (org_id, mode, kind, at, amount_minor, currency, agent_id, principal_id, merchant_ref, session_id,
       execution_id)
     SELECT $1, $2, 'capture_failures', at + interval '1 minute', amount, 'EUR', agent, principal, merchant,
            'sess_' || i % 50000, id FROM made WHERE i % 50 = 11`,
    [orgId, mode],
  );
  await db.query('VACUUM (ANALYZE) executions');
  await db.query('VACUUM (ANALYZE) payments');
  await db.query('ANALYZE history');
}
