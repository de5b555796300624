import type { JWK } from 'jose';
import type { Tenant } from '../domain/types.ts';
import { newId } from '../trust/new-id.ts';
import type { Db } from './pool.ts';

export interface AgentKeyRow {
  id: string;
  agentId: string;
  thumbprint: string;
  alg: string;
  jwk: JWK;
  label: string | null;
  status: 'active' | 'revoked';
  notAfter: Date | null;
  revokedAt: Date | null;
  revocationReason: string | null;
  /** The key that it was rotated in for. */
  replaces: string | null;
  createdAt: Date;
}

const COLUMNS = `k.id, k.agent_id AS "agentId", k.thumbprint, k.alg, k.jwk, k.label, k.status, k.not_after AS "notAfter",
  k.revoked_at AS "revokedAt", k.revocation_reason AS "revocationReason", k.replaces, k.created_at AS "createdAt"`;

export interface NewAgentKey {
  thumbprint: string;
  alg: string;
  jwk: JWK;
  label?: string;
  notAfter?: Date;
  replaces?: string;
}

/** @returns `undefined` when the organization has the same key already: a key speaks for one agent */
export async function insertAgentKey(
  db: Db,
  tenant: Tenant,
  agentId: string,
  key: NewAgentKey,
): Promise<AgentKeyRow | undefined> {
  const { rows } = await db.query<AgentKeyRow>(
    `INSERT INTO agent_keys AS k (id, org_id, mode, agent_id, thumbprint, alg, jwk, label, not_after, replaces)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
     ON CONFLICT (org_id, mode, thumbprint) DO NOTHING RETURNING ${COLUMNS}`,
    [
      newId(),
      tenant.orgId,
      tenant.mode,
      agentId,
      key.thumbprint,
      key.alg,
      JSON.stringify(key.jwk),
      key.label ?? null,
      key.notAfter ?? null,
      key.replaces ?? null,
    ],
  );
  return rows[0];
}

export async function listAgentKeys(db: Db, tenant: Tenant, agentId: string): Promise<AgentKeyRow[]> {
  const { rows } = await db.query<AgentKeyRow>(
    `SELECT ${COLUMNS} FROM agent_keys k WHERE k.org_id = $1 AND k.mode = $2 AND k.agent_id = $3 ORDER BY k.id`,
    [tenant.orgId, tenant.mode, agentId],
  );
  return rows;
}

/** Withdraws a key; `revokedNow` tells the first time from repeats. */
export async function revokeAgentKey(
  db: Db,
  tenant: Tenant,
  keyId: string,
  { agentId, reason, at }: { agentId?: string; reason?: string; at: Date },
): Promise<(AgentKeyRow & { revokedNow: boolean }) | undefined> {
  const where = 'k.org_id = $1 AND k.mode = $2 AND k.id = $3 AND ($4::uuid IS NULL OR k.agent_id = $4)';
  const now = await db.query<AgentKeyRow>(
    `UPDATE agent_keys k SET status = 'revoked', revoked_at = $5, revocation_reason = $6
      WHERE ${where} AND k.status = 'active' RETURNING ${COLUMNS}`,
    [tenant.orgId, tenant.mode, keyId, agentId ?? null, at, reason ?? null],
  );
  if (now.rows[0]) return { ...now.rows[0], revokedNow: true };
  const before = await db.query<AgentKeyRow>(`SELECT ${COLUMNS} FROM agent_keys k WHERE ${where}`, [
    tenant.orgId,
    tenant.mode,
    keyId,
    agentId ?? null,
  ]);
  return before.rows[0] && { ...before.rows[0], revokedNow: false };
}

/** A key that is presented, with what decides whether it may speak. */
export interface PresentedKey extends AgentKeyRow {
  agentStatus: string;
}

/**
 * The key that a signature names, by RFC 7638 thumbprint or by its id: one look into a unique index each.
 * @param name a thumbprint, or the UUID of a key
 */
export async function findPresentedKey(
  db: Db,
  tenant: Tenant,
  name: { thumbprint: string } | { id: string },
): Promise<PresentedKey | undefined> {
  const byId = 'id' in name;
  const { rows } = await db.query<PresentedKey>({
    name: byId ? 'find-key-by-id' : 'find-key-by-thumbprint',
    text: `SELECT ${COLUMNS}, a.status AS "agentStatus" FROM agent_keys k JOIN agents a ON a.id = k.agent_id
            WHERE k.org_id = $1 AND k.mode = $2 AND k.${byId ? 'id' : 'thumbprint'} = $3`,
    values: [tenant.orgId, tenant.mode, byId ? name.id : name.thumbprint],
  });
  return rows[0];
}

/** Whether a key may speak now: not withdrawn, not past its end. */
export function isLive(key: Pick<AgentKeyRow, 'status' | 'notAfter'>, now: Date): boolean {
  return key.status === 'active' && (key.notAfter === null || key.notAfter > now);
}

/**
 * Lets an active key end, never later than it would have.
 * @returns `undefined` when the agent has no such key, or it is withdrawn
 */
export async function endAgentKey(
  db: Db,
  tenant: Tenant,
  keyId: string,
  { agentId, notAfter }: { agentId: string; notAfter: Date },
): Promise<AgentKeyRow | undefined> {
  const { rows } = await db.query<AgentKeyRow>(
    `UPDATE agent_keys k SET not_after = LEAST(k.not_after, $5)
      WHERE k.org_id = $1 AND k.mode = $2 AND k.id = $3 AND k.agent_id = $4 AND k.status = 'active'
      RETURNING ${COLUMNS}`,
    [tenant.orgId, tenant.mode, keyId, agentId, notAfter],
  );
  return rows[0];
}
