import type { Db } from '../pool.ts';

export type AuthorityRole = 'root' | 'issuing' | 'responder';

export interface AuthorityRow {
  id: string;
  role: AuthorityRole;
  issuerId: string | null;
  /** DER. */
  certificate: Buffer;
  keyIdentifier: Buffer;
  keyRef: string;
  keySealed: string | null;
  notAfter: Date;
  createdAt: Date;
  retiredAt: Date | null;
}

const COLUMNS = `a.id, a.role, a.issuer_id AS "issuerId", a.certificate, a.key_identifier AS "keyIdentifier",
  a.key_ref AS "keyRef", a.key_sealed AS "keySealed", a.not_after AS "notAfter", a.created_at AS "createdAt",
  a.retired_at AS "retiredAt"`;

/** Lets one process at a time make authorities, until its transaction ends. */
export async function holdAuthorities(db: Db): Promise<void> {
  await db.query(`SELECT pg_advisory_xact_lock(hashtextextended('certificate authorities', 0))`);
}

/** Root, issuing authority and, of each issuing authority, the responder that are in use, and issuers that were. */
export async function listAuthorities(db: Db): Promise<AuthorityRow[]> {
  const { rows } = await db.query<AuthorityRow>({
    name: 'list-authorities',
    text: `SELECT ${COLUMNS} FROM certificate_authorities a
            WHERE a.retired_at IS NULL OR a.role <> 'responder' ORDER BY a.created_at, a.id`,
  });
  return rows;
}

export async function insertAuthority(db: Db, row: Omit<AuthorityRow, 'retiredAt'>): Promise<void> {
  await db.query(
    `INSERT INTO certificate_authorities
       (id, role, issuer_id, certificate, key_identifier, key_ref, key_sealed, not_after, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
    [
      row.id,
      row.role,
      row.issuerId,
      row.certificate,
      row.keyIdentifier,
      row.keyRef,
      row.keySealed,
      row.notAfter,
      row.createdAt,
    ],
  );
}

export async function retireAuthority(db: Db, id: string, at: Date): Promise<void> {
  await db.query('UPDATE certificate_authorities SET retired_at = $2 WHERE id = $1', [id, at]);
}

/** Forgets the private key of the root. @returns whether it was here */
export async function forgetRootKey(db: Db): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE certificate_authorities SET key_sealed = NULL
      WHERE role = 'root' AND retired_at IS NULL AND key_sealed IS NOT NULL`,
  );
  return rowCount === 1;
}
