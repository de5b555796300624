import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { OPEN_OPERATION, openOperation, type OpenOperation, type OpenOperationRow } from './forgotten.ts';

/** A person's word on how an operation ended. */
export interface Resolution {
  operationId: string;
  paymentId: string;
  outcome: 'succeeded' | 'failed';
  processorReference?: string | undefined;
  /** Minor units that moved; default: all of the operation. */
  amountMinor?: number | undefined;
  note: string;
  actor: string;
  at: Date;
}

/** Keeps the word on an operation. False when one is there that was not carried out yet; one that gave way is replaced. */
export async function insertResolution(db: Db, tenant: Tenant, r: Resolution): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'insert-resolution',
    text: `INSERT INTO operation_resolutions (operation_id, org_id, mode, payment_id, outcome, processor_reference,
             amount_minor, note, actor, at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
           ON CONFLICT (operation_id) DO UPDATE
             SET outcome = excluded.outcome, processor_reference = excluded.processor_reference,
                 amount_minor = excluded.amount_minor, note = excluded.note, actor = excluded.actor, at = excluded.at,
                 applied_at = NULL
           WHERE operation_resolutions.applied_at IS NOT NULL`,
    values: [
      r.operationId,
      tenant.orgId,
      tenant.mode,
      r.paymentId,
      r.outcome,
      r.processorReference ?? null,
      r.amountMinor ?? null,
      r.note,
      r.actor,
      r.at,
    ],
  });
  return rowCount === 1;
}

export interface ResolutionRow {
  outcome: 'succeeded' | 'failed';
  processor_reference: string | null;
  amount_minor: number | null;
  actor: string;
}

/** The word that waits to be carried out. */
export async function findResolution(db: Db, tenant: Tenant, operationId: string): Promise<ResolutionRow | undefined> {
  const { rows } = await db.query<{ row: ResolutionRow }>({
    name: 'find-resolution',
    text: `SELECT to_jsonb(r) AS row FROM operation_resolutions r
            WHERE r.org_id = $1 AND r.mode = $2 AND r.operation_id = $3 AND r.applied_at IS NULL`,
    values: [tenant.orgId, tenant.mode, operationId],
  });
  return rows[0]?.row;
}

/** The operation has an outcome now, that one or what the processor said meanwhile. */
export async function closeResolution(db: Db, tenant: Tenant, operationId: string, at: Date): Promise<void> {
  await db.query({
    name: 'close-resolution',
    text: `UPDATE operation_resolutions SET applied_at = $4
            WHERE org_id = $1 AND mode = $2 AND operation_id = $3 AND applied_at IS NULL`,
    values: [tenant.orgId, tenant.mode, operationId, at],
  });
}

/** Resolutions that nobody carried out for so long: their workflows were not told. */
export async function findUnapplied(db: Db, olderThanMs: number, limit: number): Promise<OpenOperation[]> {
  const { rows } = await db.query<OpenOperationRow>({
    name: 'find-unapplied-resolutions',
    text: `SELECT ${OPEN_OPERATION}
             FROM operation_resolutions r JOIN operations o ON o.id = r.operation_id JOIN payments p ON p.id = r.payment_id
            WHERE r.applied_at IS NULL AND r.at < now() - $1 * interval '1 millisecond' ORDER BY r.at LIMIT $2`,
    values: [olderThanMs, limit],
  });
  return rows.map(openOperation);
}

/** An operation that a person may be asked about, locked until the transaction ends. */
export interface HeldOperation {
  type: 'authorize' | 'increment' | 'capture' | 'void' | 'refund';
  status: string;
  amount_minor: number;
  absent_since: string | null;
  asked_by: string | null;
  currency: string;
  processor_reference: string | null;
  /** The workflow that follows it. */
  workflow_id: string;
}

export async function holdOperation(
  db: Db,
  tenant: Tenant,
  { paymentId, operationId }: { paymentId: string; operationId: string },
): Promise<HeldOperation | undefined> {
  const { rows } = await db.query<HeldOperation>({
    name: 'hold-operation',
    text: `SELECT o.type, o.status, o.amount_minor, o.absent_since, o.asked_by, p.currency,
                  CASE WHEN o.renews THEN o.processor_reference ELSE p.processor_reference END AS processor_reference,
                  COALESCE(o.workflow_id, p.workflow_id) AS workflow_id
             FROM operations o JOIN payments p ON p.id = o.payment_id
            WHERE o.org_id = $1 AND o.mode = $2 AND o.payment_id = $3 AND o.id = $4 FOR NO KEY UPDATE OF o`,
    values: [tenant.orgId, tenant.mode, paymentId, operationId],
  });
  return rows[0];
}
