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

export interface DelegationFilter {
  /** `null`: the organization itself. */
  principalId?: string | null;
  agentId?: string;
  parentId?: string;
  /** As far as one row tells: an open one may still be pending or exhausted. */
  own?: 'revoked' | 'expired' | 'open';
}

/** Delegations that were asked for, in the order of the list, and `rows` of them and of all their ancestors. */
export interface DelegationPage {
  ids: string[];
  rows: DelegationRow[];
}

/** Newest first, with every ancestor, in one round trip. @param page `before`: an id that was seen last */
export async function listDelegations(
  db: Db,
  tenant: Tenant,
  filter: DelegationFilter,
  page: { now: Date; before?: string; limit: number },
): Promise<DelegationPage> {
  const { rows } = await db.query<DelegationRow & { asked: boolean }>({
    name: 'list-delegations',
    text: `WITH RECURSIVE asked AS (
             SELECT d.id, d.parent_id FROM delegations d
              WHERE d.org_id = $1 AND d.mode = $2 AND ($3::uuid IS NULL OR d.id < $3)
                AND (NOT $4 OR d.principal_id IS NOT DISTINCT FROM $5) AND ($6::uuid IS NULL OR d.agent_id = $6)
                AND ($7::uuid IS NULL OR d.parent_id = $7)
                AND CASE $8 WHEN 'revoked' THEN d.status = 'revoked'
                            WHEN 'expired' THEN d.status = 'active' AND d.expires_at <= $9
                            WHEN 'open' THEN d.status = 'active' AND d.expires_at > $9 ELSE true END
              ORDER BY d.id DESC LIMIT $10
           ), up AS (
             SELECT id, parent_id FROM asked
             UNION SELECT d.id, d.parent_id FROM delegations d JOIN up ON d.id = up.parent_id)
           SELECT ${COLUMNS}, d.id IN (SELECT id FROM asked) AS asked
             FROM up JOIN delegations d ON d.id = up.id ORDER BY d.id DESC`,
    values: [
      tenant.orgId,
      tenant.mode,
      page.before ?? null,
      filter.principalId !== undefined,
      filter.principalId ?? null,
      filter.agentId ?? null,
      filter.parentId ?? null,
      filter.own ?? 'any',
      page.now,
      page.limit,
    ],
  });
  return { rows, ids: rows.filter((row) => row.asked).map((row) => row.id) };
}

/**
 * Everything delegated below a delegation, each before what is below it, with the levels between (1: its children).
 * @param limit beyond it the deepest are left out
 */
export async function findDescendants(
  db: Db,
  tenant: Tenant,
  id: string,
  limit: number,
): Promise<(DelegationRow & { depth: number })[]> {
  const { rows } = await db.query<DelegationRow & { depth: number }>({
    name: 'find-delegation-tree',
    text: `WITH RECURSIVE down AS (
             SELECT d.id, 1 AS depth, ARRAY[d.id] AS path FROM delegations d
              WHERE d.org_id = $1 AND d.mode = $2 AND d.parent_id = $3
             UNION ALL
             SELECT d.id, down.depth + 1, down.path || d.id FROM delegations d JOIN down ON d.parent_id = down.id
           ), kept AS (
             SELECT * FROM down ORDER BY depth, id LIMIT $4)
           SELECT ${COLUMNS}, kept.depth
             FROM kept JOIN delegations d ON d.id = kept.id ORDER BY kept.path`,
    values: [tenant.orgId, tenant.mode, id, limit],
  });
  return rows;
}
