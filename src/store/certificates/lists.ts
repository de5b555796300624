import type { Db } from '../pool.ts';
import type { RevokedEntry } from '../../trust/pki/crl.ts';

/** Older lists of an issuer are of no use to anybody. */
const KEPT = 3;

export interface ListHead {
  number: number;
  thisUpdate: Date;
  nextUpdate: Date;
  entries: number;
  /** Certificates that expired before are left out of the list. */
  horizon: Date;
}

const HEAD = `l.number, l.this_update AS "thisUpdate", l.next_update AS "nextUpdate", l.entries, l.horizon`;

/** The newest list of an issuer, without the list itself. */
export async function latestList(db: Db, issuerId: string): Promise<ListHead | undefined> {
  const { rows } = await db.query<ListHead>({
    name: 'latest-certificate-list',
    text: `SELECT ${HEAD} FROM certificate_lists l WHERE l.issuer_id = $1 ORDER BY l.number DESC LIMIT 1`,
    values: [issuerId],
  });
  return rows[0];
}

/** @returns `undefined` when it was removed meanwhile */
export async function readList(db: Db, issuerId: string, number: number): Promise<Buffer | undefined> {
  const { rows } = await db.query<{ der: Buffer }>(
    'SELECT der FROM certificate_lists WHERE issuer_id = $1 AND number = $2',
    [issuerId, number],
  );
  return rows[0]?.der;
}

/** How many certificates a list with this horizon would name. */
export async function countRevoked(db: Db, issuerId: string, horizon: Date): Promise<number> {
  const { rows } = await db.query<{ n: number }>({
    name: 'count-revoked-certificates',
    text: `SELECT count(*) AS n FROM certificates WHERE issuer_id = $1 AND status = 'revoked' AND expires_at > $2`,
    values: [issuerId, horizon],
  });
  return rows[0]!.n;
}

/** Revoked certificates in order of their serial numbers, beginning after `after`. */
export async function readRevoked(
  db: Db,
  issuerId: string,
  { horizon, after, limit }: { horizon: Date; after: string; limit: number },
): Promise<RevokedEntry[]> {
  const { rows } = await db.query<RevokedEntry>({
    name: 'read-revoked-certificates',
    text: `SELECT serial_number AS serial, revoked_at AS "revokedAt", reason_code AS reason FROM certificates
            WHERE issuer_id = $1 AND status = 'revoked' AND expires_at > $2 AND serial_number > $3
            ORDER BY serial_number LIMIT $4`,
    values: [issuerId, horizon, after, limit],
  });
  return rows;
}

/** @returns false when another process has stored a list of this number first */
export async function insertList(
  db: Db,
  issuerId: string,
  { number, thisUpdate, nextUpdate, entries, horizon, der }: ListHead & { der: Buffer },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `INSERT INTO certificate_lists (issuer_id, number, der, this_update, next_update, entries, horizon)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
    [issuerId, number, der, thisUpdate, nextUpdate, entries, horizon],
  );
  if (rowCount !== 1) return false;
  await db.query('DELETE FROM certificate_lists WHERE issuer_id = $1 AND number <= $2', [issuerId, number - KEPT]);
  return true;
}
