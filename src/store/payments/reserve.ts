import type { OnExpiry } from '../../domain/messages.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { AccountRow, PaymentRow } from './row.ts';

/** What must be in the database before a processor is called. */
export interface Reservation {
  payment: PaymentRow;
  account: AccountRow;
  /** Minor units of this operation. */
  amountMinor: number;
  /** Nothing follows it: what it leaves of the hold is released. */
  final?: boolean;
  /** Of a capture, what was not held. */
  beyondMinor?: number;
  /** The authorization it is about, by the processor's name of it. */
  processorReference?: string;
}

interface Request {
  tenant: Tenant;
  operationId: string;
  key: string;
  fingerprint: string;
  at: Date;
  /** Who asks, as the audit trail names it. */
  actor?: string;
}

export interface AuthorizeReservation extends Request {
  executionId: string;
  workflowId: string;
  amountMinor: number | null;
  currency: string | null;
  routePlanId: string | null;
  /** The only processor that can read the payment token. */
  processor: string | null;
  capture: 'manual' | 'automatic';
  merchantReference: string | null;
  methodSealed: string;
  acceptPartial?: boolean;
  onExpiry?: OnExpiry;
}

export const ACCOUNT = `jsonb_build_object('mid_id', m.id, 'processor', m.processor, 'mid', m.mid, 'kind', m.kind,
  'base_url', m.base_url, 'api_key_sealed', m.api_key_sealed, 'capabilities', m.capabilities) AS account`;

export const summary = (type: string, amount: string) =>
  `jsonb_build_object('type', ${type}, 'status', 'sent', 'amount_minor', ${amount}, 'at', $5::timestamptz)`;

/**
 * Spends the approval and reserves the first attempt: token, payment and operation in one conditional statement. The
 * approval must be live, its delegation, agent and principal too, nothing of it frozen, the amount within what was
 * approved, and a MID of the plan usable (`choose_mid`); otherwise nothing changes and nothing is returned.
 */
export async function reserveAuthorization(db: Db, r: AuthorizeReservation): Promise<Reservation | undefined> {
  const { rows } = await db.query<Reservation>({
    name: 'reserve-authorization',
    text: `
WITH plan AS (
  SELECT COALESCE(rp.id, (e.route_plan->>'id')::uuid) AS id, COALESCE(rp.candidates, e.route_plan->'candidates') AS candidates
    FROM executions e LEFT JOIN route_plans rp ON rp.id = $10 AND rp.execution_id = e.id AND rp.expires_at > $5
   WHERE e.org_id = $1 AND e.mode = $2 AND e.id = $6 AND ($10::uuid IS NULL OR rp.id IS NOT NULL)
), eligible AS (
  SELECT choose_mid($1, $2, plan.candidates, $11, $6, $5) AS candidates FROM plan
), spent AS (
  UPDATE executions e SET stage = 'authorizing', token_used_at = $5, updated_at = $5
    FROM eligible
   WHERE e.org_id = $1 AND e.mode = $2 AND e.id = $6 AND eligible.candidates IS NOT NULL
     AND e.stage = 'approved' AND e.token_used_at IS NULL AND e.token_expires_at > $5
     AND COALESCE($8::bigint, e.amount_minor) <= e.amount_minor AND COALESCE($9::text, e.currency) = e.currency
     AND EXISTS (SELECT 1 FROM delegations d WHERE d.id = e.delegation_id AND d.status = 'active' AND d.expires_at > $5)
     AND authority_stands($1, $2, e.agent_id, e.principal_id, e.delegation_id, e.merchant_ref)
  RETURNING e.*
), key AS (
  INSERT INTO idempotency_keys (org_id, mode, key, fingerprint, execution_id, operation_id)
  SELECT $1, $2, $4, $7, $6, $3 FROM spent RETURNING key
), payment AS (
  INSERT INTO payments (id, org_id, mode, execution_id, workflow_id, agent_id, principal_id, merchant_ref, merchant_reference, phase,
    capture_mode, amount_minor, currency, mid_id, processor, mid, route_plan_id, candidates, method_sealed, operations,
    created_at, updated_at, accept_partial, on_expiry)
  SELECT s.id, $1, $2, s.id, $12, s.agent_id, s.principal_id, s.merchant_ref, $13, 'authorizing', $14,
         COALESCE($8::bigint, s.amount_minor), s.currency, (eligible.candidates->0->>'midId')::uuid,
         eligible.candidates->0->>'processor', eligible.candidates->0->>'mid', plan.id, eligible.candidates, $15,
         jsonb_build_object(($3::uuid)::text, ${summary(`'authorize'`, 'COALESCE($8::bigint, s.amount_minor)')}), $5, $5, $16, $17
    FROM spent s, eligible, plan, key
  RETURNING *
), operation AS (
  INSERT INTO operations (id, org_id, mode, payment_id, type, status, amount_minor, mid_id, sent_at, asked_by)
  SELECT $3, $1, $2, p.id, 'authorize', 'sent', p.amount_minor, p.mid_id, $5, $18 FROM payment p
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
      r.executionId,
      r.fingerprint,
      r.amountMinor,
      r.currency,
      r.routePlanId,
      r.processor,
      r.workflowId,
      r.merchantReference,
      r.capture,
      r.methodSealed,
      r.acceptPartial ?? false,
      r.onExpiry ?? 'release',
      r.actor ?? null,
    ],
  });
  return rows[0];
}

/**
 * Reserves the next attempt at the first candidate that was not asked yet and is usable now (`choose_mid`), while nothing
 * of the payment is frozen; the attempt before must be over (a unique index holds that).
 */
export async function reserveNextAttempt(
  db: Db,
  {
    tenant,
    paymentId,
    operationId,
    attempt,
    at,
    actor,
  }: {
    tenant: Tenant;
    paymentId: string;
    operationId: string;
    attempt: number;
    at: Date;
    actor?: string;
  },
): Promise<Reservation | undefined> {
  const { rows } = await db.query<Reservation>({
    name: 'reserve-next-attempt',
    text: `
WITH eligible AS MATERIALIZED (
  SELECT choose_mid($1, $2, p.candidates, NULL, p.id, $5) AS candidates FROM payments p
   WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $4
), payment AS (
  UPDATE payments p SET phase = 'authorizing', mid_id = m.id, processor = m.processor, mid = m.mid, updated_at = $5,
         candidates = eligible.candidates,
         operations = p.operations || jsonb_build_object($3::uuid::text, ${summary(`'authorize'`, 'p.amount_minor')})
    FROM eligible JOIN mids m ON m.id = (eligible.candidates->0->>'midId')::uuid
   WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $4 AND p.phase IN ('authorizing', 'auth_unknown', 'pending')
     AND (SELECT authority_stands($1, $2, e.agent_id, e.principal_id, e.delegation_id, e.merchant_ref)
            FROM executions e WHERE e.id = p.execution_id)
  RETURNING p.*
), operation AS (
  INSERT INTO operations (id, org_id, mode, payment_id, type, status, amount_minor, attempt, mid_id, sent_at, asked_by)
  SELECT $3, $1, $2, p.id, 'authorize', 'sent', p.amount_minor, $6, p.mid_id, $5, $7 FROM payment p
  RETURNING amount_minor
)
SELECT to_jsonb(p) AS payment, ${ACCOUNT}, o.amount_minor AS "amountMinor"
  FROM payment p JOIN mids m ON m.id = p.mid_id, operation o`,
    values: [tenant.orgId, tenant.mode, operationId, paymentId, at, attempt, actor ?? null],
  });
  return rows[0];
}

export interface FollowUpReservation extends Request {
  paymentId: string;
  /** Default: everything that is left. */
  amountMinor: number | null;
  final: boolean;
  /** The workflow that follows it, where that is not the payment's own. */
  workflowId?: string;
}

/** No freeze covers the payment `p`. Voids stay possible. */
const UNFROZEN = `(SELECT freeze_on($1, $2, e.agent_id, e.principal_id, e.delegation_id, e.merchant_ref, p.processor)
  FROM executions e WHERE e.id = p.execution_id) IS NULL`;

export const CAPTURABLE = '(p.authorized - p.captured - p.capture_pending - p.released)';
const REFUNDABLE = '(p.captured - p.refunded - p.refund_pending - p.dispute_held - p.dispute_lost)';

/** A capture is the last one when it says so, and where the account takes one only. */
const FINAL = `($9::boolean OR NOT mid_can(m.kind, m.capabilities, 'multicapture'))`;

/**
 * While a hold is being raised a capture leaves some of it: what a final one releases is not known, and one that takes
 * all would end the lifecycle under the increment.
 */
const NO_INCREMENT = `(p.increment_pending = 0 OR NOT ${FINAL} AND $7::bigint < ${CAPTURABLE})`;

/** For each operation on held funds: what it moves into reserve, and when it may. Reserve before send. */
const FOLLOW_UPS = {
  capture: {
    amount: `COALESCE($7::bigint, ${CAPTURABLE})`,
    // A final one releases what it leaves, like a void: what that is must be known, and nobody may take from it.
    set: `capture_pending = p.capture_pending + COALESCE($7::bigint, ${CAPTURABLE}),
          void_pending = ${FINAL}`,
    final: FINAL,
    // A declined payment that is open was granted in part only, and could not be given back: it is not captured.
    allowed: `NOT p.void_pending AND p.decline IS NULL AND (NOT ${FINAL} OR p.capture_pending = 0) AND ${NO_INCREMENT} AND COALESCE($7::bigint, ${CAPTURABLE}) BETWEEN 1 AND ${CAPTURABLE}
              AND (p.authorization_expires_at IS NULL OR p.authorization_expires_at > $5) AND ${UNFROZEN}`,
  },
  void: {
    amount: CAPTURABLE,
    set: 'void_pending = true',
    final: '($9::boolean OR true)',
    allowed: `NOT p.void_pending AND p.capture_pending = 0 AND p.increment_pending = 0 AND ${CAPTURABLE} > 0`,
  },
  refund: {
    amount: `COALESCE($7::bigint, ${REFUNDABLE})`,
    set: `refund_pending = p.refund_pending + COALESCE($7::bigint, ${REFUNDABLE})`,
    final: '($9::boolean AND false)',
    allowed: `COALESCE($7::bigint, ${REFUNDABLE}) BETWEEN 1 AND ${REFUNDABLE} AND p.dispute_short = 0
              AND (p.renewals = 0 OR refund_reference(p.id, COALESCE($7::bigint, ${REFUNDABLE})) IS NOT NULL) AND ${UNFROZEN}`,
  },
} as const;

const AMOUNT = `(p.operations->($3::uuid)::text->>'amount_minor')::bigint`;

/** What is done to a hold is done to the one that stands; a refund is made of the authorization whose captures bear it. */
const REFERENCES = {
  capture: 'p.processor_reference',
  void: 'p.processor_reference',
  refund: `CASE WHEN p.renewals = 0 THEN p.processor_reference ELSE refund_reference(p.id, ${AMOUNT}) END`,
} as const;

/** Moves an amount into reserve and notes the operation, or changes nothing and returns nothing. */
export async function reserveFollowUp(
  db: Db,
  type: keyof typeof FOLLOW_UPS,
  r: FollowUpReservation,
): Promise<Reservation | undefined> {
  const { amount, set, final, allowed } = FOLLOW_UPS[type];
  const { rows } = await db.query<Reservation>({
    name: `reserve-${type}`,
    text: `
WITH payment AS (
  UPDATE payments p SET ${set}, updated_at = $5,
         operations = p.operations || jsonb_build_object($3::uuid::text, ${summary(`'${type}'`, amount)})
    FROM mids m
   WHERE m.id = p.mid_id AND p.org_id = $1 AND p.mode = $2 AND p.id = $6 AND p.phase = 'open' AND ($7::bigint IS NULL OR $7 > 0)
     AND ${allowed}
  RETURNING p.*, ${final} AS is_final
), key AS (
  INSERT INTO idempotency_keys (org_id, mode, key, fingerprint, execution_id, operation_id)
  SELECT $1, $2, $4, $8, p.execution_id, $3 FROM payment p RETURNING key
), operation AS (
  INSERT INTO operations (id, org_id, mode, payment_id, type, status, amount_minor, final, mid_id, sent_at, asked_by, workflow_id,
                          processor_reference)
  SELECT $3, $1, $2, p.id, '${type}', 'sent', ${AMOUNT}, p.is_final, p.mid_id, $5, $10, $11, ${REFERENCES[type]}
    FROM payment p, key
  RETURNING amount_minor, final, processor_reference
)
SELECT to_jsonb(p) - 'is_final' AS payment, ${ACCOUNT}, o.amount_minor AS "amountMinor", o.final,
       o.processor_reference AS "processorReference"
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
      r.final,
      r.actor ?? null,
      r.workflowId ?? null,
    ],
  });
  return rows[0];
}
