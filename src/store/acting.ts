import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

/**
 * Whether an agent may still act under a delegation, in one round trip: it and every ancestor is live, its agents and
 * the principal are active, it is a delegation of this agent and principal, and the key that the agent asked by is good.
 * @param acting `principalId` is the organization's own id when it delegates itself
 */
export async function isActingLive(
  db: Db,
  { orgId, mode }: Tenant,
  acting: { delegationId: string; agentId: string; principalId: string; keyId?: string },
  now: Date,
): Promise<boolean> {
  const { rows } = await db.query<{ live: boolean | null }>({
    name: 'is-acting-live',
    text: `WITH RECURSIVE up AS (
             SELECT d.*, 0 AS height FROM delegations d
              WHERE d.org_id = $1 AND d.mode = $2 AND d.id = $3 AND d.agent_id = $4
                AND COALESCE(d.principal_id, $1) = $5
             UNION ALL
             SELECT d.*, up.height + 1 FROM delegations d JOIN up ON d.id = up.parent_id)
           SELECT bool_and(up.status = 'active' AND up.expires_at > $6 AND COALESCE(up.not_before <= $6, true)
                           AND a.status = 'active' AND COALESCE(p.status, 'active') = 'active'
                           AND ($7::uuid IS NULL OR EXISTS (
                             SELECT 1 FROM agent_keys k
                              WHERE k.org_id = $1 AND k.mode = $2 AND k.id = $7 AND k.agent_id = $4
                                AND k.status = 'active' AND COALESCE(k.not_after > $6, true)))) AS live
             FROM up JOIN agents a ON a.id = up.agent_id LEFT JOIN principals p ON p.id = up.principal_id`,
    values: [orgId, mode, acting.delegationId, acting.agentId, acting.principalId, now, acting.keyId ?? null],
  });
  return rows[0]?.live === true;
}

/** Whether an execution, or the one behind a payment, is of this agent and delegation. */
export async function isOfActing(
  db: Db,
  { orgId, mode }: Tenant,
  thing: { executionId: string } | { paymentId: string },
  acting: { delegationId: string; agentId: string },
): Promise<boolean> {
  const byPayment = 'paymentId' in thing;
  const { rowCount } = await db.query({
    name: byPayment ? 'payment-of-acting' : 'execution-of-acting',
    text: `SELECT 1 FROM executions e ${byPayment ? 'JOIN payments p ON p.execution_id = e.id' : ''}
            WHERE e.org_id = $1 AND e.mode = $2 AND ${byPayment ? 'p.id' : 'e.id'} = $3
              AND e.agent_id = $4 AND e.delegation_id = $5`,
    values: [orgId, mode, byPayment ? thing.paymentId : thing.executionId, acting.agentId, acting.delegationId],
  });
  return rowCount === 1;
}
