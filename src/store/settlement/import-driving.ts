import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { ImportRef } from './imports.ts';

/** Imports under way that no workflow is known to hold: never handed over, or not heard of for a long time. */
export async function findUndrivenImports(
  db: Db,
  { graceMs, silenceMs }: { graceMs: number; silenceMs: number },
  limit: number,
): Promise<ImportRef[]> {
  const { rows } = await db.query<{ orgId: string; mode: Tenant['mode']; id: string }>({
    name: 'find-undriven-imports',
    text: `SELECT i.org_id AS "orgId", i.mode, i.id FROM settlement_imports i
            WHERE (i.status IN ('queued', 'running') OR (i.status = 'completed' AND i.told_at IS NULL))
              AND i.requested_at < now() - $1 * interval '1 millisecond'
              AND (i.driven_at IS NULL OR i.driven_at < now() - $2 * interval '1 millisecond')
            ORDER BY i.requested_at LIMIT $3`,
    values: [graceMs, silenceMs, limit],
  });
  return rows.map(({ orgId, mode, id }) => ({ tenant: { orgId, mode }, id }));
}

export async function markImportDriven(db: Db, { tenant, id }: ImportRef, at: Date): Promise<void> {
  await db.query(`UPDATE settlement_imports i SET driven_at = $4 WHERE i.org_id = $1 AND i.mode = $2 AND i.id = $3`, [
    tenant.orgId,
    tenant.mode,
    id,
    at,
  ]);
}

/** Payments of the import whose lifecycle may wait for the money, in order of their ids. */
export async function findToTell(
  db: Db,
  { tenant, id }: ImportRef,
  after: string | null,
  limit: number,
): Promise<{ paymentId: string; workflowId: string; complete: boolean }[]> {
  const { rows } = await db.query<{ paymentId: string; workflowId: string; complete: boolean }>({
    name: 'find-settled-to-tell',
    text: `SELECT p.id AS "paymentId", p.workflow_id AS "workflowId", p.settled >= p.captured AS complete
             FROM (SELECT DISTINCT l.payment_id FROM settlement_lines l
                    WHERE l.import_id = $3 AND l.payment_id IS NOT NULL AND ($4::uuid IS NULL OR l.payment_id > $4)
                    ORDER BY 1 LIMIT $5) l
             JOIN payments p ON p.id = l.payment_id AND p.org_id = $1 AND p.mode = $2 ORDER BY p.id`,
    values: [tenant.orgId, tenant.mode, id, after, limit],
  });
  return rows;
}

/** @param end nobody is left to be told */
export async function markTold(
  db: Db,
  { tenant, id }: ImportRef,
  after: string | null,
  end: boolean,
  at: Date,
): Promise<void> {
  await db.query(
    `UPDATE settlement_imports i SET told_after = COALESCE($4, i.told_after), driven_at = $6::timestamptz,
            told_at = CASE WHEN $5 THEN $6::timestamptz END WHERE i.org_id = $1 AND i.mode = $2 AND i.id = $3`,
    [tenant.orgId, tenant.mode, id, after, end, at],
  );
}
