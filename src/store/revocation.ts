import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

export type RevocationKind = 'delegation' | 'agent' | 'principal';

export interface RevokedStatus {
  /** Whether this call withdrew it, or an earlier one had. */
  now: boolean;
  revokedAt: Date;
}

const STATUS_SQL: Record<'agent' | 'principal', { table: string; gone: string; set: string }> = {
  agent: { table: 'agents', gone: 'retired', set: `status = 'retired', revocation_reason = $5` },
  principal: { table: 'principals', gone: 'closed', set: `status = 'closed'` },
};

/**
 * Withdraws an agent (retired) or a principal (closed).
 * @returns `undefined` when the tenant has no such thing
 */
export async function withdraw(
  db: Db,
  tenant: Tenant,
  kind: 'agent' | 'principal',
  id: string,
  { at, reason }: { at: Date; reason: string },
): Promise<RevokedStatus | undefined> {
  const { table, gone, set } = STATUS_SQL[kind];
  const reasonless = kind === 'principal' ? [] : [reason];
  const done = await db.query(
    `UPDATE ${table} SET ${set}, updated_at = $4 WHERE org_id = $1 AND mode = $2 AND id = $3 AND status <> '${gone}'`,
    [tenant.orgId, tenant.mode, id, at, ...reasonless],
  );
  if (done.rowCount === 1) return { now: true, revokedAt: at };
  const { rows } = await db.query<{ revokedAt: Date }>(
    `SELECT updated_at AS "revokedAt" FROM ${table} WHERE org_id = $1 AND mode = $2 AND id = $3`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0] && { now: false, revokedAt: rows[0].revokedAt };
}

/**
 * Withdraws the delegation, or all of an agent or principal, and everything delegated on from them.
 * @returns the delegations withdrawn now, oldest first
 */
export async function revokeDelegations(
  db: Db,
  tenant: Tenant,
  kind: RevocationKind,
  id: string,
  { at, reason }: { at: Date; reason: string },
): Promise<{ id: string; agentId: string }[]> {
  const ids = await holdTree(db, tenant, kind, id);
  const { rows } = await db.query<{ id: string; agentId: string }>(
    `WITH revoked AS (
       UPDATE delegations SET status = 'revoked', revoked_at = $4, revocation_reason = $5
        WHERE org_id = $1 AND mode = $2 AND id = ANY ($3::uuid[]) RETURNING id, agent_id AS "agentId")
     SELECT * FROM revoked ORDER BY id`,
    [tenant.orgId, tenant.mode, ids, at, reason],
  );
  return rows;
}

/**
 * Locks the live delegations of a tree, in the order of their ids, as everybody does who charges them or gives back:
 * generation by generation would lock siblings, and what was made within a millisecond, in another order. The lock waits
 * for those who are delegating further, so it is asked for until nothing new has come.
 */
async function holdTree(db: Db, tenant: Tenant, kind: RevocationKind, id: string): Promise<string[]> {
  const roots = {
    delegation: 'd.id = $3',
    agent: 'd.agent_id = $3',
    // What the principal granted, and what its agents hold from anybody.
    principal: `(d.principal_id = $3 OR d.agent_id IN (
      SELECT a.id FROM agents a WHERE a.org_id = $1 AND a.mode = $2 AND a.principal_id = $3))`,
  }[kind];
  for (let held = -1; ;) {
    const { rows } = await db.query<{ id: string }>(
      `WITH RECURSIVE down AS (
         SELECT d.id FROM delegations d WHERE d.org_id = $1 AND d.mode = $2 AND ${roots}
         UNION
         SELECT d.id FROM delegations d JOIN down ON d.parent_id = down.id)
       SELECT d.id FROM delegations d WHERE d.id IN (SELECT id FROM down) AND d.status = 'active'
        ORDER BY d.id FOR NO KEY UPDATE`,
      [tenant.orgId, tenant.mode, id],
    );
    if (rows.length === held) return rows.map((row) => row.id);
    held = rows.length;
  }
}

/** Withdraws every live key of an agent: none is good for a proof any more. @returns their ids */
export async function revokeKeysOf(
  db: Db,
  tenant: Tenant,
  agentId: string,
  { at, reason }: { at: Date; reason: string },
): Promise<string[]> {
  const { rows } = await db.query<{ id: string }>(
    `UPDATE agent_keys SET status = 'revoked', revoked_at = $4, revocation_reason = $5
      WHERE org_id = $1 AND mode = $2 AND agent_id = $3 AND status = 'active' RETURNING id`,
    [tenant.orgId, tenant.mode, agentId, at, reason],
  );
  return rows.map(({ id }) => id).sort();
}

/** Withdraws an OAuth client; its access tokens are refused from then on. `undefined` when the tenant has none such. */
export async function revokeClient(db: Db, tenant: Tenant, id: string, at: Date): Promise<Date | undefined> {
  const { rows } = await db.query<{ revokedAt: Date }>(
    `UPDATE oauth_clients SET revoked_at = COALESCE(revoked_at, $4)
      WHERE org_id = $1 AND mode = $2 AND id = $3 RETURNING revoked_at AS "revokedAt"`,
    [tenant.orgId, tenant.mode, id, at],
  );
  return rows[0]?.revokedAt;
}

/** What the first revocation of this thing answered. */
export async function findRevocation(db: Db, tenant: Tenant, targetId: string): Promise<unknown> {
  const { rows } = await db.query<{ answer: unknown }>(
    'SELECT answer FROM revocations WHERE org_id = $1 AND mode = $2 AND target_id = $3',
    [tenant.orgId, tenant.mode, targetId],
  );
  return rows[0]?.answer;
}

export async function keepRevocation(
  db: Db,
  tenant: Tenant,
  targetId: string,
  { answer, at }: { answer: object; at: Date },
): Promise<void> {
  await db.query(
    `INSERT INTO revocations (org_id, mode, target_id, answer, revoked_at) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT DO NOTHING`,
    [tenant.orgId, tenant.mode, targetId, JSON.stringify(answer), at],
  );
}
