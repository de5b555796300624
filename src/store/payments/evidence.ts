import type { Tenant } from '../../domain/types.ts';
import { newId } from '../../trust/new-id.ts';
import type { Db } from '../pool.ts';

export type EvidenceSource = 'answer' | 'query' | 'notification' | 'settlement';
/** `reversed`: it failed after it had succeeded. */
export type EvidenceSays = 'succeeded' | 'failed' | 'pending' | 'unknown' | 'absent' | 'unanswered' | 'reversed';

/** One thing that was said about an operation: a lost answer, a question, a notification, a settlement line. */
export interface Evidence {
  source: EvidenceSource;
  says: EvidenceSays;
  at: Date;
  processorReference?: string | undefined;
  amountMinor?: number | undefined;
  /** A code, or why nothing was learned. */
  detail?: string | undefined;
}

export interface EvidenceRow {
  operation_id: string;
  source: EvidenceSource;
  says: EvidenceSays;
  processor_reference: string | null;
  amount_minor: number | null;
  detail: string | null;
  at: string;
}

/** Writes down what was said, in the order given; nothing is ever changed or taken away. */
export async function noteEvidence(
  db: Db,
  tenant: Tenant,
  { paymentId, operationId }: { paymentId: string; operationId: string },
  evidence: Evidence[],
): Promise<void> {
  await db.query({
    name: 'note-evidence',
    text: `INSERT INTO operation_evidence (id, org_id, mode, payment_id, operation_id, source, says, processor_reference,
             amount_minor, detail, at)
           SELECT e.id, $1, $2, $3, $4, e.source, e.says, e."processorReference", e."amountMinor", e.detail, e.at
             FROM jsonb_to_recordset($5::jsonb) AS e(id uuid, source text, says text, "processorReference" text,
                    "amountMinor" bigint, detail text, at timestamptz)`,
    values: [
      tenant.orgId,
      tenant.mode,
      paymentId,
      operationId,
      JSON.stringify(evidence.map((one) => ({ id: newId(), ...one }))),
    ],
  });
}

/** When the processor first did not know an operation that a person is asked about; null once it was sent again. */
export async function noteAbsence(db: Db, tenant: Tenant, operationId: string, since: Date | null): Promise<void> {
  await db.query({
    name: 'note-absence',
    text: `UPDATE operations SET absent_since = $4
            WHERE org_id = $1 AND mode = $2 AND id = $3 AND status = 'needs_review'`,
    values: [tenant.orgId, tenant.mode, operationId, since],
  });
}

/** Whether the operation was told to have failed after it had succeeded. */
export async function isTakenBack(db: Db, operationId: string): Promise<boolean> {
  const { rows } = await db.query<{ taken: boolean }>({
    name: 'is-taken-back',
    text: `SELECT EXISTS (SELECT FROM operation_evidence WHERE operation_id = $1 AND says = 'reversed') AS taken`,
    values: [operationId],
  });
  return rows[0]!.taken;
}

/**
 * Evidence of one operation that says how it ended, oldest first: what a person's word is held against. A success that
 * was taken back counts no more, and what takes it back says that it failed.
 */
export async function definiteEvidence(db: Db, tenant: Tenant, operationId: string): Promise<EvidenceRow[]> {
  const { rows } = await db.query<{ row: EvidenceRow }>({
    name: 'definite-evidence',
    text: `SELECT to_jsonb(e) || CASE e.says WHEN 'reversed' THEN '{"says": "failed"}' ELSE '{}' END::jsonb AS row
             FROM operation_evidence e
            WHERE e.org_id = $1 AND e.mode = $2 AND e.operation_id = $3 AND e.says IN ('succeeded', 'failed', 'reversed')
              AND NOT (e.says = 'succeeded' AND EXISTS (
                SELECT FROM operation_evidence r WHERE r.operation_id = e.operation_id AND r.says = 'reversed'))
            ORDER BY e.at, e.id`,
    values: [tenant.orgId, tenant.mode, operationId],
  });
  return rows.map(({ row }) => row);
}

export interface EvidenceOfPayment {
  operations: {
    id: string;
    type: string;
    status: string;
    amount_minor: number;
    sent_at: string;
    completed_at: string | null;
    processor: string;
    mid: string;
    asked_by: string | null;
  }[];
  evidence: EvidenceRow[];
  resolutions: {
    operation_id: string;
    outcome: 'succeeded' | 'failed';
    processor_reference: string | null;
    amount_minor: number | null;
    note: string;
    actor: string;
    at: string;
    applied_at: string | null;
  }[];
  settlement_lines: {
    line_id: string;
    settlement_id: string;
    operation_id: string | null;
    type: string;
    amount_minor: number;
    fee_minor: number;
    currency: string;
    status: string;
    settled_at: string;
  }[];
}

/** Everything that was said about the operations of a payment, with what settlement and persons said. */
export async function evidenceOfPayment(db: Db, tenant: Tenant, paymentId: string): Promise<EvidenceOfPayment> {
  const { rows } = await db.query<EvidenceOfPayment>({
    name: 'evidence-of-payment',
    text: `SELECT
      (SELECT COALESCE(jsonb_agg(to_jsonb(o) || jsonb_build_object('processor', m.processor, 'mid', m.mid) ORDER BY o.sent_at, o.id), '[]')
         FROM operations o JOIN mids m ON m.id = o.mid_id
        WHERE o.org_id = $1 AND o.mode = $2 AND o.payment_id = $3) AS operations,
      (SELECT COALESCE(jsonb_agg(to_jsonb(e) ORDER BY e.at, e.id), '[]') FROM operation_evidence e
        WHERE e.org_id = $1 AND e.mode = $2 AND e.payment_id = $3) AS evidence,
      (SELECT COALESCE(jsonb_agg(to_jsonb(r) ORDER BY r.at), '[]') FROM operation_resolutions r
        WHERE r.org_id = $1 AND r.mode = $2 AND r.payment_id = $3) AS resolutions,
      (SELECT COALESCE(jsonb_agg(to_jsonb(s) ORDER BY s.settled_at, s.line_id), '[]') FROM settlement_lines s
        WHERE s.org_id = $1 AND s.mode = $2 AND s.payment_id = $3) AS settlement_lines`,
    values: [tenant.orgId, tenant.mode, paymentId],
  });
  return rows[0]!;
}
