import type { Tenant } from '../domain/types.ts';
import { sha256 } from '../trust/canonical.ts';
import type { Db } from './pool.ts';

const ISSUED = 'issued';

/** Removes some of what is long past, in passing; rows that another does already are left to it. */
const FORGET = `DELETE FROM nonces WHERE ctid IN (
  SELECT ctid FROM nonces WHERE expires_at < now() - interval '1 hour' LIMIT 100 FOR UPDATE SKIP LOCKED)`;

/** Remembers a nonce that was given to an agent. */
export async function issueNonce(
  db: Db,
  tenant: Tenant,
  { nonce, agentId, expiresAt }: { nonce: string; agentId: string; expiresAt: Date },
): Promise<void> {
  await db.query({
    name: 'issue-nonce',
    text: `WITH forgotten AS (${FORGET})
           INSERT INTO nonces (org_id, mode, source, digest, agent_id, expires_at)
           VALUES ($1, $2, '${ISSUED}', $3, $4, $5)`,
    values: [tenant.orgId, tenant.mode, sha256(nonce), agentId, expiresAt],
  });
}

export type NonceStanding = 'good' | 'used' | 'expired' | 'unknown';

/** Uses a nonce that was given to this agent. Of several at once, on any process, one finds it `good`. */
export async function useNonce(
  db: Db,
  tenant: Tenant,
  { nonce, agentId, now }: { nonce: string; agentId: string; now: Date },
): Promise<NonceStanding> {
  const values = [tenant.orgId, tenant.mode, sha256(nonce), agentId];
  const where = `org_id = $1 AND mode = $2 AND source = '${ISSUED}' AND digest = $3 AND agent_id = $4`;
  const used = await db.query({
    name: 'use-nonce',
    text: `UPDATE nonces SET used_at = $5 WHERE ${where} AND used_at IS NULL AND expires_at > $5`,
    values: [...values, now],
  });
  if (used.rowCount === 1) return 'good';
  const { rows } = await db.query<{ used: boolean }>(
    `SELECT used_at IS NOT NULL AS used FROM nonces WHERE ${where}`,
    values,
  );
  return rows[0] === undefined ? 'unknown' : rows[0].used ? 'used' : 'expired';
}

/**
 * Remembers the nonce of a signature until the signature cannot be accepted any more.
 * @returns whether it is the first with this nonce under this key
 */
export async function seeNonce(
  db: Db,
  tenant: Tenant,
  seen: { nonce: string; thumbprint: string; agentId: string; expiresAt: Date; now: Date },
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'see-nonce',
    text: `WITH forgotten AS (${FORGET})
           INSERT INTO nonces (org_id, mode, source, digest, agent_id, expires_at, used_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
    values: [tenant.orgId, tenant.mode, seen.thumbprint, sha256(seen.nonce), seen.agentId, seen.expiresAt, seen.now],
  });
  return rowCount === 1;
}
