import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { ACCOUNT, CAPTURABLE, summary, type Reservation } from './reserve.ts';

export interface OvercaptureReservation {
  tenant: Tenant;
  paymentId: string;
  operationId: string;
  /** Of the whole capture. */
  amountMinor: number;
  /** Of it, what is not held. */
  beyondMinor: number;
  /** What the payment was approved for when the difference was judged. */
  authorizedMinor: number;
  /** The account's ceiling then. */
  percent: number;
  key: string;
  fingerprint: string;
  actor: string;
  at: Date;
}

/**
 * Reserves a capture of all that is held and more, the last one; changes nothing and returns nothing when the payment or
 * the account is not as it was judged. What is authorized grows in the same statement, so that captures stay within it.
 * The caller's transaction holds the standing lock.
 */
export async function reserveOvercapture(db: Db, r: OvercaptureReservation): Promise<Reservation | undefined> {
  const { rows } = await db.query<Reservation>({
    name: 'reserve-overcapture',
    text: `
WITH payment AS (
  UPDATE payments p SET authorized = p.authorized + $12::bigint, overcaptured = p.overcaptured + $12::bigint,
         capture_pending = $7::bigint, void_pending = true, updated_at = $5,
         operations = p.operations || jsonb_build_object($3::uuid::text, ${summary(`'capture'`, '$7::bigint')})
    FROM mids m
   WHERE m.id = p.mid_id AND p.org_id = $1 AND p.mode = $2 AND p.id = $6 AND p.phase = 'open' AND p.decline IS NULL
     AND NOT p.void_pending AND p.capture_pending = 0 AND p.increment_pending = 0 AND p.authorized = $9
     AND ${CAPTURABLE} > 0 AND ${CAPTURABLE} + $12::bigint = $7::bigint
     AND (p.authorization_expires_at IS NULL OR p.authorization_expires_at > $5)
     AND mid_can(m.kind, m.capabilities, 'overcapture') AND (m.capabilities->>'overcapture_percent')::float8 = $11
     AND (SELECT authority_stands($1, $2, e.agent_id, e.principal_id, e.delegation_id, e.merchant_ref)
             AND freeze_on($1, $2, e.agent_id, e.principal_id, e.delegation_id, e.merchant_ref, p.processor) IS NULL
            FROM executions e WHERE e.id = p.execution_id)
  RETURNING p.*
), key AS (
  INSERT INTO idempotency_keys (org_id, mode, key, fingerprint, execution_id, operation_id)
  SELECT $1, $2, $4, $8, p.execution_id, $3 FROM payment p RETURNING key
), operation AS (
  INSERT INTO operations (id, org_id, mode, payment_id, type, status, amount_minor, beyond_minor, final, mid_id, sent_at, asked_by,
                          processor_reference)
  SELECT $3, $1, $2, p.id, 'capture', 'sent', $7, $12, true, p.mid_id, $5, $10, p.processor_reference FROM payment p, key
  RETURNING amount_minor, beyond_minor, final
)
SELECT to_jsonb(p) AS payment, ${ACCOUNT}, o.amount_minor AS "amountMinor", o.beyond_minor AS "beyondMinor", o.final
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
      r.percent,
      r.beyondMinor,
    ],
  });
  return rows[0];
}
