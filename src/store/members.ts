import type { Role } from '../domain/roles.ts';
import type { Tenant } from '../domain/types.ts';
import { newId } from '../trust/new-id.ts';
import type { Db } from './pool.ts';

export const MEMBER_STATUSES = ['invited', 'active', 'suspended', 'removed'] as const;
export type MemberStatus = (typeof MEMBER_STATUSES)[number];

export interface MemberRow {
  id: string;
  email: string;
  name: string;
  roles: Role[];
  status: MemberStatus;
  createdAt: Date;
  updatedAt: Date;
}

const COLUMNS = `m.id, m.email, m.name, m.roles, m.status, m.created_at AS "createdAt", m.updated_at AS "updatedAt"`;

/** Invites somebody; `undefined` when a member who was not removed has this address. */
export async function insertMember(
  db: Db,
  tenant: Tenant,
  member: Pick<MemberRow, 'email' | 'name' | 'roles'>,
): Promise<MemberRow | undefined> {
  const { rows } = await db.query<MemberRow>(
    `INSERT INTO members AS m (id, org_id, mode, email, name, roles) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (org_id, mode, email) WHERE status <> 'removed' DO NOTHING RETURNING ${COLUMNS}`,
    [newId(), tenant.orgId, tenant.mode, member.email, member.name, member.roles],
  );
  return rows[0];
}

export async function findMember(db: Db, tenant: Tenant, id: string): Promise<MemberRow | undefined> {
  const { rows } = await db.query<MemberRow>(
    `SELECT ${COLUMNS} FROM members m WHERE m.org_id = $1 AND m.mode = $2 AND m.id = $3`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0];
}

export interface MemberPage {
  status?: MemberStatus | undefined;
  role?: Role | undefined;
  after?: string | undefined;
  limit: number;
}

/** Members in the order in which they were invited. */
export async function listMembers(db: Db, tenant: Tenant, page: MemberPage): Promise<MemberRow[]> {
  const { rows } = await db.query<MemberRow>(
    `SELECT ${COLUMNS} FROM members m
      WHERE m.org_id = $1 AND m.mode = $2 AND ($3::text IS NULL OR m.status = $3)
        AND ($4::text IS NULL OR $4 = ANY (m.roles)) AND ($5::uuid IS NULL OR m.id > $5)
      ORDER BY m.id LIMIT $6`,
    [tenant.orgId, tenant.mode, page.status ?? null, page.role ?? null, page.after ?? null, page.limit],
  );
  return rows;
}

/**
 * Holds a member and all owners until the transaction ends: of two changes at once, the second sees what the first has
 * left. Rows are taken in one order, so that they cannot wait for each other.
 */
export async function holdMemberAndOwners(
  db: Db,
  tenant: Tenant,
  id: string,
): Promise<{ member: MemberRow | undefined; owners: MemberRow[] }> {
  const { rows } = await db.query<MemberRow>(
    `SELECT ${COLUMNS} FROM members m
      WHERE m.org_id = $1 AND m.mode = $2 AND (m.id = $3 OR ('owner' = ANY (m.roles) AND m.status <> 'removed'))
      ORDER BY m.id FOR UPDATE`,
    [tenant.orgId, tenant.mode, id],
  );
  return {
    member: rows.find((row) => row.id === id),
    owners: rows.filter((row) => row.roles.includes('owner') && row.status !== 'removed'),
  };
}

export async function updateMember(
  db: Db,
  tenant: Tenant,
  { id, name, roles, status }: Pick<MemberRow, 'id' | 'name' | 'roles' | 'status'>,
  at: Date,
): Promise<MemberRow> {
  const { rows } = await db.query<MemberRow>(
    `UPDATE members m SET name = $4, roles = $5, status = $6, updated_at = $7
      WHERE m.org_id = $1 AND m.mode = $2 AND m.id = $3 RETURNING ${COLUMNS}`,
    [tenant.orgId, tenant.mode, id, name, roles, status, at],
  );
  return rows[0]!;
}
