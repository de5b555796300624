import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Mode, Tenant } from '../domain/types.ts';
import { sha256 } from '../trust/canonical.ts';
import type { Db } from './pool.ts';

export interface OauthClientRow {
  id: string;
  orgId: string;
  mode: Mode;
  name: string;
  scopes: string[];
  highTrust: boolean;
  signingSecretSealed: string | null;
}

const COLUMNS = `c.id, c.org_id AS "orgId", c.mode, c.name, c.scopes, c.high_trust AS "highTrust",
  c.signing_secret_sealed AS "signingSecretSealed"`;

/** The live client, if the secret is its own. A wrong secret and an unknown client cannot be told apart. */
export async function authenticateClient(db: Db, id: string, secret: string): Promise<OauthClientRow | undefined> {
  const { rows } = await db.query<OauthClientRow & { secretSha256: Buffer }>({
    name: 'authenticate-client',
    text: `SELECT ${COLUMNS}, c.secret_sha256 AS "secretSha256" FROM oauth_clients c
             JOIN organizations o ON o.id = c.org_id
            WHERE c.id = $1 AND c.revoked_at IS NULL AND o.status = 'active'`,
    values: [id],
  });
  const row = rows[0];
  if (!row || !timingSafeEqual(row.secretSha256, sha256(secret))) return undefined;
  const { secretSha256: _, ...client } = row;
  return client;
}

/** The live client of an access token that was not withdrawn: both in one round trip. */
export async function findTokenClient(db: Db, clientId: string, jti: string): Promise<OauthClientRow | undefined> {
  const { rows } = await db.query<OauthClientRow>({
    name: 'find-token-client',
    text: `SELECT ${COLUMNS} FROM oauth_clients c JOIN organizations o ON o.id = c.org_id
            WHERE c.id = $1 AND c.revoked_at IS NULL AND o.status = 'active'
              AND NOT EXISTS (SELECT 1 FROM revoked_tokens t WHERE t.jti = $2)`,
    values: [clientId, jti],
  });
  return rows[0];
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
  secret: string;
  highTrust?: boolean;
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
    `INSERT INTO oauth_clients (id, org_id, mode, name, secret_sha256, scopes, high_trust, signing_secret_sealed)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
    [
      id,
      client.tenant.orgId,
      client.tenant.mode,
      client.name,
      sha256(client.secret),
      client.scopes,
      client.highTrust ?? false,
      client.signingSecretSealed ?? null,
    ],
  );
  return id;
}
