import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

/**
 * Lowers what executions hold of running totals to `keepMinor` each, in the caller's transaction; every delegation of
 * their chains gets the difference back, in the window that was charged. Repeating it changes nothing.
 */
export async function returnBudget(db: Db, tenant: Tenant, executionIds: string[], keepMinor: number): Promise<void> {
  await db.query({
    name: 'return-budget',
    text: 'SELECT return_budget($1, $2, $3, $4)',
    values: [tenant.orgId, tenant.mode, executionIds, keepMinor],
  });
}
