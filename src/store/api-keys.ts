import type { Mode, Tenant } from '../domain/types.ts';
import { sha256 } from '../trust/canonical.ts';
import { newId } from '../trust/new-id.ts';
import { randomBytes } from 'node:crypto';
import type { Db } from './pool.ts';

export interface ApiKeyRow {
  id: string;
  orgId: string;
  mode: Mode;
  name: string;
  hint: string;
  scopes: string[];
  highTrust: boolean;
  signingSecretSealed: string | null;
  createdAt: Date;
  expiresAt: Date | null;
  revokedAt: Date | null;
}

const COLUMNS = `k.id, k.org_id AS "orgId", k.mode, k.name, k.hint, k.scopes, k.high_trust AS "highTrust",
  k.signing_secret_sealed AS "signingSecretSealed", k.created_at AS "createdAt", k.expires_at AS "expiresAt",
  k.revoked_at AS "revokedAt"`;

/** A fresh key text: `prk_test_…` or `prk_live_…` and 256 random bits. Only its SHA-256 is stored. */
export function newApiKeySecret(mode: Mode): string {
  return `prk_${mode}_${randomBytes(32).toString('base64url')}`;
}

/** The live key with this text, of an active organization. */
export async function findLiveApiKey(db: Db, secret: string): Promise<ApiKeyRow | undefined> {
  const { rows } = await db.query<ApiKeyRow>({
    name: 'find-live-api-key',
    text: `SELECT ${COLUMNS} FROM api_keys k JOIN organizations o ON o.id = k.org_id
            WHERE k.secret_sha256 = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
              AND o.status = 'active'`,
    values: [sha256(secret)],
  });
  return rows[0];
}

export interface NewApiKey {
  tenant: Tenant;
  name: string;
  scopes: string[];
  secret: string;
  highTrust?: boolean;
  signingSecretSealed?: string;
  expiresAt?: Date;
}

export async function insertApiKey(db: Db, key: NewApiKey): Promise<ApiKeyRow> {
  const { rows } = await db.query<ApiKeyRow>(
    `INSERT INTO api_keys AS k (id, org_id, mode, name, secret_sha256, hint, scopes, high_trust, signing_secret_sealed,
                                expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING ${COLUMNS}`,
    [
      newId(),
      key.tenant.orgId,
      key.tenant.mode,
      key.name,
      sha256(key.secret),
      `…${key.secret.slice(-4)}`,
      key.scopes,
      key.highTrust ?? false,
      key.signingSecretSealed ?? null,
      key.expiresAt ?? null,
    ],
  );
  return rows[0]!;
}

export async function listApiKeys(db: Db, tenant: Tenant): Promise<ApiKeyRow[]> {
  const { rows } = await db.query<ApiKeyRow>(
    `SELECT ${COLUMNS} FROM api_keys k WHERE k.org_id = $1 AND k.mode = $2 ORDER BY k.id`,
    [tenant.orgId, tenant.mode],
  );
  return rows;
}

/** Withdraws a key; the first withdrawal's time stays. `undefined` when the tenant has no such key. */
export async function revokeApiKey(db: Db, tenant: Tenant, id: string, at: Date): Promise<ApiKeyRow | undefined> {
  const { rows } = await db.query<ApiKeyRow>(
    `UPDATE api_keys k SET revoked_at = COALESCE(k.revoked_at, $4)
      WHERE k.org_id = $1 AND k.mode = $2 AND k.id = $3 RETURNING ${COLUMNS}`,
    [tenant.orgId, tenant.mode, id, at],
  );
  return rows[0];
}
