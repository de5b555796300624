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
