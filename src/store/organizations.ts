import type { Mode } from '../domain/types.ts';
import { newId } from '../trust/new-id.ts';
import type { Db } from './pool.ts';

const MODES: Mode[] = ['test', 'live'];

/** A new organization with the heads of its two audit trails, one per mode. @returns its id */
export async function createOrganization(db: Db, { name }: { name: string }): Promise<string> {
  const id = newId();
  await db.query('INSERT INTO organizations (id, name) VALUES ($1, $2)', [id, name]);
  await db.query('INSERT INTO audit_heads (org_id, mode) SELECT $1, unnest($2::text[])', [id, MODES]);
  return id;
}

export interface OrganizationRow {
  id: string;
  name: string;
  status: 'active' | 'suspended' | 'closed';
  createdAt: Date;
}

const COLUMNS = 'id, name, status, created_at AS "createdAt"';

/** Oldest first. */
export async function listOrganizations(db: Db): Promise<OrganizationRow[]> {
  const { rows } = await db.query<OrganizationRow>(`SELECT ${COLUMNS} FROM organizations ORDER BY id`);
  return rows;
}

export async function findOrganization(db: Db, id: string): Promise<OrganizationRow | undefined> {
  const { rows } = await db.query<OrganizationRow>(`SELECT ${COLUMNS} FROM organizations WHERE id = $1`, [id]);
  return rows[0];
}

/** @returns the organization as it is now, and its name before */
export async function renameOrganization(
  db: Db,
  id: string,
  name: string,
): Promise<{ row: OrganizationRow; before: string } | undefined> {
  const { rows } = await db.query<{ name: string }>('SELECT name FROM organizations WHERE id = $1 FOR UPDATE', [id]);
  if (!rows[0]) return undefined;
  const renamed = await db.query<OrganizationRow>(
    `UPDATE organizations SET name = $2 WHERE id = $1 RETURNING ${COLUMNS}`,
    [id, name],
  );
  return { row: renamed.rows[0]!, before: rows[0].name };
}
