import type { JWK } from 'jose';
import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

export interface TrustBundleRow {
  trustDomain: string;
  /** Each with its `kid`. */
  jwtKeys: (JWK & { kid: string })[];
  /** PEM. */
  x509Anchors: string[];
  /** PEM. */
  x509Crls: string[];
  createdAt: Date;
  updatedAt: Date;
}

const COLUMNS = `b.trust_domain AS "trustDomain", b.jwt_keys AS "jwtKeys", b.x509_anchors AS "x509Anchors",
  b.x509_crls AS "x509Crls", b.created_at AS "createdAt", b.updated_at AS "updatedAt"`;

/** Puts a bundle in the place of the one that the trust domain had. */
export async function putTrustBundle(
  db: Db,
  tenant: Tenant,
  bundle: Pick<TrustBundleRow, 'trustDomain' | 'jwtKeys' | 'x509Anchors' | 'x509Crls'>,
): Promise<TrustBundleRow & { created: boolean }> {
  const { rows } = await db.query<TrustBundleRow & { created: boolean }>(
    `INSERT INTO trust_bundles AS b (org_id, mode, trust_domain, jwt_keys, x509_anchors, x509_crls) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (org_id, mode, trust_domain) DO UPDATE
        SET jwt_keys = EXCLUDED.jwt_keys, x509_anchors = EXCLUDED.x509_anchors, x509_crls = EXCLUDED.x509_crls,
            updated_at = now()
     RETURNING ${COLUMNS}, xmax = 0 AS created`,
    [
      tenant.orgId,
      tenant.mode,
      bundle.trustDomain,
      JSON.stringify(bundle.jwtKeys),
      bundle.x509Anchors,
      bundle.x509Crls,
    ],
  );
  return rows[0]!;
}

export async function findTrustBundle(
  db: Db,
  tenant: Tenant,
  trustDomain: string,
): Promise<TrustBundleRow | undefined> {
  const { rows } = await db.query<TrustBundleRow>(
    `SELECT ${COLUMNS} FROM trust_bundles b WHERE b.org_id = $1 AND b.mode = $2 AND b.trust_domain = $3`,
    [tenant.orgId, tenant.mode, trustDomain],
  );
  return rows[0];
}

export async function listTrustBundles(db: Db, tenant: Tenant): Promise<TrustBundleRow[]> {
  const { rows } = await db.query<TrustBundleRow>(
    `SELECT ${COLUMNS} FROM trust_bundles b WHERE b.org_id = $1 AND b.mode = $2 ORDER BY b.trust_domain`,
    [tenant.orgId, tenant.mode],
  );
  return rows;
}

/** @returns whether there was one */
export async function deleteTrustBundle(db: Db, tenant: Tenant, trustDomain: string): Promise<boolean> {
  const { rowCount } = await db.query(
    'DELETE FROM trust_bundles WHERE org_id = $1 AND mode = $2 AND trust_domain = $3',
    [tenant.orgId, tenant.mode, trustDomain],
  );
  return rowCount === 1;
}
