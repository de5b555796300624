import type { CertificateStatus } from '../domain/certificates.ts';
import type { TrustState } from '../domain/trust-score.ts';
import type { Tenant } from '../domain/types.ts';
import { TRUST_STATE } from './agent-trust.ts';
import type { Db } from './pool.ts';

export type AgentStatus = 'pending' | 'active' | 'suspended' | 'retired';

export interface AgentRow {
  id: string;
  orgId: string;
  principalId: string | null;
  name: string;
  model: string | null;
  modelHash: string | null;
  version: string | null;
  description: string | null;
  did: string | null;
  spiffeId: string | null;
  status: AgentStatus;
  revocationReason: string | null;
  financialScope: object | null;
  metadata: Record<string, unknown> | null;
  createdAt: Date;
  updatedAt: Date;
  /** Null while nothing came of anything that it asked for. */
  trust: TrustState | null;
  /** Its newest certificate. */
  certificate: AgentCertificate | null;
}

export interface AgentCertificate {
  id: string;
  serial_number: string;
  status: CertificateStatus;
  expires_at: string;
}

const COLUMNS = `a.id, a.org_id AS "orgId", a.principal_id AS "principalId", a.name, a.model, a.model_hash AS "modelHash",
  a.version, a.description, a.did, a.spiffe_id AS "spiffeId", a.status, a.revocation_reason AS "revocationReason",
  a.financial_scope AS "financialScope", a.metadata, a.created_at AS "createdAt", a.updated_at AS "updatedAt",
  (${TRUST_STATE} WHERE t.agent_id = a.id) AS trust,
  (SELECT jsonb_build_object('id', c.id, 'serial_number', c.serial_number, 'status', c.status, 'expires_at', c.expires_at)
     FROM certificates c WHERE c.agent_id = a.id ORDER BY c.id DESC LIMIT 1) AS certificate`;

export interface NewAgent {
  id: string;
  principalId?: string;
  name: string;
  model?: string;
  modelHash?: string;
  version?: string;
  description?: string;
  did?: string;
  spiffeId?: string;
  status: AgentStatus;
  financialScope?: object;
  metadata?: Record<string, unknown>;
}

/** @returns `undefined` when another agent of the organization has the SPIFFE id */
export async function insertAgent(db: Db, tenant: Tenant, agent: NewAgent): Promise<AgentRow | undefined> {
  const json = (value: object | undefined) => (value === undefined ? null : JSON.stringify(value));
  const { rows } = await db.query<AgentRow>(
    `INSERT INTO agents AS a (id, org_id, mode, principal_id, name, model, model_hash, version, description, did, status,
                              financial_scope, metadata, spiffe_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
     ON CONFLICT (org_id, mode, spiffe_id) WHERE spiffe_id IS NOT NULL DO NOTHING
     RETURNING ${COLUMNS}`,
    [
      agent.id,
      tenant.orgId,
      tenant.mode,
      agent.principalId ?? null,
      agent.name,
      agent.model ?? null,
      agent.modelHash ?? null,
      agent.version ?? null,
      agent.description ?? null,
      agent.did ?? null,
      agent.status,
      json(agent.financialScope),
      json(agent.metadata),
      agent.spiffeId ?? null,
    ],
  );
  return rows[0];
}

export async function findAgent(db: Db, tenant: Tenant, id: string): Promise<AgentRow | undefined> {
  const { rows } = await db.query<AgentRow>({
    name: 'find-agent',
    text: `SELECT ${COLUMNS} FROM agents a WHERE a.org_id = $1 AND a.mode = $2 AND a.id = $3`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0];
}

/** The first of these agents that may not act now, and what it is. */
export async function findInactive(
  db: Db,
  tenant: Tenant,
  ids: string[],
): Promise<{ id: string; status: AgentStatus } | undefined> {
  if (ids.length === 0) return undefined;
  const { rows } = await db.query<{ id: string; status: AgentStatus }>(
    `SELECT id, status FROM agents WHERE org_id = $1 AND mode = $2 AND id = ANY ($3::uuid[]) AND status <> 'active'
      ORDER BY array_position($3::uuid[], id) LIMIT 1`,
    [tenant.orgId, tenant.mode, ids],
  );
  return rows[0];
}

/** Agents in order of registration, beginning after `after`. */
export async function listAgents(
  db: Db,
  tenant: Tenant,
  page: { after?: string; limit: number; status?: AgentStatus },
): Promise<AgentRow[]> {
  const { rows } = await db.query<AgentRow>(
    `SELECT ${COLUMNS} FROM agents a
      WHERE a.org_id = $1 AND a.mode = $2 AND ($3::uuid IS NULL OR a.id > $3) AND ($4::text IS NULL OR a.status = $4)
      ORDER BY a.id LIMIT $5`,
    [tenant.orgId, tenant.mode, page.after ?? null, page.status ?? null, page.limit],
  );
  return rows;
}

/**
 * Holds an agent until the transaction ends, and makes a pending one active: somebody answers for it from now on.
 * @returns the status, after that; `undefined` when the tenant has no such agent
 */
export async function holdAgentForDelegation(db: Db, tenant: Tenant, id: string): Promise<AgentStatus | undefined> {
  const { rows } = await db.query<{ status: AgentStatus }>(
    'SELECT status FROM agents WHERE org_id = $1 AND mode = $2 AND id = $3 FOR NO KEY UPDATE',
    [tenant.orgId, tenant.mode, id],
  );
  const status = rows[0]?.status;
  if (status !== 'pending') return status;
  await db.query(`UPDATE agents SET status = 'active', updated_at = now() WHERE id = $1`, [id]);
  return 'active';
}

/**
 * Holds an agent that is being certified until the transaction ends. Certified it is active: somebody vouches for it,
 * and so it is again when nothing but the revocation of its former certificate had suspended it.
 * @returns the row as it was; `undefined` when the tenant has no such agent
 */
export async function holdAgentForCertificate(
  db: Db,
  tenant: Tenant,
  id: string,
): Promise<(AgentRow & { suspendedBy: 'hand' | 'certificate' | null }) | undefined> {
  const { rows } = await db.query<AgentRow & { suspendedBy: 'hand' | 'certificate' | null }>(
    `SELECT ${COLUMNS}, a.suspended_by AS "suspendedBy" FROM agents a
      WHERE a.org_id = $1 AND a.mode = $2 AND a.id = $3 FOR NO KEY UPDATE OF a`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0];
}

/** The certified agent acts, unless it was suspended by hand or retired. */
export async function activateCertified(db: Db, tenant: Tenant, id: string): Promise<void> {
  await db.query(
    `UPDATE agents SET status = 'active', suspended_by = NULL, updated_at = now()
      WHERE org_id = $1 AND mode = $2 AND id = $3
        AND (status = 'pending' OR status = 'suspended' AND suspended_by = 'certificate')`,
    [tenant.orgId, tenant.mode, id],
  );
}

/** Suspends an agent since its certificate is being revoked. @returns whether it was not suspended or retired before */
export async function suspendForCertificate(db: Db, tenant: Tenant, id: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE agents SET status = 'suspended', suspended_by = 'certificate', updated_at = now()
      WHERE org_id = $1 AND mode = $2 AND id = $3 AND status IN ('active', 'pending')`,
    [tenant.orgId, tenant.mode, id],
  );
  return rowCount === 1;
}

/**
 * Suspends an agent, or lets it act again: as `active` when somebody answers for it, else as `pending`. A retired one
 * stays retired. One that the revocation of its certificate has suspended may be suspended by hand besides.
 * @returns `undefined` when the tenant has no such agent
 */
export async function setAgentSuspended(
  db: Db,
  tenant: Tenant,
  id: string,
  suspended: boolean,
): Promise<{ changed: boolean; row: AgentRow } | undefined> {
  const { rows } = await db.query<AgentRow>(
    suspended
      ? `UPDATE agents a SET status = 'suspended', suspended_by = 'hand', updated_at = now()
          WHERE a.org_id = $1 AND a.mode = $2 AND a.id = $3
            AND (a.status IN ('active', 'pending') OR a.status = 'suspended' AND a.suspended_by = 'certificate')
          RETURNING ${COLUMNS}`
      : `UPDATE agents a
            SET status = CASE WHEN a.principal_id IS NOT NULL
                                OR EXISTS (SELECT 1 FROM delegations d WHERE d.agent_id = a.id)
                                OR EXISTS (SELECT 1 FROM certificates c WHERE c.agent_id = a.id AND c.status = 'active')
                              THEN 'active' ELSE 'pending' END,
                suspended_by = NULL,
                updated_at = now()
          WHERE a.org_id = $1 AND a.mode = $2 AND a.id = $3 AND a.status = 'suspended' RETURNING ${COLUMNS}`,
    [tenant.orgId, tenant.mode, id],
  );
  if (rows[0]) return { changed: true, row: rows[0] };
  const row = await findAgent(db, tenant, id);
  return row && { changed: false, row };
}

/** What may be changed of an agent afterwards; absent members stay, `null` takes a value away. */
export interface AgentChange {
  name?: string;
  model?: string | null;
  modelHash?: string;
  version?: string | null;
  description?: string | null;
  did?: string | null;
  spiffeId?: string | null;
  metadata?: Record<string, unknown> | null;
}

const CHANGEABLE: Record<keyof AgentChange, string> = {
  name: 'name',
  model: 'model',
  modelHash: 'model_hash',
  version: 'version',
  description: 'description',
  did: 'did',
  spiffeId: 'spiffe_id',
  metadata: 'metadata',
};
const UNIQUE_VIOLATION = '23505';

/** @returns `undefined` when the tenant has no such agent, `spiffe_id_taken` when another one has the SPIFFE id */
export async function changeAgent(
  db: Db,
  tenant: Tenant,
  id: string,
  change: AgentChange,
): Promise<AgentRow | 'spiffe_id_taken' | undefined> {
  const names = (Object.keys(CHANGEABLE) as (keyof AgentChange)[]).filter((name) => change[name] !== undefined);
  const sets = names.map((name, i) => `${CHANGEABLE[name]} = $${i + 4}`);
  try {
    const { rows } = await db.query<AgentRow>(
      `UPDATE agents a SET ${[...sets, 'updated_at = now()'].join(', ')}
        WHERE a.org_id = $1 AND a.mode = $2 AND a.id = $3 RETURNING ${COLUMNS}`,
      [tenant.orgId, tenant.mode, id, ...names.map((name) => change[name])],
    );
    return rows[0];
  } catch (error) {
    if ((error as { code?: string }).code === UNIQUE_VIOLATION) return 'spiffe_id_taken';
    throw error;
  }
}
