import type { LedgerLine } from '../../domain/ledger.ts';
import type { ClosedBy, PaymentPhase } from '../../domain/payment.ts';
import { newId } from '../../trust/new-id.ts';
import { factArguments, type Fact } from '../facts.ts';
import type { Db } from '../pool.ts';
import type { AttemptRow, PaymentRow } from './row.ts';

type OperationStatus = 'pending' | 'unknown' | 'succeeded' | 'declined' | 'not_sent' | 'needs_review';

type DeltaCounter =
  'authorized' | 'overcaptured' | 'increment_pending' | 'captured' | 'capture_pending' | 'refunded' | 'refund_pending';

/** What one outcome does to operation, counters, ledger and answer; computed from the outcome, applied as it is. */
export interface Completion {
  operationId: string;
  status: OperationStatus;
  failure?: { class: string; code: string; reason: string };
  /** First "not found" since the operation was sent. */
  absentSince?: Date | null;
  /** Added to the counters. */
  delta: Partial<Record<DeltaCounter, number>>;
  /** Releases whatever is neither captured nor about to be (void, or the rest after a final capture). */
  release: boolean;
  phase?: PaymentPhase;
  closedBy?: ClosedBy;
  /** The void is over, one way or the other. */
  endVoid?: boolean;
  processorReference?: string;
  authorizationExpiresAt?: string;
  attempt?: AttemptRow;
  decline?: PaymentRow['decline'];
  needsAttention?: string | null;
  /** Ledger entries. Lines of a `released` entry are per minor unit: the amount is known only under the lock. */
  entries: { kind: string; lines: LedgerLine[] }[];
  /**
   * Reserves the operation that gives back what this one brought: in the same commit, so that nobody can use it. With
   * `of`, it is about that authorization and not about the payment: the payment's hold stays as it is.
   */
  giveBack?: { operationId: string; type: 'void' | 'refund'; amountMinor: number; of?: string };
  /** What was authorized anew, and whether it takes the place of the hold before; else it is given back. */
  renewed?: { amountMinor: number; stands: boolean };
  /** The authorization that the operation is about, where it is not the payment's. */
  operationReference?: string;
  /** The request whose answer this is, and its HTTP status. */
  answer?: { key: string; status: number };
  fact: Fact;
}

/**
 * Records an outcome: operation, counters, ledger, audit entry, events and the stored answer, in one statement; and
 * gives back what the execution holds of running totals and can no longer be captured. What an attempt to authorize came
 * to is counted for its account (`note_attempt`), once: later evidence about it says nothing about how the account fares.
 * @returns the payment as it stands now, or undefined when the operation was completed before
 */
export async function completeOperation(db: Db, c: Completion): Promise<PaymentRow | undefined> {
  const fact = factArguments(c.fact);
  const { rows } = await db.query<{ payment: PaymentRow }>({
    name: 'complete-operation',
    text: SQL,
    values: [
      ...fact.values,
      c.operationId,
      c.status,
      c.failure?.class ?? null,
      c.failure?.code ?? null,
      c.failure?.reason ?? null,
      c.absentSince ?? null,
      c.delta.authorized ?? 0,
      c.delta.captured ?? 0,
      c.delta.capture_pending ?? 0,
      c.delta.refunded ?? 0,
      c.delta.refund_pending ?? 0,
      c.release,
      c.phase ?? null,
      c.closedBy ?? null,
      c.endVoid ?? false,
      c.processorReference ?? null,
      c.authorizationExpiresAt ?? null,
      JSON.stringify(c.attempt ? [c.attempt] : []),
      c.decline ? JSON.stringify(c.decline) : null,
      c.needsAttention ?? null,
      JSON.stringify(c.entries.map((entry) => ({ id: newId(), ...entry }))),
      c.answer?.key ?? null,
      c.answer?.status ?? null,
      c.giveBack?.operationId ?? null,
      c.giveBack?.type ?? null,
      c.giveBack?.amountMinor ?? null,
      c.delta.increment_pending ?? 0,
      c.delta.overcaptured ?? 0,
      c.operationReference ?? null,
      c.renewed?.amountMinor ?? null,
      c.renewed?.stands ?? false,
      c.giveBack?.of ?? null,
    ],
  });
  return rows[0]?.payment;
}

const SQL = `
WITH op AS (
  UPDATE operations SET status = $13, failure_class = $14, failure_code = $15, reason = $16, absent_since = $17,
         processor_reference = COALESCE($40, processor_reference),
         completed_at = CASE WHEN $13 IN ('succeeded', 'declined', 'not_sent') THEN $4::timestamptz END
   WHERE id = $12 AND org_id = $1 AND mode = $2 AND status IN ('sent', 'pending', 'unknown', 'needs_review')
  RETURNING *
), old AS (
  SELECT p.* FROM payments p JOIN op ON op.payment_id = p.id FOR UPDATE OF p
), changed AS (
  UPDATE payments p
     SET authorized = p.authorized + $18 + COALESCE($41::bigint, 0), captured = p.captured + $19, capture_pending = p.capture_pending + $20,
         refunded = p.refunded + $21, refund_pending = p.refund_pending + $22,
         increment_pending = p.increment_pending + $38, overcaptured = p.overcaptured + $39,
         renewals = p.renewals + $42::boolean::int, renewed_minor = p.renewed_minor + COALESCE($41, 0),
         earlier_minor = CASE WHEN $42 THEN p.captured + p.released ELSE p.earlier_minor END + COALESCE($41, 0),
         earlier_references = CASE WHEN $42 THEN p.earlier_references || p.processor_reference ELSE p.earlier_references END,
         expiry_warned_at = CASE WHEN NOT $42 THEN p.expiry_warned_at END,
         released = p.released + COALESCE($41, 0) + CASE WHEN $23
           THEN p.authorized - p.captured - $19 - (p.capture_pending + $20) - p.released ELSE 0 END,
         phase = COALESCE($24, p.phase), closed_by = COALESCE($25, p.closed_by),
         void_pending = p.void_pending AND NOT $26 OR COALESCE($36::text = 'void' AND $43::text IS NULL, false),
         processor_reference = COALESCE($27, p.processor_reference),
         -- One without a date is not taken to end with the hold before it.
         authorization_expires_at = CASE WHEN $42 THEN $28 ELSE COALESCE($28, p.authorization_expires_at) END,
         attempts = p.attempts || $29::jsonb, decline = COALESCE($30, p.decline),
         -- A conflict, a settlement and another operation that nobody knows of are not over with this one's outcome.
         needs_attention = COALESCE($31, CASE WHEN p.needs_attention LIKE 'Settlement%'
             OR jsonb_path_exists(p.operations - op.id::text, '$.* ? (@.status == "needs_review")')
             OR EXISTS (SELECT 1 FROM payment_conflicts f WHERE f.payment_id = p.id AND f.closed_at IS NULL)
           THEN p.needs_attention END),
         operations = p.operations || jsonb_build_object(op.id::text,
           (p.operations->op.id::text) || jsonb_strip_nulls(jsonb_build_object('status', $13::text, 'class', $14::text, 'code', $15::text)))
           || CASE WHEN $35::uuid IS NULL THEN '{}' ELSE jsonb_build_object(($35::uuid)::text, jsonb_build_object(
                'type', $36::text, 'status', 'sent', 'amount_minor', $37::bigint, 'at', $4::timestamptz)
                || CASE WHEN $43::text IS NULL THEN '{}' ELSE '{"renews": true}' END::jsonb) END,
         updated_at = $4
    FROM op, old WHERE p.id = op.payment_id AND old.id = p.id
  RETURNING p.*, p.released - old.released AS released_now
), given_back AS (
  INSERT INTO operations (id, org_id, mode, payment_id, type, status, amount_minor, final, by_itself, mid_id, sent_at,
                          renews, processor_reference)
  SELECT $35, $1, $2, c.id, $36, 'sent', $37, $36::text = 'void', true, c.mid_id, $4, $43 IS NOT NULL,
         COALESCE($43, c.processor_reference) FROM changed c WHERE $35::uuid IS NOT NULL
), payment AS (
  SELECT changed.id, to_jsonb(changed) - 'released_now' AS row, released_now, execution_id FROM changed
), entries AS (
  SELECT count(post_entry(e.id, $1, $2, e.kind, p.id, $12, $4,
           CASE WHEN e.kind = 'released'
             THEN (SELECT jsonb_agg(l || jsonb_build_object('amountMinor', (l->>'amountMinor')::bigint * p.released_now))
                     FROM jsonb_array_elements(e.lines) l)
             ELSE e.lines END)) AS posted
    FROM payment p, jsonb_to_recordset($32::jsonb) AS e(id uuid, kind text, lines jsonb)
   WHERE e.kind <> 'released' OR p.released_now > 0
), answer AS (
  UPDATE idempotency_keys k SET status = $34, response = jsonb_build_object('payment', p.row - 'method_sealed', 'operation_id', ($12::uuid)::text)::json
    FROM payment p
   WHERE $33::uuid IS NOT NULL AND k.org_id = $1 AND k.mode = $2 AND k.key = $33 AND (k.status IS NULL OR k.status = 202)
  RETURNING k.key
), returned AS (
  SELECT count(return_budget($1, $2, ARRAY[c.execution_id], CASE c.phase
           WHEN 'open' THEN c.authorized + c.increment_pending - c.released WHEN 'failed' THEN 0 ELSE c.amount_minor END)) AS done
    FROM changed c
), health AS (
  SELECT count(note_attempt(op.mid_id, CASE op.status WHEN 'succeeded' THEN 'approved' WHEN 'declined' THEN 'declined'
                                       ELSE 'unavailable' END, $4)) AS noted
    FROM returned, op JOIN operations before ON before.id = op.id
   WHERE op.type = 'authorize' AND op.status <> 'pending' AND before.status IN ('sent', 'pending')
), fact AS (
  SELECT record_fact($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS sequence FROM payment, health
)
SELECT p.row AS payment, (SELECT sequence FROM fact), (SELECT posted FROM entries), (SELECT count(*) FROM answer)
  FROM payment p`;
