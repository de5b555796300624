import type { Tenant } from '../domain/types.ts';
import { sha256 } from '../trust/canonical.ts';
import type { Db } from './pool.ts';
import { useOnce } from './used-identifiers.ts';

interface AgentNonce {
  nonce: string;
  agentId: string;
}

/**
 * Remembers a nonce that was given to an agent. A few of those that are long past are forgotten in passing; used ones
 * stay an hour, so that a second use can be told from an invention.
 */
export async function issueNonce(
  db: Db,
  tenant: Tenant,
  { nonce, agentId, expiresAt }: AgentNonce & { expiresAt: Date },
): Promise<void> {
  await db.query({
    name: 'issue-nonce',
    text: `WITH forgotten AS (
             DELETE FROM agent_nonces WHERE ctid IN (
               SELECT ctid FROM agent_nonces WHERE expires_at < now() - interval '1 hour' LIMIT 20
                  FOR UPDATE SKIP LOCKED))
           INSERT INTO agent_nonces (org_id, mode, digest, agent_id, expires_at) VALUES ($1, $2, $3, $4, $5)`,
    values: [tenant.orgId, tenant.mode, sha256(nonce), agentId, expiresAt],
  });
}

export type NonceStanding = 'good' | 'used' | 'expired' | 'unknown';

/** Uses a nonce that was given to this agent. Of several at once, on any process, one finds it `good`. */
export async function useNonce(
  db: Db,
  tenant: Tenant,
  { nonce, agentId, now }: AgentNonce & { now: Date },
): Promise<NonceStanding> {
  const values = [tenant.orgId, tenant.mode, sha256(nonce), agentId];
  const where = 'org_id = $1 AND mode = $2 AND digest = $3 AND agent_id = $4';
  const used = await db.query({
    name: 'use-nonce',
    text: `UPDATE agent_nonces SET used_at = $5 WHERE ${where} AND used_at IS NULL AND expires_at > $5`,
    values: [...values, now],
  });
  if (used.rowCount === 1) return 'good';
  const { rows } = await db.query<{ used: boolean }>(
    `SELECT used_at IS NOT NULL AS used FROM agent_nonces WHERE ${where}`,
    values,
  );
  return rows[0] === undefined ? 'unknown' : rows[0].used ? 'used' : 'expired';
}

/**
 * Uses up the nonce of a signature that is good otherwise.
 * @param until when the signature cannot be accepted any more
 * @returns whether it is the first with this nonce under this key
 */
export async function useSignatureNonce(
  db: Db,
  { orgId, mode }: Tenant,
  { nonce, thumbprint, until }: { nonce: string; thumbprint: string; until: Date },
): Promise<boolean> {
  return useOnce(db, 'http_signature', `${orgId}:${mode}:${thumbprint}`, { identifier: nonce, until });
}
