import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { newId } from '../../trust/new-id.ts';
import { recordFact } from '../facts.ts';
import type { Db } from '../pool.ts';
import type { EvidenceSource } from './evidence.ts';

export interface Conflict {
  paymentId: string;
  operationId: string;
  /** The status of the operation as recorded. */
  stands: string;
  told: 'succeeded' | 'failed';
  source: EvidenceSource | 'operator';
  detail?: string | undefined;
}

export interface ConflictRow {
  id: string;
  payment_id: string;
  operation_id: string;
  stands: string;
  told: string;
  source: string;
  detail: string | null;
  opened_at: string;
  closed_at: string | null;
  closed_by: string | null;
  note: string | null;
}

/**
 * Evidence contradicts what stands: nothing is overwritten, an item is opened for a person, once for each operation,
 * claim and source. In the caller's transaction.
 */
export async function openConflict(db: Db, tenant: Tenant, c: Conflict, at: Date): Promise<void> {
  const id = newId();
  const { rowCount } = await db.query({
    name: 'open-conflict',
    text: `INSERT INTO payment_conflicts (id, org_id, mode, payment_id, operation_id, stands, told, source, detail, opened_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING`,
    values: [
      id,
      tenant.orgId,
      tenant.mode,
      c.paymentId,
      c.operationId,
      c.stands,
      c.told,
      c.source,
      c.detail ?? null,
      at,
    ],
  });
  if (rowCount === 0) return;
  await db.query({
    name: 'attend-to-conflict',
    text: `UPDATE payments SET needs_attention = $2, updated_at = $3 WHERE id = $1`,
    values: [c.paymentId, `An operation that is recorded as ${c.stands} is told to have ${c.told}`, at],
  });
  const { paymentId, operationId, ...body } = c;
  await recordFact(db, {
    tenant,
    at,
    type: 'payment.conflict',
    actor: 'system:evidence',
    subject: toTypeId('pay', paymentId),
    body: { conflict_id: toTypeId('cfl', id), operation_id: toTypeId('op', operationId), ...body },
    events: [],
  });
}

/** Newest first; of one payment, or of all. */
export async function listConflicts(
  db: Db,
  tenant: Tenant,
  filter: { paymentId?: string; open?: boolean; before?: string; limit: number },
): Promise<ConflictRow[]> {
  const { rows } = await db.query<{ row: ConflictRow }>({
    name: 'list-conflicts',
    text: `SELECT to_jsonb(c) AS row FROM payment_conflicts c
            WHERE c.org_id = $1 AND c.mode = $2 AND ($3::uuid IS NULL OR c.payment_id = $3)
              AND ($4::boolean IS NULL OR (c.closed_at IS NULL) = $4) AND ($5::uuid IS NULL OR c.id < $5)
            ORDER BY c.id DESC LIMIT $6`,
    values: [
      tenant.orgId,
      tenant.mode,
      filter.paymentId ?? null,
      filter.open ?? null,
      filter.before ?? null,
      filter.limit,
    ],
  });
  return rows.map(({ row }) => row);
}

/** A person has dealt with it; repeating it changes nothing. Undefined when there is no such conflict. */
export async function closeConflict(
  db: Db,
  tenant: Tenant,
  { id, actor, note, at }: { id: string; actor: string; note: string; at: Date },
): Promise<ConflictRow | undefined> {
  const { rows } = await db.query<{ row: ConflictRow }>({
    name: 'close-conflict',
    text: `UPDATE payment_conflicts c SET closed_at = $4, closed_by = $5, note = $6
            WHERE c.org_id = $1 AND c.mode = $2 AND c.id = $3 AND c.closed_at IS NULL RETURNING to_jsonb(c) AS row`,
    values: [tenant.orgId, tenant.mode, id, at, actor, note],
  });
  const closed = rows[0]?.row;
  if (!closed) {
    const before = await db.query<{ row: ConflictRow }>({
      name: 'find-conflict',
      text: `SELECT to_jsonb(c) AS row FROM payment_conflicts c WHERE c.org_id = $1 AND c.mode = $2 AND c.id = $3`,
      values: [tenant.orgId, tenant.mode, id],
    });
    return before.rows[0]?.row;
  }
  await db.query({
    name: 'conflict-attended',
    text: `UPDATE payments p SET needs_attention = NULL, updated_at = $2 WHERE p.id = $1
              AND NOT EXISTS (SELECT 1 FROM payment_conflicts f WHERE f.payment_id = p.id AND f.closed_at IS NULL)`,
    values: [closed.payment_id, at],
  });
  await recordFact(db, {
    tenant,
    at,
    type: 'payment.conflict_closed',
    actor,
    subject: toTypeId('pay', closed.payment_id),
    body: { conflict_id: toTypeId('cfl', id), operation_id: toTypeId('op', closed.operation_id), note },
    events: [],
  });
  return closed;
}
