import type { ActiveRouting, MidCandidate, RoutingRule } from '../../domain/routing.ts';
import type { Tenant } from '../../domain/types.ts';
import { newId } from '../../trust/new-id.ts';
import type { Db } from '../pool.ts';
import { midsSql, routingSql } from './gather.ts';

/** One version of the rules. */
export interface RoutingRulesRow {
  id: string;
  name: string;
  version: number;
  status: 'draft' | 'active' | 'archived';
  rules: RoutingRule[];
  createdAt: Date;
  activatedAt: Date | null;
  /** Who leads under each rule that goes by success: account by name of the rule. */
  leaders: Record<string, string> | null;
}

const COLUMNS = `r.id, r.name, r.version, r.status, r.rules, r.created_at AS "createdAt", r.activated_at AS "activatedAt",
  (SELECT jsonb_object_agg(l.rule, l.mid_id) FROM routing_leaders l WHERE l.rules_id = r.id) AS leaders`;

/** One change of an organization's rules at a time: versions stay gapless, and one active. */
async function holdRules(db: Db, { orgId }: Tenant): Promise<void> {
  await db.query('SELECT 1 FROM organizations WHERE id = $1 FOR NO KEY UPDATE', [orgId]);
}

/** Stores a draft: the next version under its name. */
export async function insertRoutingRules(
  db: Db,
  tenant: Tenant,
  { name, rules }: { name: string; rules: RoutingRule[] },
): Promise<RoutingRulesRow> {
  await holdRules(db, tenant);
  const { rows } = await db.query<RoutingRulesRow>(
    `INSERT INTO routing_rules AS r (id, org_id, mode, name, version, rules)
     SELECT $1, $2, $3, $4, COALESCE(max(version), 0) + 1, $5 FROM routing_rules
      WHERE org_id = $2 AND mode = $3 AND name = $4
     RETURNING ${COLUMNS}`,
    [newId(), tenant.orgId, tenant.mode, name, JSON.stringify(rules)],
  );
  return rows[0]!;
}

/**
 * Makes them the active ones and archives those before; archived ones may come back.
 * @returns `undefined` when there are none of that id; `changed` is false when they were active already
 */
export async function activateRoutingRules(
  db: Db,
  tenant: Tenant,
  id: string,
  at: Date,
): Promise<{ row: RoutingRulesRow; replaced?: string; changed: boolean } | undefined> {
  await holdRules(db, tenant);
  const row = await findRoutingRules(db, tenant, id);
  if (!row) return undefined;
  if (row.status === 'active') return { row, changed: false };
  const before = await db.query<{ id: string }>(
    `UPDATE routing_rules SET status = 'archived' WHERE org_id = $1 AND mode = $2 AND status = 'active' RETURNING id`,
    [tenant.orgId, tenant.mode],
  );
  const { rows } = await db.query<RoutingRulesRow>(
    `UPDATE routing_rules r SET status = 'active', activated_at = $4
      WHERE r.org_id = $1 AND r.mode = $2 AND r.id = $3 RETURNING ${COLUMNS}`,
    [tenant.orgId, tenant.mode, id, at],
  );
  return { row: rows[0]!, replaced: before.rows[0]?.id, changed: true };
}

export async function findRoutingRules(db: Db, tenant: Tenant, id: string): Promise<RoutingRulesRow | undefined> {
  const { rows } = await db.query<RoutingRulesRow>(
    `SELECT ${COLUMNS} FROM routing_rules r WHERE r.org_id = $1 AND r.mode = $2 AND r.id = $3`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0];
}

/** Newest first, beginning after `before`. */
export async function listRoutingRules(
  db: Db,
  tenant: Tenant,
  page: { before?: string; limit: number; status?: RoutingRulesRow['status'] },
): Promise<RoutingRulesRow[]> {
  const { rows } = await db.query<RoutingRulesRow>(
    `SELECT ${COLUMNS} FROM routing_rules r
      WHERE r.org_id = $1 AND r.mode = $2 AND ($3::uuid IS NULL OR r.id < $3) AND ($4::text IS NULL OR r.status = $4)
      ORDER BY r.id DESC LIMIT $5`,
    [tenant.orgId, tenant.mode, page.before ?? null, page.status ?? null, page.limit],
  );
  return rows;
}

/** Every account as it is now, and these rules, active or not. */
export async function routingAsOf(
  db: Db,
  tenant: Tenant,
  id: string,
  at: Date,
): Promise<{ mids: MidCandidate[]; routing: ActiveRouting | null }> {
  const { rows } = await db.query<{ mids: MidCandidate[]; routing: ActiveRouting | null }>(
    `SELECT ${midsSql('$3', 'always')} AS mids, ${routingSql('r.id = $4')} AS routing`,
    [tenant.orgId, tenant.mode, at, id],
  );
  return rows[0]!;
}
