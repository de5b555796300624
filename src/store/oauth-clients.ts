import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { JWK } from 'jose';
import type { Mode, Tenant } from '../domain/types.ts';
import { sha256 } from '../trust/canonical.ts';
import type { Db } from './pool.ts';

/** A further organization that accepted the client, and what the client may do there. */
export interface Membership {
  orgId: string;
  scopes: string[];
}

export interface OauthClientRow {
  id: string;
  /** The organization that the client was made in, and that manages it. */
  orgId: string;
  mode: Mode;
  name: string;
  scopes: string[];
  highTrust: boolean;
  /** Only DPoP-bound tokens are issued to it. */
  dpopBound: boolean;
  signingSecretSealed: string | null;
  /** Good beside the present one until the overlap of a rotation ends. */
  previousSigningSecretSealed: string | null;
  /** The end of that overlap, while it lasts. */
  previousSecretUntil: Date | null;
  memberships: Membership[];
}

/** A client with what it may authenticate by: hashes of its secrets, or public keys. */
export interface ClientWithSecrets extends OauthClientRow {
  secretHashes: Buffer[];
  jwks: { keys: JWK[] } | null;
}

const OVERLAP = 'c.previous_secret_until > now()';
const COLUMNS = `c.id, c.org_id AS "orgId", c.mode, c.name, c.scopes, c.high_trust AS "highTrust",
  c.dpop_bound AS "dpopBound", c.signing_secret_sealed AS "signingSecretSealed",
  CASE WHEN ${OVERLAP} THEN c.previous_signing_secret_sealed END AS "previousSigningSecretSealed",
  CASE WHEN ${OVERLAP} THEN c.previous_secret_until END AS "previousSecretUntil",
  COALESCE((SELECT jsonb_agg(jsonb_build_object('orgId', m.org_id, 'scopes', m.scopes) ORDER BY m.org_id)
              FROM oauth_client_organizations m JOIN organizations mo ON mo.id = m.org_id
             WHERE m.client_id = c.id AND m.mode = c.mode AND m.accepted_at IS NOT NULL AND mo.status = 'active'),
           '[]') AS memberships`;
const LIVE = `FROM oauth_clients c JOIN organizations o ON o.id = c.org_id
            WHERE c.id = $1 AND c.revoked_at IS NULL AND o.status = 'active'`;

/** The live client with what it authenticates by. */
export async function findClientWithSecrets(db: Db, id: string): Promise<ClientWithSecrets | undefined> {
  const { rows } = await db.query<ClientWithSecrets>({
    name: 'find-client-with-secrets',
    text: `SELECT ${COLUMNS}, c.jwks,
                  array_remove(ARRAY[c.secret_sha256, CASE WHEN ${OVERLAP} THEN c.previous_secret_sha256 END], NULL)
                    AS "secretHashes" ${LIVE}`,
    values: [id],
  });
  return rows[0];
}

/**
 * The live client, if the secret is its own, or the one before within the overlap of a rotation. A wrong secret and an
 * unknown client cannot be told apart.
 */
export async function authenticateClient(db: Db, id: string, secret: string): Promise<OauthClientRow | undefined> {
  const client = await findClientWithSecrets(db, id);
  const given = sha256(secret);
  return client?.secretHashes.some((hash) => timingSafeEqual(hash, given)) ? client : undefined;
}

/** The live client of an access token that was not withdrawn: both in one round trip. */
export async function findTokenClient(db: Db, clientId: string, jti: string): Promise<OauthClientRow | undefined> {
  const { rows } = await db.query<OauthClientRow>({
    name: 'find-token-client',
    text: `SELECT ${COLUMNS} ${LIVE} AND NOT EXISTS (SELECT 1 FROM revoked_tokens t WHERE t.jti = $2)`,
    values: [clientId, jti],
  });
  return rows[0];
}

/** The organizations that a client may act in, its own first, each with the scopes it has there. */
export function organizationsOf(client: OauthClientRow): Membership[] {
  return [{ orgId: client.orgId, scopes: client.scopes }, ...client.memberships];
}

/** Withdraws an access token; tokens that have expired meanwhile are forgotten. */
export async function revokeToken(db: Db, jti: string, expiresAt: Date): Promise<void> {
  await db.query(
    `WITH forgotten AS (DELETE FROM revoked_tokens WHERE expires_at < now())
     INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING`,
    [jti, expiresAt],
  );
}

export interface NewOauthClient {
  tenant: Tenant;
  name: string;
  scopes: string[];
  /** Exactly one of `secret` and `jwks`: what it authenticates by. */
  secret?: string;
  jwks?: { keys: JWK[] };
  highTrust?: boolean;
  dpopBound?: boolean;
  /** Secret of X-Signature; by convention the client secret itself, sealed. */
  signingSecretSealed?: string;
}

export function newClientSecret(): string {
  return `prs_${randomBytes(32).toString('base64url')}`;
}

/** @returns the client id */
export async function insertOauthClient(db: Db, client: NewOauthClient): Promise<string> {
  const id = `client_${randomBytes(12).toString('hex')}`;
  await db.query(
    `INSERT INTO oauth_clients (id, org_id, mode, name, secret_sha256, jwks, scopes, high_trust, dpop_bound,
                                signing_secret_sealed)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      id,
      client.tenant.orgId,
      client.tenant.mode,
      client.name,
      client.secret === undefined ? null : sha256(client.secret),
      client.jwks === undefined ? null : JSON.stringify(client.jwks),
      client.scopes,
      client.highTrust ?? false,
      client.dpopBound ?? false,
      client.signingSecretSealed ?? null,
    ],
  );
  return id;
}
