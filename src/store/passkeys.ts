import type { Tenant } from '../domain/types.ts';
import type { PasskeyCredential, RegisteredPasskey } from '../trust/passkeys.ts';
import type { Db } from './pool.ts';

export interface PasskeyRow extends RegisteredPasskey {
  passkeyId: string;
  principalId: string;
  name: string;
  createdAt: Date;
  lastUsedAt: Date | null;
}

const COLUMNS = `k.id AS "passkeyId", k.principal_id AS "principalId", k.credential_id AS id, k.public_key AS "publicKey",
  k.rp_id AS "rpId", k.counter, k.transports, k.synced, k.name, k.created_at AS "createdAt", k.last_used_at AS "lastUsedAt"`;

/** @returns `undefined` when this passkey is known already, or was removed: to this principal or to another */
export async function insertPasskey(
  db: Db,
  tenant: Tenant,
  row: RegisteredPasskey & { passkeyId: string; principalId: string; name: string; at: Date },
): Promise<PasskeyRow | undefined> {
  const { rows } = await db.query<PasskeyRow>(
    `WITH allowed AS (
       UPDATE principals p SET step_up_methods = p.step_up_methods || '{webauthn}'::text[], updated_at = $12
        WHERE p.org_id = $2 AND p.mode = $3 AND p.id = $4 AND NOT 'webauthn' = ANY (p.step_up_methods))
     INSERT INTO principal_passkeys AS k (id, org_id, mode, principal_id, credential_id, public_key, rp_id, counter,
                                          transports, synced, name, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
     ON CONFLICT (org_id, mode, credential_id) DO NOTHING RETURNING ${COLUMNS}`,
    [
      row.passkeyId,
      tenant.orgId,
      tenant.mode,
      row.principalId,
      row.id,
      Buffer.from(row.publicKey),
      row.rpId,
      row.counter,
      row.transports,
      row.synced,
      row.name,
      row.at,
    ],
  );
  return rows[0];
}

/** The passkeys of a principal that are good, oldest first. */
export async function listPasskeys(db: Db, tenant: Tenant, principalId: string): Promise<PasskeyRow[]> {
  const { rows } = await db.query<PasskeyRow>({
    name: 'list-passkeys',
    text: `SELECT ${COLUMNS} FROM principal_passkeys k JOIN principals p ON p.id = k.principal_id AND p.status = 'active'
            WHERE k.org_id = $1 AND k.mode = $2 AND k.principal_id = $3 AND k.removed_at IS NULL ORDER BY k.id`,
    values: [tenant.orgId, tenant.mode, principalId],
  });
  return rows;
}

export async function removePasskey(
  db: Db,
  tenant: Tenant,
  { principalId, passkeyId, at }: { principalId: string; passkeyId: string; at: Date },
): Promise<PasskeyRow | undefined> {
  const { rows } = await db.query<PasskeyRow>(
    `UPDATE principal_passkeys k SET removed_at = $5
      WHERE k.org_id = $1 AND k.mode = $2 AND k.principal_id = $3 AND k.id = $4 AND k.removed_at IS NULL
     RETURNING ${COLUMNS}`,
    [tenant.orgId, tenant.mode, principalId, passkeyId, at],
  );
  return rows[0];
}

/** Notes a use. @returns whether nobody used it since it was read, and it is still good */
export async function usePasskey(
  db: Db,
  { passkeyId, counter }: Pick<PasskeyRow, 'passkeyId'> & Pick<PasskeyCredential, 'counter'>,
  { newCounter, at }: { newCounter: number; at: Date },
): Promise<boolean> {
  const used = await db.query(
    `UPDATE principal_passkeys SET counter = $3, last_used_at = $4
      WHERE id = $1 AND counter = $2 AND removed_at IS NULL`,
    [passkeyId, counter, newCounter, at],
  );
  return used.rowCount === 1;
}
