import type { BudgetCharge } from '../../domain/authority.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { ACCOUNT, CAPTURABLE, summary, type Reservation } from './reserve.ts';

export interface IncrementReservation {
  tenant: Tenant;
  paymentId: string;
  operationId: string;
  workflowId: string;
  amountMinor: number;
  /** What the payment was approved for when the addition was judged. */
  authorizedMinor: number;
  key: string;
  fingerprint: string;
  actor: string;
  at: Date;
}

/**
 * Reserves an increment of a hold that stands, or changes nothing and returns nothing: the account must be able to, the
 * authority must stand, nothing be frozen, and nothing under way that ends the hold. One at a time. The caller's
 * transaction holds the standing lock.
 */
export async function reserveIncrement(db: Db, r: IncrementReservation): Promise<Reservation | undefined> {
  const { rows } = await db.query<Reservation>({
    name: 'reserve-increment',
    text: `
WITH payment AS (
  UPDATE payments p SET increment_pending = $7::bigint, updated_at = $5,
         operations = p.operations || jsonb_build_object($3::uuid::text, ${summary(`'increment'`, '$7::bigint')})
    FROM mids m
   WHERE m.id = p.mid_id AND p.org_id = $1 AND p.mode = $2 AND p.id = $6 AND p.phase = 'open' AND p.decline IS NULL
     AND NOT p.void_pending AND p.increment_pending = 0 AND p.authorized = $9 AND ${CAPTURABLE} > 0
     AND (p.authorization_expires_at IS NULL OR p.authorization_expires_at > $5)
     AND mid_can(m.kind, m.capabilities, 'incremental')
     AND (SELECT authority_stands($1, $2, e.agent_id, e.principal_id, e.delegation_id, e.merchant_ref)
             AND freeze_on($1, $2, e.agent_id, e.principal_id, e.delegation_id, e.merchant_ref, p.processor) IS NULL
            FROM executions e WHERE e.id = p.execution_id)
  RETURNING p.*
), key AS (
  INSERT INTO idempotency_keys (org_id, mode, key, fingerprint, execution_id, operation_id)
  SELECT $1, $2, $4, $8, p.execution_id, $3 FROM payment p RETURNING key
), operation AS (
  INSERT INTO operations (id, org_id, mode, payment_id, type, status, amount_minor, mid_id, sent_at, asked_by, workflow_id)
  SELECT $3, $1, $2, p.id, 'increment', 'sent', $7, p.mid_id, $5, $10, $11 FROM payment p, key
  RETURNING amount_minor
)
SELECT to_jsonb(p) AS payment, ${ACCOUNT}, o.amount_minor AS "amountMinor"
  FROM payment p JOIN mids m ON m.id = p.mid_id, operation o`,
    values: [
      r.tenant.orgId,
      r.tenant.mode,
      r.operationId,
      r.key,
      r.at,
      r.paymentId,
      r.amountMinor,
      r.fingerprint,
      r.authorizedMinor,
      r.actor,
      r.workflowId,
    ],
  });
  return rows[0];
}

/** What may be asked of the account that authorized, and up to where. */
export interface HoldAbilities {
  incremental: boolean;
  overcapture: boolean;
  /** Percent of what was authorized. */
  overcapturePercent: number;
}

export async function abilitiesOf(db: Db, { orgId, mode }: Tenant, paymentId: string): Promise<HoldAbilities> {
  const { rows } = await db.query<HoldAbilities>({
    name: 'abilities-of-hold',
    text: `SELECT mid_can(m.kind, m.capabilities, 'incremental') AS incremental,
                  mid_can(m.kind, m.capabilities, 'overcapture') AS overcapture,
                  COALESCE((m.capabilities->>'overcapture_percent')::float8, 0) AS "overcapturePercent"
             FROM payments p JOIN mids m ON m.id = p.mid_id
            WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3`,
    values: [orgId, mode, paymentId],
  });
  return rows[0] ?? { incremental: false, overcapture: false, overcapturePercent: 0 };
}

/** Charges an addition to the running totals of the chain. @throws SQLSTATE PK001 when one does not fit any more */
export async function chargeAddition(
  db: Db,
  { orgId, mode }: Tenant,
  executionId: string,
  amountMinor: number,
  charges: BudgetCharge[],
): Promise<void> {
  await db.query({
    name: 'charge-addition',
    text: 'SELECT charge_addition($1, $2, $3, $4, $5)',
    values: [orgId, mode, executionId, amountMinor, JSON.stringify(charges)],
  });
}

/** After the fact was recorded: a cap that the addition would pass undoes it. @throws SQLSTATE PK001 */
export async function exposureStillFits(
  db: Db,
  { orgId, mode }: Tenant,
  { agentId, principalId, currency }: { agentId: string; principalId: string; currency: string },
): Promise<void> {
  await db.query({
    name: 'exposure-still-fits',
    text: 'SELECT refuse_over_exposure($1, $2, $3, $4, $5)',
    values: [orgId, mode, agentId, principalId, currency],
  });
}
