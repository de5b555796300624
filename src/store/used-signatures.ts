import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

/**
 * Uses up a signature of a credential, for all processes; rows that have expired meanwhile go.
 * @returns whether it was unused
 */
export async function useSignature(
  db: Db,
  tenant: Tenant,
  { credentialId, signature, expiresAt }: { credentialId: string; signature: Buffer; expiresAt: Date },
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'use-signature',
    text: `WITH forgotten AS (
             DELETE FROM used_signatures WHERE (org_id, mode, credential_id, signature) IN (
               SELECT org_id, mode, credential_id, signature FROM used_signatures
                WHERE expires_at < now() ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED))
           INSERT INTO used_signatures (org_id, mode, credential_id, signature, expires_at) VALUES ($1, $2, $3, $4, $5)
           ON CONFLICT (org_id, mode, credential_id, signature) DO NOTHING`,
    values: [tenant.orgId, tenant.mode, credentialId, signature, expiresAt],
  });
  return rowCount === 1;
}
