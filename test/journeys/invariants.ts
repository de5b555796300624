import { expect } from 'vitest';
import { gatherEvidence, type Effect } from '../../src/cli/demo/evidence.ts';
import { checkInvariants } from '../../src/cli/demo/invariants.ts';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { wrongTotals } from '../store/wrong-totals.ts';
import type { TestService } from '../setup/service.ts';
import { eventually } from './journey.ts';
import { strangeEvents } from './strange-events.ts';

/** How long an unknown outcome may stay unknown once the fault is over. */
const RESOLVED_WITHIN_MS = 15_000;

/** Until when the payments of a service were looked at: a broken one is told once, by the test that broke it. */
const inspected = new WeakMap<TestService, Date>();

/**
 * What must hold after every journey, whatever happened in it (docs/lifecycle.md): over all payments that were touched
 * since the last time, once no outcome is open any more. Called after each test.
 */
export async function expectInvariants(service: TestService): Promise<void> {
  const { pool } = service.database;
  await eventually(
    async () => (await pool.query<{ id: string; status: string }>(OPEN)).rows,
    (open) => open.length === 0,
    RESOLVED_WITHIN_MS,
  );
  const { rows } = await pool.query<{ id: string; updated_at: Date }>(
    'SELECT id, updated_at FROM payments WHERE org_id = $1 AND updated_at > $2 ORDER BY updated_at',
    [parseId(service.credentials.org_id, 'org'), inspected.get(service) ?? new Date(0)],
  );
  if (rows.length > 0) inspected.set(service, rows.at(-1)!.updated_at);
  const evidence = await gatherEvidence(
    {
      api: { get: (path) => answerTo(service.api('GET', path)) },
      simulator: { get: (path) => answerTo(service.simulator('GET', path)) },
      db: pool,
      orgId: service.credentials.org_id,
    },
    rows.map(({ id }) => toTypeId('pay', id)),
  );
  // A file whose payments all failed, or that made none yet, has an empty ledger, and is right to.
  const moved = evidence.payments.some(({ effects }) => effects.length > 0);
  const broken = checkInvariants(evidence).flatMap(({ ok, name, faults }) =>
    ok || (!moved && evidence.ledger.length === 0 && name.startsWith('every ledger entry'))
      ? []
      : faults.map((fault) => `${name}: ${fault}`),
  );
  expect(broken, 'invariants').toEqual([]);
  expect(await strangers(service), 'effects that belong to no payment').toEqual([]);
  expect(await wrongTotals(pool), 'running totals that are not what is held').toEqual([]);
  expect((await pool.query(WRONG_USES)).rows, 'mandates whose use is not what is held').toEqual([]);
  expect((await pool.query(UNAPPROVED)).rows, 'payments without a live approval').toEqual([]);
  expect(await unapprovedAdditions(pool), 'additions that were not approved as they are').toEqual([]);
  expect((await pool.query(WRONG_HOLDINGS)).rows, 'payments that are not charged what they hold').toEqual([]);
  expect(await strangeEvents(service), 'events that are not as the catalogue says').toEqual([]);
}

/** Operations whose outcome is not known, and payments that are on their way. */
const OPEN = `
  SELECT id, status FROM operations WHERE status IN ('sent', 'pending', 'unknown')
  UNION ALL SELECT id, phase FROM payments WHERE phase IN ('authorizing', 'auth_unknown', 'pending')`;

/** Each payment spends one approval: of its own execution, once, while it was live and its delegation too. */
const UNAPPROVED = `
  SELECT p.id, e.decision, e.stage, p.created_at, e.token_used_at, e.token_expires_at, d.revoked_at
    FROM payments p JOIN executions e ON e.id = p.execution_id JOIN delegations d ON d.id = e.delegation_id
   WHERE e.decision <> 'approved' OR e.token_used_at IS NULL OR e.token_used_at >= e.token_expires_at
      OR COALESCE(e.challenge_status, 'passed') <> 'passed' OR p.amount_minor > e.amount_minor
      OR p.currency <> e.currency OR e.token_used_at >= d.expires_at OR e.token_used_at > d.revoked_at`;

/** What was added to a payment, by an increment or by a capture beyond the hold, was approved once, for that amount. */
async function unapprovedAdditions(pool: TestService['database']['pool']): Promise<string[]> {
  const added = await pool.query<{ id: string; amount: number }>(
    `SELECT id, CASE type WHEN 'increment' THEN amount_minor ELSE beyond_minor END AS amount FROM operations
      WHERE type = 'increment' OR beyond_minor > 0`,
  );
  const approved = await pool.query<{ operation: string; amount: number }>(
    `SELECT body->>'operation_id' AS operation, COALESCE(body->>'beyond_minor', body->>'amount_minor')::bigint AS amount
       FROM audit_entries WHERE type IN ('payment.increment_approved', 'payment.overcapture_approved')`,
  );
  const asText = (operation: string, amount: number) => `${operation}: ${amount}`;
  const wanted = added.rows.map(({ id, amount }) => asText(toTypeId('op', id), amount)).sort();
  const given = approved.rows.map(({ operation, amount }) => asText(operation, amount)).sort();
  return wanted.join() === given.join() ? [] : [`added ${wanted.join(', ')}`, `approved ${given.join(', ')}`];
}

/** A charged execution keeps charged what its payment has captured, or still may. */
const WRONG_HOLDINGS = `
  SELECT p.id, e.budget_minor AS held, p.authorized + p.increment_pending - p.released AS should
    FROM payments p JOIN executions e ON e.id = p.execution_id
   WHERE p.phase = 'open' AND e.budget_charges <> '[]'
     AND e.budget_minor <> p.authorized + p.increment_pending - p.released`;

/** Every effect at any processor belongs to a payment that we know of. */
async function strangers(service: TestService): Promise<string[]> {
  const { data } = await answerTo<{ data: (Effect & { reference: string })[] }>(
    service.simulator('GET', '/control/effects?limit=10000'),
  );
  const { rows } = await service.database.pool.query<{ id: string }>('SELECT id FROM payments');
  const known = new Set(rows.map(({ id }) => toTypeId('pay', id)));
  return data.filter(({ reference }) => !known.has(reference)).map(({ type, reference }) => `${type} of ${reference}`);
}

async function answerTo<Body>(call: Promise<{ status: number; body: unknown }>): Promise<Body> {
  const { status, body } = await call;
  expect({ status, body }).toMatchObject({ status: 200 });
  return body as Body;
}

/**
 * What was spent under an open mandate is what executions hold of it, and assessments that no execution followed; a
 * closed mandate is held by at most one of either.
 */
const WRONG_USES = `
  SELECT u.mandate_key, u.spent_minor, held.amount FROM mandate_uses u, LATERAL (
    SELECT COALESCE(sum(x.amount), 0) AS amount FROM (
      SELECT e.budget_minor AS amount FROM executions e, jsonb_array_elements(e.mandate->'charges') c
       WHERE e.org_id = u.org_id AND e.mode = u.mode AND c->>'mandate_key' = u.mandate_key
      UNION ALL
      SELECT a.amount_minor FROM assessments a JOIN mandate_uses leaf
          ON leaf.org_id = a.org_id AND leaf.mode = a.mode AND leaf.assessment_id = a.id AND leaf.execution_id IS NULL,
        jsonb_array_elements(a.mandate->'charges') c
       WHERE a.org_id = u.org_id AND a.mode = u.mode AND c->>'mandate_key' = u.mandate_key) x) held
   WHERE u.open AND u.spent_minor <> held.amount
  UNION ALL
  SELECT e.mandate->>'leafKey', count(*), NULL FROM executions e
   WHERE e.mandate->>'leafKey' IS NOT NULL AND (e.budget_minor > 0 OR e.token_used_at IS NOT NULL)
   GROUP BY e.org_id, e.mode, e.mandate->>'leafKey' HAVING count(*) > 1`;
