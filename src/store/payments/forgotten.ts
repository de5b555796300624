import type { Db } from '../pool.ts';

export interface OpenOperation {
  id: string;
  workflowId: string;
}

/**
 * Operations of lifecycles that are open for longer than `olderThanMs` and whose workflow was not told of it. Refunds
 * are not among them, unless an outcome asked for them: each is a workflow of its own, which knows what it began.
 */
export async function findForgotten(db: Db, olderThanMs: number, limit: number): Promise<OpenOperation[]> {
  const { rows } = await db.query<OpenOperation>({
    name: 'find-forgotten-operations',
    text: `SELECT o.id, p.workflow_id AS "workflowId" FROM operations o JOIN payments p ON p.id = o.payment_id
            WHERE o.status IN ('sent', 'pending', 'unknown') AND o.told_at IS NULL AND (o.type <> 'refund' OR o.by_itself)
              AND o.sent_at < now() - $1 * interval '1 millisecond'
            ORDER BY o.sent_at LIMIT $2`,
    values: [olderThanMs, limit],
  });
  return rows;
}

export async function markTold(db: Db, operationIds: string[], at: Date): Promise<void> {
  await db.query({
    name: 'mark-operations-told',
    text: 'UPDATE operations SET told_at = $2 WHERE id = ANY ($1::uuid[])',
    values: [operationIds, at],
  });
}
