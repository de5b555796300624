import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';
import type { ImportRef } from './imports.ts';

/** Bytes of the files that are stored for the organization, behind a lock that the next one to store waits for. */
export async function storedBytes(db: Db, { orgId, mode }: Tenant): Promise<number> {
  await db.query(`SELECT pg_advisory_xact_lock(hashtextextended('settlement parts ' || $1, 0))`, [`${orgId} ${mode}`]);
  const { rows } = await db.query<{ bytes: number }>(
    `SELECT COALESCE(sum(i.bytes), 0)::bigint AS bytes FROM settlement_imports i
      WHERE i.org_id = $1 AND i.mode = $2 AND i.status IN ('receiving', 'queued', 'running')`,
    [orgId, mode],
  );
  return rows[0]!.bytes;
}

/** Stores a part of the file of an import that is held; in place of the one that has its number. */
export async function storePart(db: Db, { tenant, id }: ImportRef, number: number, bytes: Buffer): Promise<void> {
  await db.query(
    `INSERT INTO settlement_import_parts (import_id, number, org_id, mode, bytes) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (import_id, number) DO UPDATE SET bytes = EXCLUDED.bytes`,
    [id, number, tenant.orgId, tenant.mode, bytes],
  );
  await db.query(
    `UPDATE settlement_imports i SET parts = s.parts, bytes = s.bytes
       FROM (SELECT count(*) AS parts, sum(length(p.bytes)) AS bytes FROM settlement_import_parts p WHERE p.import_id = $3) s
      WHERE i.org_id = $1 AND i.mode = $2 AND i.id = $3`,
    [tenant.orgId, tenant.mode, id],
  );
}

export async function readPart(db: Db, { tenant, id }: ImportRef, number: number): Promise<Buffer | undefined> {
  const { rows } = await db.query<{ bytes: Buffer }>({
    name: 'read-import-part',
    text: 'SELECT bytes FROM settlement_import_parts WHERE org_id = $1 AND mode = $2 AND import_id = $3 AND number = $4',
    values: [tenant.orgId, tenant.mode, id, number],
  });
  return rows[0]?.bytes;
}

/** Whether the parts are numbered 1 to `parts`, with no gap. */
export async function partsAreWhole(db: Db, { tenant, id }: ImportRef, parts: number): Promise<boolean> {
  const { rows } = await db.query<{ whole: boolean }>(
    `SELECT count(*) = $4 AND COALESCE(max(number), 0) = $4 AS whole FROM settlement_import_parts
      WHERE org_id = $1 AND mode = $2 AND import_id = $3`,
    [tenant.orgId, tenant.mode, id, parts],
  );
  return rows[0]!.whole;
}

/** The file is needed no longer: what it said stands in lines, its hash in the audit trail. */
export async function dropParts(db: Db, { tenant, id }: ImportRef): Promise<void> {
  await db.query('DELETE FROM settlement_import_parts WHERE org_id = $1 AND mode = $2 AND import_id = $3', [
    tenant.orgId,
    tenant.mode,
    id,
  ]);
}

export interface Reject {
  /** Place in the file, from 1. */
  record: number;
  line: number;
  reason: string;
}

export async function insertRejects(db: Db, { tenant, id }: ImportRef, rejects: Reject[]): Promise<void> {
  await db.query({
    name: 'insert-import-rejects',
    text: `INSERT INTO settlement_import_rejects (import_id, org_id, mode, record, line, reason)
           SELECT $1, $2, $3, * FROM unnest($4::bigint[], $5::bigint[], $6::text[])`,
    values: [
      id,
      tenant.orgId,
      tenant.mode,
      rejects.map(({ record }) => record),
      rejects.map(({ line }) => line),
      rejects.map(({ reason }) => reason),
    ],
  });
}

export async function listRejects(
  db: Db,
  { tenant, id }: ImportRef,
  { after, limit }: { after?: number | undefined; limit: number },
): Promise<Reject[]> {
  const { rows } = await db.query<Reject>(
    `SELECT record, line, reason FROM settlement_import_rejects
      WHERE org_id = $1 AND mode = $2 AND import_id = $3 AND record > $4 ORDER BY record LIMIT $5`,
    [tenant.orgId, tenant.mode, id, after ?? 0, limit],
  );
  return rows;
}
