import type { PolicyRules } from '../domain/policy.ts';
import type { Tenant } from '../domain/types.ts';
import { newId } from '../trust/new-id.ts';
import type { Db } from './pool.ts';

export interface PolicyRow {
  id: string;
  name: string;
  version: number;
  status: 'draft' | 'active' | 'archived';
  rules: PolicyRules;
  createdAt: Date;
  activatedAt: Date | null;
}

const COLUMNS = `p.id, p.name, p.version, p.status, p.rules, p.created_at AS "createdAt", p.activated_at AS "activatedAt"`;

/** One change of policies of an organization at a time: versions stay gapless, and one policy active. */
async function holdPolicies(db: Db, tenant: Tenant): Promise<void> {
  await db.query('SELECT 1 FROM organizations WHERE id = $1 FOR NO KEY UPDATE', [tenant.orgId]);
}

/** Stores a draft: the next version under its name. */
export async function insertPolicy(
  db: Db,
  tenant: Tenant,
  { name, rules }: { name: string; rules: PolicyRules },
): Promise<PolicyRow> {
  await holdPolicies(db, tenant);
  const { rows } = await db.query<PolicyRow>(
    `INSERT INTO policies AS p (id, org_id, mode, name, version, rules)
     SELECT $1, $2, $3, $4, COALESCE(max(version), 0) + 1, $5 FROM policies WHERE org_id = $2 AND mode = $3 AND name = $4
     RETURNING ${COLUMNS}`,
    [newId(), tenant.orgId, tenant.mode, name, JSON.stringify(rules)],
  );
  return rows[0]!;
}

/**
 * Makes a policy the active one and archives the one before; an archived policy may come back.
 * @returns `undefined` when there is no such policy; `changed` is false when it was active already
 */
export async function activatePolicy(
  db: Db,
  tenant: Tenant,
  id: string,
  at: Date,
): Promise<{ policy: PolicyRow; replaced?: string; changed: boolean } | undefined> {
  await holdPolicies(db, tenant);
  const policy = await findPolicy(db, tenant, id);
  if (!policy) return undefined;
  if (policy.status === 'active') return { policy, changed: false };
  const before = await db.query<{ id: string }>(
    `UPDATE policies SET status = 'archived' WHERE org_id = $1 AND mode = $2 AND status = 'active' RETURNING id`,
    [tenant.orgId, tenant.mode],
  );
  const { rows } = await db.query<PolicyRow>(
    `UPDATE policies p SET status = 'active', activated_at = $2 WHERE p.id = $1 RETURNING ${COLUMNS}`,
    [id, at],
  );
  return { policy: rows[0]!, replaced: before.rows[0]?.id, changed: true };
}

export async function findPolicy(db: Db, tenant: Tenant, id: string): Promise<PolicyRow | undefined> {
  const { rows } = await db.query<PolicyRow>(
    `SELECT ${COLUMNS} FROM policies p WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0];
}

/** Newest first, beginning after `before`. */
export async function listPolicies(
  db: Db,
  tenant: Tenant,
  page: { before?: string; limit: number; status?: PolicyRow['status'] },
): Promise<PolicyRow[]> {
  const { rows } = await db.query<PolicyRow>(
    `SELECT ${COLUMNS} FROM policies p
      WHERE p.org_id = $1 AND p.mode = $2 AND ($3::uuid IS NULL OR p.id < $3) AND ($4::text IS NULL OR p.status = $4)
      ORDER BY p.id DESC LIMIT $5`,
    [tenant.orgId, tenant.mode, page.before ?? null, page.status ?? null, page.limit],
  );
  return rows;
}
