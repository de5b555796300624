import type { HistoryFact, PolicyRules } from '../domain/policy.ts';
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
  /** Since when it is watched beside the active one; null when it is not. */
  observingSince: Date | null;
}

const COLUMNS = `p.id, p.name, p.version, p.status, p.rules, p.created_at AS "createdAt",
                 p.activated_at AS "activatedAt", p.observing_since AS "observingSince"`;

/** One change of policies of an organization at a time: versions stay gapless, and one policy active. */
async function holdPolicies(db: Db, tenant: Tenant): Promise<void> {
  await db.query('SELECT 1 FROM organizations WHERE id = $1 FOR NO KEY UPDATE', [tenant.orgId]);
}

/**
 * Stores a draft: the next version under its name. @param history what the rules ask of the past; a rule whose question
 * is missing there fails
 */
export async function insertPolicy(
  db: Db,
  tenant: Tenant,
  { name, rules, history = [] }: { name: string; rules: PolicyRules; history?: HistoryFact[] },
): Promise<PolicyRow> {
  await holdPolicies(db, tenant);
  const { rows } = await db.query<PolicyRow>(
    `INSERT INTO policies AS p (id, org_id, mode, name, version, rules, history)
     SELECT $1, $2, $3, $4, COALESCE(max(version), 0) + 1, $5, $6 FROM policies
      WHERE org_id = $2 AND mode = $3 AND name = $4
     RETURNING ${COLUMNS}`,
    [newId(), tenant.orgId, tenant.mode, name, JSON.stringify(rules), JSON.stringify(history)],
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
    `UPDATE policies p SET status = 'active', activated_at = $2, observing_since = NULL
      WHERE p.id = $1 RETURNING ${COLUMNS}`,
    [id, at],
  );
  return { policy: rows[0]!, replaced: before.rows[0]?.id, changed: true };
}

/**
 * Watches a policy beside the active one from now on, in the place of the one watched before; `null` watches none.
 * @returns `undefined` when there is no such policy, or it is the active one
 */
export async function observePolicy(
  db: Db,
  tenant: Tenant,
  id: string,
  since: Date | null,
): Promise<{ policy: PolicyRow; replaced?: string; changed: boolean } | undefined> {
  await holdPolicies(db, tenant);
  const policy = await findPolicy(db, tenant, id);
  if (!policy || policy.status === 'active') return undefined;
  if ((policy.observingSince === null) === (since === null)) return { policy, changed: false };
  const before = await db.query<{ id: string }>(
    `UPDATE policies SET observing_since = NULL
      WHERE org_id = $1 AND mode = $2 AND observing_since IS NOT NULL RETURNING id`,
    [tenant.orgId, tenant.mode],
  );
  const { rows } = await db.query<PolicyRow>(
    `UPDATE policies p SET observing_since = $2 WHERE p.id = $1 RETURNING ${COLUMNS}`,
    [id, since],
  );
  return { policy: rows[0]!, replaced: before.rows.find((row) => row.id !== id)?.id, changed: true };
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
