import type { Scope, Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

export interface DelegationRow {
  id: string;
  /** `null`: the organization itself. */
  principalId: string | null;
  agentId: string;
  parentId: string | null;
  scope: Scope;
  status: 'active' | 'revoked';
  notBefore: Date | null;
  expiresAt: Date;
  revokedAt: Date | null;
  revocationReason: string | null;
  budgetWindow: number;
  budgetSpent: number;
  createdAt: Date;
}

const COLUMNS = `d.id, d.principal_id AS "principalId", d.agent_id AS "agentId", d.parent_id AS "parentId", d.scope,
  d.status, d.not_before AS "notBefore", d.expires_at AS "expiresAt", d.revoked_at AS "revokedAt",
  d.revocation_reason AS "revocationReason", d.budget_window AS "budgetWindow", d.budget_spent AS "budgetSpent",
  d.created_at AS "createdAt"`;

export interface NewDelegation {
  id: string;
  principalId: string | null;
  agentId: string;
  parentId?: string;
  scope: Scope;
  notBefore?: Date;
  expiresAt: Date;
  createdAt: Date;
}

export async function insertDelegation(db: Db, tenant: Tenant, delegation: NewDelegation): Promise<DelegationRow> {
  const { rows } = await db.query<DelegationRow>(
    `INSERT INTO delegations AS d (id, org_id, mode, principal_id, agent_id, parent_id, scope, not_before, expires_at,
                                   created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING ${COLUMNS}`,
    [
      delegation.id,
      tenant.orgId,
      tenant.mode,
      delegation.principalId,
      delegation.agentId,
      delegation.parentId ?? null,
      JSON.stringify(delegation.scope),
      delegation.notBefore ?? null,
      delegation.expiresAt,
      delegation.createdAt,
    ],
  );
  return rows[0]!;
}

/** A delegation and its ancestors, root first; empty when the tenant has no such delegation. */
export async function findChain(db: Db, tenant: Tenant, id: string): Promise<DelegationRow[]> {
  const { rows } = await db.query<DelegationRow>({
    name: 'find-delegation-chain',
    text: `WITH RECURSIVE up AS (
             SELECT d.id, d.parent_id, 0 AS height FROM delegations d
              WHERE d.org_id = $1 AND d.mode = $2 AND d.id = $3
             UNION ALL
             SELECT d.id, d.parent_id, up.height + 1 FROM delegations d JOIN up ON d.id = up.parent_id)
           SELECT ${COLUMNS} FROM up JOIN delegations d ON d.id = up.id ORDER BY up.height DESC`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows;
}

/** Holds a delegation until the transaction ends: a revocation waits for us, or we see it. */
export async function holdDelegation(db: Db, tenant: Tenant, id: string): Promise<void> {
  await db.query('SELECT 1 FROM delegations WHERE org_id = $1 AND mode = $2 AND id = $3 FOR SHARE', [
    tenant.orgId,
    tenant.mode,
    id,
  ]);
}

/** Live delegations of a principal (`null`: the organization) to an agent, oldest first. */
export async function findLiveDelegations(
  db: Db,
  tenant: Tenant,
  pair: { principalId: string | null; agentId: string },
  now: Date,
): Promise<DelegationRow[]> {
  const { rows } = await db.query<DelegationRow>(
    `SELECT ${COLUMNS} FROM delegations d
      WHERE d.org_id = $1 AND d.mode = $2 AND d.agent_id = $3 AND d.principal_id IS NOT DISTINCT FROM $4
        AND d.status = 'active' AND d.expires_at > $5 AND (d.not_before IS NULL OR d.not_before <= $5)
      ORDER BY d.id`,
    [tenant.orgId, tenant.mode, pair.agentId, pair.principalId, now],
  );
  return rows;
}
