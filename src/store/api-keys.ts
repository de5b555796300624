import type { Role } from '../domain/roles.ts';
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
  rotatedAt: Date | null;
  revokedAt: Date | null;
  revocationReason: string | null;
  /** The member whose key it is; null: a machine's. */
  memberId: string | null;
}

/** A key as it is found by one of its texts: the newest, or a former one that is still good. */
export interface LiveApiKey extends ApiKeyRow {
  /** When this text ends, with its key or before it. */
  goodUntil: Date | null;
  /** Of the member whose key it is: it may do no more than they; null of a machine's. */
  memberRoles: Role[] | null;
}

const COLUMNS = `k.id, k.org_id AS "orgId", k.mode, k.name, k.hint, k.scopes, k.high_trust AS "highTrust",
  k.signing_secret_sealed AS "signingSecretSealed", k.created_at AS "createdAt", k.expires_at AS "expiresAt",
  k.rotated_at AS "rotatedAt", k.revoked_at AS "revokedAt", k.revocation_reason AS "revocationReason", k.member_id AS "memberId"`;

/** A fresh key text: `prk_test_…` or `prk_live_…` and 256 random bits. Only its SHA-256 is stored. */
export function newApiKeySecret(mode: Mode): string {
  return `prk_${mode}_${randomBytes(32).toString('base64url')}`;
}

/** The live key with this text, of an active organization and, where it belongs to one, an active member; of a former text, with the signing secret of its time. */
export async function findLiveApiKey(db: Db, secret: string): Promise<LiveApiKey | undefined> {
  const { rows } = await db.query<LiveApiKey>({
    name: 'find-live-api-key',
    text: `SELECT ${COLUMNS}, LEAST(k.expires_at, t.valid_until) AS "goodUntil", t.sealed AS "signingSecretSealed",
                  m.roles AS "memberRoles"
             FROM (SELECT id, NULL::timestamptz AS valid_until, signing_secret_sealed AS sealed
                     FROM api_keys WHERE secret_sha256 = $1
                   UNION ALL
                   SELECT api_key_id, valid_until, signing_secret_sealed
                     FROM api_key_former_secrets WHERE secret_sha256 = $1 AND valid_until > now()) t
             JOIN api_keys k ON k.id = t.id JOIN organizations o ON o.id = k.org_id
             LEFT JOIN members m ON m.id = k.member_id
            WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AND o.status = 'active'
              AND (k.member_id IS NULL OR m.status = 'active')`,
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
  memberId?: string;
}

export async function insertApiKey(db: Db, key: NewApiKey): Promise<ApiKeyRow> {
  const { rows } = await db.query<ApiKeyRow>(
    `INSERT INTO api_keys AS k (id, org_id, mode, name, secret_sha256, hint, scopes, high_trust, signing_secret_sealed,
                                expires_at, member_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING ${COLUMNS}`,
    [
      newId(),
      key.tenant.orgId,
      key.tenant.mode,
      key.name,
      sha256(key.secret),
      hintOf(key.secret),
      key.scopes,
      key.highTrust ?? false,
      key.signingSecretSealed ?? null,
      key.expiresAt ?? null,
      key.memberId ?? null,
    ],
  );
  return rows[0]!;
}

export interface ListedApiKey extends ApiKeyRow {
  lastUsedAt: Date | null;
}

const WITH_USE = `SELECT ${COLUMNS}, u.last_used_at AS "lastUsedAt"
    FROM api_keys k LEFT JOIN credential_uses u
      ON u.org_id = k.org_id AND u.mode = k.mode AND u.credential_id = k.id::text`;

/** Keys in the order in which they were made, beginning after `after`. */
export async function listApiKeys(
  db: Db,
  tenant: Tenant,
  page: { after?: string | undefined; limit: number },
): Promise<ListedApiKey[]> {
  const { rows } = await db.query<ListedApiKey>(
    `${WITH_USE} WHERE k.org_id = $1 AND k.mode = $2 AND ($3::uuid IS NULL OR k.id > $3) ORDER BY k.id LIMIT $4`,
    [tenant.orgId, tenant.mode, page.after ?? null, page.limit],
  );
  return rows;
}

export async function findApiKey(db: Db, tenant: Tenant, id: string): Promise<ListedApiKey | undefined> {
  const { rows } = await db.query<ListedApiKey>(`${WITH_USE} WHERE k.org_id = $1 AND k.mode = $2 AND k.id = $3`, [
    tenant.orgId,
    tenant.mode,
    id,
  ]);
  return rows[0];
}

/** Holds a key until the transaction ends. */
export async function holdApiKey(db: Db, tenant: Tenant, id: string): Promise<ApiKeyRow | undefined> {
  const { rows } = await db.query<ApiKeyRow>(
    `SELECT ${COLUMNS} FROM api_keys k WHERE k.org_id = $1 AND k.mode = $2 AND k.id = $3 FOR UPDATE`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0];
}

export interface Rotation {
  secret: string;
  /** Replaces the key's own, when it has one. */
  signingSecretSealed: string | null;
  at: Date;
  /** When every text that the key had before ends, at the latest. */
  formerUntil: Date;
}

/** Gives a key another text, in the caller's transaction. Its former texts stay good until `formerUntil`. */
export async function rotateApiKey(db: Db, tenant: Tenant, id: string, rotation: Rotation): Promise<ApiKeyRow> {
  await db.query(
    `UPDATE api_key_former_secrets SET valid_until = LEAST(valid_until, $4)
      WHERE org_id = $1 AND mode = $2 AND api_key_id = $3`,
    [tenant.orgId, tenant.mode, id, rotation.formerUntil],
  );
  await db.query(
    `INSERT INTO api_key_former_secrets (secret_sha256, org_id, mode, api_key_id, signing_secret_sealed, valid_until)
     SELECT secret_sha256, org_id, mode, id, signing_secret_sealed, $4 FROM api_keys
      WHERE org_id = $1 AND mode = $2 AND id = $3`,
    [tenant.orgId, tenant.mode, id, rotation.formerUntil],
  );
  const { rows } = await db.query<ApiKeyRow>(
    `UPDATE api_keys k SET secret_sha256 = $4, hint = $5, signing_secret_sealed = $6, rotated_at = $7
      WHERE k.org_id = $1 AND k.mode = $2 AND k.id = $3 RETURNING ${COLUMNS}`,
    [
      tenant.orgId,
      tenant.mode,
      id,
      sha256(rotation.secret),
      hintOf(rotation.secret),
      rotation.signingSecretSealed,
      rotation.at,
    ],
  );
  return rows[0]!;
}

/** Withdraws a key; time and reason of the first withdrawal stay. `undefined` when the tenant has no such key. */
export async function revokeApiKey(
  db: Db,
  tenant: Tenant,
  id: string,
  at: Date,
  reason?: string,
): Promise<ApiKeyRow | undefined> {
  const { rows } = await db.query<ApiKeyRow>(
    `UPDATE api_keys k
        SET revocation_reason = CASE WHEN k.revoked_at IS NULL THEN $5 ELSE k.revocation_reason END,
            revoked_at = COALESCE(k.revoked_at, $4)
      WHERE k.org_id = $1 AND k.mode = $2 AND k.id = $3 RETURNING ${COLUMNS}`,
    [tenant.orgId, tenant.mode, id, at, reason ?? null],
  );
  return rows[0];
}

function hintOf(secret: string): string {
  return `…${secret.slice(-4)}`;
}
