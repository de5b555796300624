import type { JWK } from 'jose';
import type { Tenant } from '../domain/types.ts';
import { sha256 } from '../trust/canonical.ts';
import type { Db } from './pool.ts';

/** A client as its organization manages it. */
export interface ClientRecord {
  id: string;
  name: string;
  scopes: string[];
  mode: 'test' | 'live';
  highTrust: boolean;
  dpopBound: boolean;
  jwks: { keys: JWK[] } | null;
  previousSecretUntil: Date | null;
  /** Organizations that it was offered to, and those that accepted. */
  organizations: { orgId: string; scopes: string[]; acceptedAt: string | null }[];
  createdAt: Date;
  revokedAt: Date | null;
}

const COLUMNS = `c.id, c.name, c.scopes, c.mode, c.high_trust AS "highTrust", c.dpop_bound AS "dpopBound", c.jwks,
  CASE WHEN c.previous_secret_until > now() THEN c.previous_secret_until END AS "previousSecretUntil",
  COALESCE((SELECT jsonb_agg(jsonb_build_object('orgId', m.org_id, 'scopes', m.scopes, 'acceptedAt', m.accepted_at)
                             ORDER BY m.offered_at, m.org_id)
              FROM oauth_client_organizations m WHERE m.client_id = c.id), '[]') AS organizations,
  c.created_at AS "createdAt", c.revoked_at AS "revokedAt"`;
const OWN = 'c.org_id = $1 AND c.mode = $2 AND c.id = $3';

/** Clients of the organization, oldest first. */
export async function listClients(db: Db, { orgId, mode }: Tenant): Promise<ClientRecord[]> {
  const { rows } = await db.query<ClientRecord>(
    `SELECT ${COLUMNS} FROM oauth_clients c WHERE c.org_id = $1 AND c.mode = $2 ORDER BY c.created_at, c.id`,
    [orgId, mode],
  );
  return rows;
}

export async function findClient(db: Db, { orgId, mode }: Tenant, id: string): Promise<ClientRecord | undefined> {
  const { rows } = await db.query<ClientRecord>(`SELECT ${COLUMNS} FROM oauth_clients c WHERE ${OWN}`, [
    orgId,
    mode,
    id,
  ]);
  return rows[0];
}

/**
 * Gives a client another secret; the one before stays good until `overlapEnds`, for authentication and for X-Signature.
 * @returns whether there is such a live client that has a secret
 */
export async function rotateSecret(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
  next: { secret: string; signingSecretSealed: string; overlapEnds: Date },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE oauth_clients c
        SET previous_secret_sha256 = c.secret_sha256, previous_signing_secret_sealed = c.signing_secret_sealed,
            previous_secret_until = $6, secret_sha256 = $4, signing_secret_sealed = $5
      WHERE ${OWN} AND c.revoked_at IS NULL AND c.secret_sha256 IS NOT NULL`,
    [orgId, mode, id, sha256(next.secret), next.signingSecretSealed, next.overlapEnds],
  );
  return rowCount === 1;
}

/** @returns whether there is such a live client that authenticates by keys */
export async function replaceJwks(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
  jwks: { keys: JWK[] },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE oauth_clients c SET jwks = $4 WHERE ${OWN} AND c.revoked_at IS NULL AND c.jwks IS NOT NULL`,
    [orgId, mode, id, JSON.stringify(jwks)],
  );
  return rowCount === 1;
}

/** @returns whether it was live before */
export async function disableClient(db: Db, { orgId, mode }: Tenant, id: string, at: Date): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE oauth_clients c SET revoked_at = $4 WHERE ${OWN} AND c.revoked_at IS NULL`,
    [orgId, mode, id, at],
  );
  return rowCount === 1;
}

/** Offers a client of the tenant to another organization; repeating it changes nothing. */
export async function offerClient(db: Db, { mode }: Tenant, id: string, toOrgId: string, at: Date): Promise<boolean> {
  const { rowCount } = await db.query(
    `INSERT INTO oauth_client_organizations (client_id, org_id, mode, offered_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT DO NOTHING`,
    [id, toOrgId, mode, at],
  );
  return rowCount === 1;
}

/**
 * Accepts a client that was offered to the tenant, or changes what it may do there.
 * @returns whether it was offered
 */
export async function acceptClient(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
  { scopes, at }: { scopes: string[]; at: Date },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE oauth_client_organizations m SET scopes = $4, accepted_at = COALESCE(m.accepted_at, $5)
      WHERE m.org_id = $1 AND m.mode = $2 AND m.client_id = $3`,
    [orgId, mode, id, scopes, at],
  );
  return rowCount === 1;
}

/** Takes a client out of an organization. @returns whether it was in, or offered */
export async function withdrawClient(db: Db, mode: Tenant['mode'], id: string, orgId: string): Promise<boolean> {
  const { rowCount } = await db.query(
    'DELETE FROM oauth_client_organizations WHERE client_id = $1 AND org_id = $2 AND mode = $3',
    [id, orgId, mode],
  );
  return rowCount === 1;
}
