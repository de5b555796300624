import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

export interface OpenOperation {
  id: string;
  tenant: Tenant;
  paymentId: string;
  /** What follows it: its own workflow, or its lifecycle. */
  workflowId: string;
  own: boolean;
}

/** Columns of operations `o` and their payments `p` that are rows of `OpenOperation` once they are read by `openOperation`. */
export const OPEN_OPERATION = `o.id, o.org_id AS "orgId", o.mode, o.payment_id AS "paymentId",
  COALESCE(o.workflow_id, p.workflow_id) AS "workflowId", o.workflow_id IS NOT NULL AS own`;

export type OpenOperationRow = Omit<OpenOperation, 'tenant'> & Tenant;

export const openOperation = ({ orgId, mode, ...row }: OpenOperationRow): OpenOperation => ({
  ...row,
  tenant: { orgId, mode },
});

/**
 * Operations that are open for longer than `olderThanMs` and whose workflow was not told of it, or not for `againMs`:
 * one of its own knows what it began, and one that was told knows too, but either may be over meanwhile.
 */
export async function findForgotten(
  db: Db,
  { olderThanMs, againMs, limit }: { olderThanMs: number; againMs: number; limit: number },
): Promise<(OpenOperation & { told: boolean })[]> {
  const { rows } = await db.query<OpenOperationRow & { told: boolean }>({
    name: 'find-forgotten-operations',
    text: `SELECT ${OPEN_OPERATION}, o.told_at IS NOT NULL AS told FROM operations o JOIN payments p ON p.id = o.payment_id
            WHERE o.status IN ('sent', 'pending', 'unknown')
              AND o.sent_at < now() - $1 * interval '1 millisecond'
              AND (o.told_at IS NULL OR o.told_at < now() - $2 * interval '1 millisecond')
            ORDER BY o.sent_at LIMIT $3`,
    values: [olderThanMs, againMs, limit],
  });
  return rows.map(({ told, ...row }) => ({ ...openOperation(row), told }));
}

/** They were told of now, or their workflow is there. */
export async function markTold(db: Db, operationIds: string[], at: Date): Promise<void> {
  await db.query({
    name: 'mark-operations-told',
    text: 'UPDATE operations SET told_at = $2 WHERE id = ANY ($1::uuid[])',
    values: [operationIds, at],
  });
}
