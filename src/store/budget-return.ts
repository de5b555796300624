import { budgetWindow } from '../domain/budget.ts';
import type { Tenant } from '../domain/types.ts';
import { findChain } from './delegations.ts';
import type { Pool } from 'pg';
import { inTransaction, type Db } from './pool.ts';

/** What an execution holds of its delegation's running total. */
export interface HeldBudget {
  delegationId: string | null;
  budgetMinor: number;
  /** Window of the delegation itself that was charged. */
  budgetWindow: number | null;
  /** When it was charged: tells the windows of the ancestors. */
  chargedAt: Date;
}

/**
 * Gives an execution's amount back to its delegation and to every ancestor that counts a total, in the caller's
 * transaction. A window that has passed is left alone: its total no longer counts.
 */
export async function returnBudget(db: Db, tenant: Tenant, held: HeldBudget): Promise<void> {
  if (held.delegationId === null || held.budgetMinor === 0) return;
  for (const row of await findChain(db, tenant, held.delegationId)) {
    if (!row.scope.maxTotal) continue;
    const own = row.id === held.delegationId && held.budgetWindow !== null;
    const window = own
      ? held.budgetWindow
      : budgetWindow(row.scope.maxTotal.window, row.createdAt.getTime(), held.chargedAt.getTime());
    await db.query(
      `UPDATE delegations SET budget_spent = GREATEST(0, budget_spent - $2) WHERE id = $1 AND budget_window = $3`,
      [row.id, held.budgetMinor, window],
    );
  }
}

/** Gives back what an execution still holds, once: it holds nothing afterwards. */
export async function giveBackBudget(pool: Pool, tenant: Tenant, executionId: string): Promise<void> {
  await inTransaction(pool, async (db) => {
    const { rows } = await db.query<HeldBudget>(
      `SELECT delegation_id AS "delegationId", budget_minor AS "budgetMinor", budget_window AS "budgetWindow",
              created_at AS "chargedAt"
         FROM executions WHERE org_id = $1 AND mode = $2 AND id = $3 AND budget_minor > 0 FOR UPDATE`,
      [tenant.orgId, tenant.mode, executionId],
    );
    if (!rows[0]) return;
    await db.query('UPDATE executions SET budget_minor = 0 WHERE id = $1', [executionId]);
    await returnBudget(db, tenant, rows[0]);
  });
}
