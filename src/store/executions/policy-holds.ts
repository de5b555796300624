import type { DecisionContext } from '../../domain/decision-context.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import { DecisionRaced, isRaced } from './commit-decision.ts';
import type { ExecutionRow } from './read.ts';

/**
 * Looks once more at what an approval of a held execution was judged by. Only after the fact was recorded in the same
 * transaction, so that decisions of the organization come here one after another.
 * @throws DecisionRaced when the active policy would not have been asked the same; the transaction is lost then
 */
export async function policyStillHolds(
  db: Db,
  tenant: Tenant,
  row: Pick<ExecutionRow, 'id' | 'intent' | 'context'> & { agent_id: string | null; principal_id: string | null },
  { policy, nowMs, history }: DecisionContext,
): Promise<void> {
  try {
    await db.query({
      name: 'policy-still-holds',
      text: 'SELECT policy_still_holds($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)',
      values: [
        tenant.orgId,
        tenant.mode,
        policy?.id ?? null,
        row.id,
        row.agent_id,
        row.principal_id,
        row.intent.merchantRef,
        row.intent.currency,
        row.context.session_id ?? null,
        new Date(nowMs),
        JSON.stringify(history ?? {}),
      ],
    });
  } catch (error) {
    if (isRaced(error)) throw new DecisionRaced('the approval was overtaken', { cause: error });
    throw error;
  }
}
