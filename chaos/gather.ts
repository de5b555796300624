import type pg from 'pg';
import { toTypeId } from '../src/domain/ids.ts';
import type { Stage as Step } from '../src/domain/lifecycle.ts';
import { createPool } from '../src/store/pool.ts';
import type { Request } from './client.ts';
import type { Seed } from './seed.ts';
import type { Stage } from './stage.ts';
import type { EffectRow, EventRow, ExecutionRow, LedgerRow, OperationRow, PaymentRow, World } from './world.ts';

/** Reads everything behind the back of the service, and the books of the processors. */
export async function gatherWorld(
  stage: Stage,
  seed: Seed,
  heard: {
    requests: Request[];
    sightings: ReadonlyMap<string, Step[]>;
    acknowledged: ReadonlyMap<string, number>;
  },
): Promise<World> {
  const ours = createPool(stage.databaseUrl, 2);
  const bank = createPool(stage.bankUrl, 1);
  const rows = async <T extends pg.QueryResultRow>(pool: pg.Pool, text: string, values: unknown[] = []) =>
    (await pool.query<T>(text, values)).rows;
  try {
    const payments = await rows<Omit<PaymentRow, 'reference'>>(ours, PAYMENTS, [seed.orgId]);
    const operations = await rows<Omit<OperationRow, 'name'>>(ours, OPERATIONS, [seed.orgId]);
    const response = await fetch(`${stage.apiUrl}/v1/audit/verify`, {
      headers: { authorization: `Bearer ${seed.apiKey}` },
    });
    if (response.status !== 200) throw new Error(`/v1/audit/verify answered ${response.status}`);
    return {
      payments: payments.map((row) => ({ ...row, reference: toTypeId('pay', row.id) })),
      operations: operations.map((row) => ({ ...row, name: toTypeId('op', row.id) })),
      effects: await rows<EffectRow>(bank, 'SELECT * FROM simulator.effects ORDER BY seq'),
      openHolds: await rows(
        bank,
        `SELECT reference, authorized - captured - released AS amount_minor, expires_at::text
           FROM simulator.payments WHERE captured + released < authorized`,
      ),
      ledger: await rows<LedgerRow>(
        ours,
        `SELECT e.id AS entry_id, e.payment_id, l.account, l.amount_minor, l.currency
           FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id WHERE e.org_id = $1`,
        [seed.orgId],
      ),
      unapproved: await rows(ours, UNAPPROVED, [seed.orgId]),
      additions: await rows(ours, ADDITIONS, [seed.orgId]),
      wrongTotals: await rows(ours, WRONG_TOTALS, [seed.orgId]),
      wrongHoldings: await rows(ours, WRONG_HOLDINGS, [seed.orgId]),
      events: await rows<EventRow>(
        ours,
        `SELECT id, type, execution_id, sequence FROM events WHERE org_id = $1 ORDER BY sequence, id`,
        [seed.orgId],
      ),
      owed: (await rows<{ id: string }>(ours, OWED, [seed.orgId])).map(({ id }) => id),
      acknowledged: heard.acknowledged,
      audit: (await response.json()) as World['audit'],
      executions: await rows<ExecutionRow>(
        ours,
        `SELECT e.id, e.stage, e.decision, e.risk_payload_jws <> '' AS signed,
                EXISTS (SELECT 1 FROM audit_entries a WHERE a.id = e.audit_id) AS audited
           FROM executions e WHERE e.org_id = $1`,
        [seed.orgId],
      ),
      sightings: heard.sightings,
      requests: heard.requests,
      now: new Date().toISOString(),
    };
  } finally {
    await Promise.all([ours.end(), bank.end()]);
  }
}

/** Operations and payments whose outcome is still open. */
export const OPEN = `
  SELECT id FROM operations WHERE org_id = $1 AND status IN ('sent', 'pending', 'unknown')
  UNION SELECT id FROM payments WHERE org_id = $1 AND phase IN ('authorizing', 'auth_unknown', 'pending')`;

/** Events that an enabled endpoint is owed. */
export const OWED = `
  SELECT DISTINCT d.event_id AS id FROM deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id WHERE w.org_id = $1`;

const PAYMENTS = `
  SELECT id, execution_id, phase, closed_by, amount_minor, currency, mid_id, processor, mid, needs_attention, overcaptured,
         increment_pending,
         reconciliation_status, to_char(authorization_expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
           AS authorization_expires_at,
         jsonb_build_object('authorized', authorized, 'captured', captured, 'capture_pending', capture_pending,
           'released', released, 'refunded', refunded, 'refund_pending', refund_pending, 'dispute_held', dispute_held,
           'dispute_lost', dispute_lost, 'settled', settled) AS counters
    FROM payments WHERE org_id = $1`;

const OPERATIONS = `
  SELECT o.id, o.payment_id, o.type, o.status, o.amount_minor, o.beyond_minor, o.renews, o.attempt, m.processor,
         o.failure_class,
         to_char(o.sent_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') AS sent_at,
         to_char(o.completed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') AS completed_at
    FROM operations o JOIN mids m ON m.id = o.mid_id WHERE o.org_id = $1`;

/** Each payment spends one approval: of its own execution, once, while it and its delegation were live. */
const UNAPPROVED = `
  SELECT * FROM (
    SELECT p.id, CASE
        WHEN e.decision <> 'approved' THEN 'the execution was not approved but ' || e.decision
        WHEN e.token_used_at IS NULL THEN 'its execution token was never used'
        WHEN e.token_used_at >= e.token_expires_at THEN 'its execution token had expired'
        WHEN COALESCE(e.challenge_status, 'passed') <> 'passed' THEN 'its challenge was ' || e.challenge_status
        WHEN p.amount_minor > e.amount_minor OR p.currency <> e.currency THEN 'it is more than was approved'
        WHEN e.token_used_at >= d.expires_at THEN 'its delegation had expired'
        WHEN e.token_used_at > d.revoked_at THEN 'its delegation had been revoked' END AS why
      FROM payments p JOIN executions e ON e.id = p.execution_id JOIN delegations d ON d.id = e.delegation_id
     WHERE p.org_id = $1) x
   WHERE why IS NOT NULL`;

/** Running totals that are not what the executions of a delegation hold. Every delegation here is a root. */
const WRONG_TOTALS = `
  SELECT d.id, d.budget_spent AS spent, COALESCE(sum(e.budget_minor), 0)::bigint AS held
    FROM delegations d LEFT JOIN executions e ON e.delegation_id = d.id
   WHERE d.org_id = $1 AND d.scope ? 'maxTotal'
   GROUP BY d.id HAVING d.budget_spent <> COALESCE(sum(e.budget_minor), 0)`;

/** An execution keeps charged what its payment may still capture, or has captured. */
const WRONG_HOLDINGS = `
  SELECT p.id, e.budget_minor AS held, p.authorized + p.increment_pending - p.released AS should
    FROM payments p JOIN executions e ON e.id = p.execution_id JOIN delegations d ON d.id = e.delegation_id
   WHERE p.org_id = $1 AND p.phase = 'open' AND d.scope ? 'maxTotal'
     AND e.budget_minor <> p.authorized + p.increment_pending - p.released`;

const ADDITIONS = `
  SELECT body->>'operation_id' AS operation, COALESCE(body->>'beyond_minor', body->>'amount_minor')::bigint AS amount_minor
    FROM audit_entries WHERE org_id = $1 AND type IN ('payment.increment_approved', 'payment.overcapture_approved')`;
