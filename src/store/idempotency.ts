import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

export interface StoredAnswer {
  fingerprint: string;
  status: number | null;
  response: unknown;
}

/**
 * Claims a key in the caller's transaction. A concurrent claim of the same key waits here until the first transaction
 * ends: on commit the stored answer comes back, on rollback the key is ours.
 * @returns `undefined` when the key is now ours
 */
export async function claimKey(
  db: Db,
  tenant: Tenant,
  key: string,
  fingerprint: string,
): Promise<StoredAnswer | undefined> {
  const claimed = await db.query({
    name: 'claim-key',
    text: `INSERT INTO idempotency_keys (org_id, mode, key, fingerprint) VALUES ($1, $2, $3, $4)
           ON CONFLICT (org_id, mode, key) DO NOTHING`,
    values: [tenant.orgId, tenant.mode, key, fingerprint],
  });
  if (claimed.rowCount === 1) return undefined;
  const { rows } = await db.query<StoredAnswer>({
    name: 'find-key',
    text: `SELECT fingerprint, status, response FROM idempotency_keys WHERE org_id = $1 AND mode = $2 AND key = $3`,
    values: [tenant.orgId, tenant.mode, key],
  });
  return rows[0];
}

/** Keeps the answer under a claimed key, in the same transaction. */
export async function keepAnswer(
  db: Db,
  tenant: Tenant,
  key: string,
  status: number,
  response: unknown,
): Promise<void> {
  await db.query({
    name: 'keep-answer',
    text: `UPDATE idempotency_keys SET status = $4, response = $5 WHERE org_id = $1 AND mode = $2 AND key = $3`,
    values: [tenant.orgId, tenant.mode, key, status, JSON.stringify(response)],
  });
}
