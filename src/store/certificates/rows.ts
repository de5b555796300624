import type { CertificateStatus } from '../../domain/certificates.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

export interface CertificateRow {
  id: string;
  agentId: string;
  issuerId: string;
  serialNumber: string;
  /** DER. */
  certificate: Buffer;
  keyRef: string;
  keyAlgorithm: string;
  keyOrigin: 'held' | 'requested';
  /** A private key of it lies here, and can be handed over. */
  keyHeld: boolean;
  permittedActions: string[];
  status: CertificateStatus;
  issuedAt: Date;
  expiresAt: Date;
  revokedAt: Date | null;
  revocationReason: string | null;
  reasonCode: number | null;
  replaces: string | null;
}

const COLUMNS = `c.id, c.agent_id AS "agentId", c.issuer_id AS "issuerId", c.serial_number AS "serialNumber",
  c.certificate, c.key_ref AS "keyRef", c.key_algorithm AS "keyAlgorithm", c.key_origin AS "keyOrigin",
  c.private_key_sealed IS NOT NULL AS "keyHeld", c.permitted_actions AS "permittedActions", c.status,
  c.issued_at AS "issuedAt", c.expires_at AS "expiresAt", c.revoked_at AS "revokedAt",
  c.revocation_reason AS "revocationReason", c.reason_code AS "reasonCode", c.replaces`;

export interface NewCertificate {
  id: string;
  agentId: string;
  issuerId: string;
  serialNumber: string;
  certificate: Buffer;
  keyRef: string;
  keyAlgorithm: string;
  keyHash: Buffer;
  keyOrigin: CertificateRow['keyOrigin'];
  privateKeySealed?: string;
  permittedActions: readonly string[];
  issuedAt: Date;
  expiresAt: Date;
  replaces?: string;
}

/** @returns `undefined` when the agent has an active one: there is one at a time, whoever asks at once */
export async function insertCertificate(
  db: Db,
  tenant: Tenant,
  row: NewCertificate,
): Promise<CertificateRow | undefined> {
  const { rows } = await db.query<CertificateRow>(
    `INSERT INTO certificates AS c
       (id, org_id, mode, agent_id, issuer_id, serial_number, certificate, key_ref, key_algorithm, key_hash, key_origin,
        private_key_sealed, permitted_actions, issued_at, expires_at, replaces)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
     ON CONFLICT (agent_id) WHERE status = 'active' DO NOTHING RETURNING ${COLUMNS}`,
    [
      row.id,
      tenant.orgId,
      tenant.mode,
      row.agentId,
      row.issuerId,
      row.serialNumber,
      row.certificate,
      row.keyRef,
      row.keyAlgorithm,
      row.keyHash,
      row.keyOrigin,
      row.privateKeySealed ?? null,
      row.permittedActions,
      row.issuedAt,
      row.expiresAt,
      row.replaces ?? null,
    ],
  );
  return rows[0];
}

export async function findCertificate(db: Db, tenant: Tenant, id: string): Promise<CertificateRow | undefined> {
  const { rows } = await db.query<CertificateRow>({
    name: 'find-certificate',
    text: `SELECT ${COLUMNS} FROM certificates c WHERE c.org_id = $1 AND c.mode = $2 AND c.id = $3`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0];
}

/** Newest first. */
export async function listCertificates(
  db: Db,
  tenant: Tenant,
  {
    before,
    agentId,
    status,
    limit,
    now,
  }: { before?: string; agentId?: string; status?: CertificateStatus; limit: number; now: Date },
): Promise<CertificateRow[]> {
  const { rows } = await db.query<CertificateRow>(
    `SELECT ${COLUMNS} FROM certificates c
      WHERE c.org_id = $1 AND c.mode = $2 AND ($3::uuid IS NULL OR c.id < $3) AND ($4::uuid IS NULL OR c.agent_id = $4)
        AND ($5::text IS NULL OR $5 = CASE WHEN c.status = 'active' AND c.expires_at <= $6 THEN 'expired' ELSE c.status END)
      ORDER BY c.id DESC LIMIT $7`,
    [tenant.orgId, tenant.mode, before ?? null, agentId ?? null, status ?? null, now, limit],
  );
  return rows;
}

/** The one that is active and has not expired. */
export async function findActiveCertificate(
  db: Db,
  tenant: Tenant,
  agentId: string,
  now: Date,
): Promise<CertificateRow | undefined> {
  const { rows } = await db.query<CertificateRow>(
    `SELECT ${COLUMNS} FROM certificates c
      WHERE c.org_id = $1 AND c.mode = $2 AND c.agent_id = $3 AND c.status = 'active' AND c.expires_at > $4`,
    [tenant.orgId, tenant.mode, agentId, now],
  );
  return rows[0];
}

/** Makes room for a successor: what has expired is no longer the active one. */
export async function closeExpired(db: Db, tenant: Tenant, agentId: string, now: Date): Promise<void> {
  await db.query(
    `UPDATE certificates SET status = 'expired'
      WHERE org_id = $1 AND mode = $2 AND agent_id = $3 AND status = 'active' AND expires_at <= $4`,
    [tenant.orgId, tenant.mode, agentId, now],
  );
}

/** Revokes an active certificate that has not expired. @returns `undefined` when it is in no such state */
export async function revokeCertificateRow(
  db: Db,
  tenant: Tenant,
  id: string,
  { at, reason, code }: { at: Date; reason: string; code: number },
): Promise<CertificateRow | undefined> {
  const { rows } = await db.query<CertificateRow>(
    `UPDATE certificates c
        SET status = 'revoked', revoked_at = $4, revocation_reason = $5, reason_code = $6, private_key_sealed = NULL
      WHERE c.org_id = $1 AND c.mode = $2 AND c.id = $3 AND c.status = 'active' AND c.expires_at > $4
      RETURNING ${COLUMNS}`,
    [tenant.orgId, tenant.mode, id, at, reason, code],
  );
  return rows[0];
}

/** Hands the sealed private key over and forgets it, in one statement: nobody gets it twice. */
export async function takePrivateKey(db: Db, tenant: Tenant, id: string, at: Date): Promise<string | undefined> {
  const { rows } = await db.query<{ sealed: string }>(
    `WITH held AS (
       SELECT id, private_key_sealed AS sealed FROM certificates
        WHERE org_id = $1 AND mode = $2 AND id = $3 AND private_key_sealed IS NOT NULL AND status = 'active' FOR UPDATE)
     UPDATE certificates c SET private_key_sealed = NULL, private_key_taken_at = $4
       FROM held WHERE c.id = held.id RETURNING held.sealed`,
    [tenant.orgId, tenant.mode, id, at],
  );
  return rows[0]?.sealed;
}

/**
 * Why a key may not be certified for this agent: another one has it, whoever's that is, or it was given up as
 * compromised. Asked over all organizations: a key proves one agent.
 */
export async function keyObjection(
  db: Db,
  agentId: string,
  keyHash: Buffer,
): Promise<'another_agent' | 'compromised' | undefined> {
  const { rows } = await db.query<{ foreign: boolean }>(
    `SELECT agent_id <> $1 AS foreign FROM certificates
      WHERE key_hash = $2 AND (agent_id <> $1 OR reason_code = 1) ORDER BY 1 DESC LIMIT 1`,
    [agentId, keyHash],
  );
  return rows[0] && (rows[0].foreign ? 'another_agent' : 'compromised');
}

/** What everybody may know of a certificate, by its serial number. */
export interface PublicCertificate {
  serialNumber: string;
  mode: Tenant['mode'];
  agentId: string;
  agentStatus: string;
  issuerId: string;
  status: CertificateStatus;
  issuedAt: Date;
  expiresAt: Date;
  revokedAt: Date | null;
  reasonCode: number | null;
}

export async function findBySerial(db: Db, serialNumber: string): Promise<PublicCertificate | undefined> {
  const { rows } = await db.query<PublicCertificate>({
    name: 'find-certificate-by-serial',
    text: `SELECT c.serial_number AS "serialNumber", c.mode, c.agent_id AS "agentId", a.status AS "agentStatus",
                  c.issuer_id AS "issuerId", c.status, c.issued_at AS "issuedAt", c.expires_at AS "expiresAt",
                  c.revoked_at AS "revokedAt", c.reason_code AS "reasonCode"
             FROM certificates c JOIN agents a ON a.id = c.agent_id WHERE c.serial_number = $1`,
    values: [serialNumber],
  });
  return rows[0];
}
