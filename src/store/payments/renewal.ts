import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { ACCOUNT, CAPTURABLE, summary, type Reservation } from './reserve.ts';

export interface RenewalReservation {
  tenant: Tenant;
  paymentId: string;
  operationId: string;
  /** How often a hold may be renewed. */
  max: number;
  actor: string;
  at: Date;
}

/**
 * Reserves an authorization of what is left of a hold, at the account that holds it, or changes nothing and returns
 * nothing: the authority must stand, its delegation be unexpired, nothing be frozen, and no outcome open that could change
 * what is left. Until the outcome is known nothing else touches the hold (`void_pending`).
 */
export async function reserveRenewal(db: Db, r: RenewalReservation): Promise<Reservation | undefined> {
  const { rows } = await db.query<Reservation>({
    name: 'reserve-renewal',
    text: `
WITH payment AS (
  UPDATE payments p SET void_pending = true, updated_at = $5,
         operations = p.operations || jsonb_build_object($3::uuid::text,
           ${summary(`'authorize'`, CAPTURABLE)} || '{"renews": true}')
   WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $4 AND p.phase = 'open' AND p.decline IS NULL
     AND p.on_expiry = 'reauthorize' AND p.renewals < $6 AND NOT p.void_pending AND p.capture_pending = 0
     AND p.increment_pending = 0 AND ${CAPTURABLE} > 0
     AND (p.authorization_expires_at IS NULL OR p.authorization_expires_at > $5)
     AND (SELECT authority_stands($1, $2, e.agent_id, e.principal_id, e.delegation_id, e.merchant_ref)
             AND freeze_on($1, $2, e.agent_id, e.principal_id, e.delegation_id, e.merchant_ref, p.processor) IS NULL
             AND EXISTS (SELECT 1 FROM delegations d WHERE d.id = e.delegation_id AND d.expires_at > $5)
            FROM executions e WHERE e.id = p.execution_id)
  RETURNING p.*
), operation AS (
  INSERT INTO operations (id, org_id, mode, payment_id, type, status, amount_minor, mid_id, sent_at, asked_by, by_itself, renews)
  SELECT $3, $1, $2, p.id, 'authorize', 'sent', (p.operations->($3::uuid)::text->>'amount_minor')::bigint, p.mid_id, $5, $7,
         true, true
    FROM payment p
  RETURNING amount_minor
)
SELECT to_jsonb(p) AS payment, ${ACCOUNT}, o.amount_minor AS "amountMinor"
  FROM payment p JOIN mids m ON m.id = p.mid_id, operation o`,
    values: [r.tenant.orgId, r.tenant.mode, r.operationId, r.paymentId, r.at, r.max, r.actor],
  });
  return rows[0];
}
