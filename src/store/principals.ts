import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

/** What somebody attests of a principal; times are RFC 3339 UTC. */
export interface StoredAttestation {
  type: string;
  claim?: string;
  source: string;
  reference?: string;
  issued_at?: string;
  expires_at?: string;
}

export interface PrincipalRow {
  id: string;
  externalRef: string;
  type: 'person' | 'organization';
  name: string;
  email: string | null;
  phone: string | null;
  country: string | null;
  status: 'active' | 'suspended' | 'closed';
  stepUpMethods: string[];
  totpEnrolled: boolean;
  totpConfirmedAt: Date | null;
  attestations: StoredAttestation[];
  metadata: Record<string, unknown>;
  createdAt: Date;
  updatedAt: Date;
}

const COLUMNS = `p.id, p.external_ref AS "externalRef", p.type, p.name, p.email, p.phone, p.country, p.status, p.attestations,
  p.step_up_methods AS "stepUpMethods", p.totp_secret_sealed IS NOT NULL AS "totpEnrolled",
  p.totp_confirmed_at AS "totpConfirmedAt", p.metadata, p.created_at AS "createdAt", p.updated_at AS "updatedAt"`;

export interface PrincipalInput {
  externalRef: string;
  type: 'person' | 'organization';
  name: string;
  email?: string;
  phone?: string;
  country?: string;
  stepUpMethods?: string[];
  attestations?: StoredAttestation[];
  metadata?: Record<string, unknown>;
}

/**
 * Registers a principal, or updates the one with this external reference; members that are absent keep their values.
 * @returns `undefined` when it exists as the other type: a person does not become a company
 */
export async function upsertPrincipal(
  db: Db,
  tenant: Tenant,
  id: string,
  input: PrincipalInput,
): Promise<(PrincipalRow & { created: boolean }) | undefined> {
  const { rows } = await db.query<PrincipalRow & { created: boolean }>(
    `INSERT INTO principals AS p (id, org_id, mode, external_ref, type, name, email, country, step_up_methods, metadata,
                                   phone, attestations)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, COALESCE($9::text[], '{}'), COALESCE($10::jsonb, '{}'), $11,
             COALESCE($12::jsonb, '[]'))
     ON CONFLICT (org_id, mode, external_ref) DO UPDATE
        SET name = EXCLUDED.name,
            email = COALESCE(EXCLUDED.email, p.email),
            phone = COALESCE(EXCLUDED.phone, p.phone),
            country = COALESCE(EXCLUDED.country, p.country),
            step_up_methods = COALESCE($9::text[], p.step_up_methods),
            metadata = COALESCE($10::jsonb, p.metadata),
            attestations = COALESCE($12::jsonb, p.attestations),
            updated_at = now()
      WHERE p.type = EXCLUDED.type
     RETURNING ${COLUMNS}, p.id = $1 AS created`,
    [
      id,
      tenant.orgId,
      tenant.mode,
      input.externalRef,
      input.type,
      input.name,
      input.email ?? null,
      input.country ?? null,
      input.stepUpMethods ?? null,
      input.metadata === undefined ? null : JSON.stringify(input.metadata),
      input.phone ?? null,
      input.attestations === undefined ? null : JSON.stringify(input.attestations),
    ],
  );
  return rows[0];
}

export async function findPrincipal(db: Db, tenant: Tenant, id: string): Promise<PrincipalRow | undefined> {
  const { rows } = await db.query<PrincipalRow>({
    name: 'find-principal',
    text: `SELECT ${COLUMNS} FROM principals p WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0];
}

/** The status of a principal, held until the transaction ends: a revocation waits, or has been. */
export async function holdPrincipal(db: Db, tenant: Tenant, id: string): Promise<PrincipalRow['status'] | undefined> {
  const { rows } = await db.query<{ status: PrincipalRow['status'] }>(
    'SELECT status FROM principals WHERE org_id = $1 AND mode = $2 AND id = $3 FOR SHARE',
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0]?.status;
}

export interface PrincipalFilter {
  after?: string;
  limit: number;
  status?: PrincipalRow['status'];
  type?: PrincipalRow['type'];
  externalRef?: string;
}

/** Principals in order of registration, beginning after `after`. */
export async function listPrincipals(db: Db, tenant: Tenant, filter: PrincipalFilter): Promise<PrincipalRow[]> {
  const { rows } = await db.query<PrincipalRow>(
    `SELECT ${COLUMNS} FROM principals p
      WHERE p.org_id = $1 AND p.mode = $2 AND ($3::uuid IS NULL OR p.id > $3) AND ($4::text IS NULL OR p.status = $4)
        AND ($5::text IS NULL OR p.type = $5) AND ($6::text IS NULL OR p.external_ref = $6)
      ORDER BY p.id LIMIT $7`,
    [
      tenant.orgId,
      tenant.mode,
      filter.after ?? null,
      filter.status ?? null,
      filter.type ?? null,
      filter.externalRef ?? null,
      filter.limit,
    ],
  );
  return rows;
}

/**
 * Suspends a principal, or lets it act again; a closed one stays closed. `changed` tells the first time from repeats.
 * @returns `undefined` when the tenant has no such principal
 */
export async function setPrincipalStatus(
  db: Db,
  tenant: Tenant,
  id: string,
  status: 'active' | 'suspended',
): Promise<{ changed: boolean; row: PrincipalRow } | undefined> {
  const { rows } = await db.query<PrincipalRow>(
    `UPDATE principals p SET status = $4, updated_at = now()
      WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3 AND p.status NOT IN ('closed', $4) RETURNING ${COLUMNS}`,
    [tenant.orgId, tenant.mode, id, status],
  );
  if (rows[0]) return { changed: true, row: rows[0] };
  const row = await findPrincipal(db, tenant, id);
  return row && { changed: false, row };
}
