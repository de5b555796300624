import type { CsvMapping } from '../../domain/settlement-mapping.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

export const IMPORT_STATUSES = ['receiving', 'queued', 'running', 'completed', 'cancelled', 'failed'] as const;

export interface ImportRef {
  tenant: Tenant;
  id: string;
}

export interface ImportRow {
  id: string;
  source: string;
  processor: string;
  format: 'csv' | 'camt.053';
  mapping: CsvMapping;
  fileName: string | null;
  status: (typeof IMPORT_STATUSES)[number];
  parts: number;
  bytes: number;
  sha256: string | null;
  /** Records of the file that are done for good. */
  records: number;
  bytesRead: number;
  matched: number;
  exceptions: number;
  /** Held back until the outcome of their operation is known. */
  awaited: number;
  repeated: number;
  rejected: number;
  toldAfter: string | null;
  toldAt: Date | null;
  failure: string | null;
  actor: string;
  requestedAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}

const COLUMNS = `i.id, i.processor_kind AS source, i.processor, i.format, i.mapping, i.file_name AS "fileName", i.status,
  i.parts, i.bytes, i.sha256, i.records, i.bytes_read AS "bytesRead", i.matched, i.exceptions, i.awaited, i.repeated, i.rejected,
  i.told_after AS "toldAfter", i.told_at AS "toldAt", i.failure, i.actor, i.requested_at AS "requestedAt",
  i.started_at AS "startedAt", i.finished_at AS "finishedAt"`;
const OF = 'i.org_id = $1 AND i.mode = $2';

export async function insertImport(
  db: Db,
  { orgId, mode }: Tenant,
  row: Pick<ImportRow, 'id' | 'source' | 'processor' | 'format' | 'mapping' | 'fileName' | 'actor' | 'requestedAt'>,
): Promise<void> {
  await db.query(
    `INSERT INTO settlement_imports (id, org_id, mode, processor_kind, processor, format, mapping, file_name, actor, requested_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      row.id,
      orgId,
      mode,
      row.source,
      row.processor,
      row.format,
      JSON.stringify(row.mapping),
      row.fileName,
      row.actor,
      row.requestedAt,
    ],
  );
}

/** @param hold locks it until the transaction ends */
export async function findImport(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
  hold = false,
): Promise<ImportRow | undefined> {
  const { rows } = await db.query<ImportRow>(
    `SELECT ${COLUMNS} FROM settlement_imports i WHERE ${OF} AND i.id = $3${hold ? ' FOR UPDATE' : ''}`,
    [orgId, mode, id],
  );
  return rows[0];
}

/** Newest first, beginning after `before`. */
export async function listImports(
  db: Db,
  { orgId, mode }: Tenant,
  { status, before, limit }: { status?: string | undefined; before?: string | undefined; limit: number },
): Promise<ImportRow[]> {
  const { rows } = await db.query<ImportRow>(
    `SELECT ${COLUMNS} FROM settlement_imports i WHERE ${OF} AND ($3::text IS NULL OR i.status = $3)
        AND ($4::uuid IS NULL OR i.id < $4) ORDER BY i.id DESC LIMIT $5`,
    [orgId, mode, status ?? null, before ?? null, limit],
  );
  return rows;
}

/** Bytes of the files that are stored for the organization, behind a lock that the next one to store waits for. */
export async function storedBytes(db: Db, { orgId, mode }: Tenant): Promise<number> {
  await db.query(`SELECT pg_advisory_xact_lock(hashtextextended('settlement parts ' || $1, 0))`, [`${orgId} ${mode}`]);
  const { rows } = await db.query<{ bytes: number }>(
    `SELECT COALESCE(sum(i.bytes), 0)::bigint AS bytes FROM settlement_imports i
      WHERE ${OF} AND i.status IN ('receiving', 'queued', 'running')`,
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
      WHERE ${OF} AND i.id = $3`,
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

export async function moveImport(
  db: Db,
  { tenant, id }: ImportRef,
  from: readonly ImportRow['status'][],
  change: { status: ImportRow['status']; failure?: string; sha256?: string; at: Date },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE settlement_imports i
        SET status = $5, failure = $6, sha256 = COALESCE($7, i.sha256),
            started_at = CASE WHEN $5 = 'running' THEN $8 ELSE i.started_at END,
            finished_at = CASE WHEN $5 IN ('completed', 'cancelled', 'failed') THEN $8::timestamptz END,
            -- Nobody is to be told of a file that moved nothing.
            told_at = CASE WHEN $5 = 'completed' AND i.matched + i.exceptions = 0 THEN $8 ELSE i.told_at END
      WHERE ${OF} AND i.id = $3 AND i.status = ANY ($4)`,
    [tenant.orgId, tenant.mode, id, from, change.status, change.failure ?? null, change.sha256 ?? null, change.at],
  );
  return rowCount === 1;
}

/** The file is needed no longer: what it said stands in lines, its hash in the audit trail. */
export async function dropParts(db: Db, { tenant, id }: ImportRef): Promise<void> {
  await db.query('DELETE FROM settlement_import_parts WHERE org_id = $1 AND mode = $2 AND import_id = $3', [
    tenant.orgId,
    tenant.mode,
    id,
  ]);
}

export interface Step {
  /** Records done before: the fence. Whoever comes second with the same finds that it has moved. */
  from: number;
  to: number;
  bytesRead: number;
  matched: number;
  exceptions: number;
  awaited: number;
  repeated: number;
  rejected: number;
  at: Date;
}

/** Takes the import a batch further. False when it was ended meanwhile, or another worker has made the same batch. */
export async function advanceImport(db: Db, { tenant, id }: ImportRef, step: Step): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'advance-import',
    text: `UPDATE settlement_imports i
              SET records = $5, bytes_read = greatest(i.bytes_read, $6), matched = i.matched + $7,
                  exceptions = i.exceptions + $8, repeated = i.repeated + $9, rejected = i.rejected + $10, driven_at = $11,
                  awaited = i.awaited + $12
            WHERE ${OF} AND i.id = $3 AND i.records = $4 AND i.status = 'running'`,
    values: [
      tenant.orgId,
      tenant.mode,
      id,
      step.from,
      step.to,
      step.bytesRead,
      step.matched,
      step.exceptions,
      step.repeated,
      step.rejected,
      step.at,
      step.awaited,
    ],
  });
  return rowCount === 1;
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

/** Imports under way that no workflow is known to hold: never handed over, or not heard of for a long time. */
export async function findUndrivenImports(
  db: Db,
  { graceMs, silenceMs }: { graceMs: number; silenceMs: number },
  limit: number,
): Promise<ImportRef[]> {
  const { rows } = await db.query<{ orgId: string; mode: Tenant['mode']; id: string }>({
    name: 'find-undriven-imports',
    text: `SELECT i.org_id AS "orgId", i.mode, i.id FROM settlement_imports i
            WHERE (i.status IN ('queued', 'running') OR (i.status = 'completed' AND i.told_at IS NULL))
              AND i.requested_at < now() - $1 * interval '1 millisecond'
              AND (i.driven_at IS NULL OR i.driven_at < now() - $2 * interval '1 millisecond')
            ORDER BY i.requested_at LIMIT $3`,
    values: [graceMs, silenceMs, limit],
  });
  return rows.map(({ orgId, mode, id }) => ({ tenant: { orgId, mode }, id }));
}

export async function markImportDriven(db: Db, { tenant, id }: ImportRef, at: Date): Promise<void> {
  await db.query(`UPDATE settlement_imports i SET driven_at = $4 WHERE ${OF} AND i.id = $3`, [
    tenant.orgId,
    tenant.mode,
    id,
    at,
  ]);
}

/** Payments of the import whose lifecycle may wait for the money, in order of their ids. */
export async function findToTell(
  db: Db,
  { tenant, id }: ImportRef,
  after: string | null,
  limit: number,
): Promise<{ paymentId: string; workflowId: string; complete: boolean }[]> {
  const { rows } = await db.query<{ paymentId: string; workflowId: string; complete: boolean }>({
    name: 'find-settled-to-tell',
    text: `SELECT p.id AS "paymentId", p.workflow_id AS "workflowId", p.settled >= p.captured AS complete
             FROM (SELECT DISTINCT l.payment_id FROM settlement_lines l
                    WHERE l.import_id = $3 AND l.payment_id IS NOT NULL AND ($4::uuid IS NULL OR l.payment_id > $4)
                    ORDER BY 1 LIMIT $5) l
             JOIN payments p ON p.id = l.payment_id AND p.org_id = $1 AND p.mode = $2 ORDER BY p.id`,
    values: [tenant.orgId, tenant.mode, id, after, limit],
  });
  return rows;
}

/** @param end nobody is left to be told */
export async function markTold(
  db: Db,
  { tenant, id }: ImportRef,
  after: string | null,
  end: boolean,
  at: Date,
): Promise<void> {
  await db.query(
    `UPDATE settlement_imports i SET told_after = COALESCE($4, i.told_after), driven_at = $6::timestamptz,
            told_at = CASE WHEN $5 THEN $6::timestamptz END WHERE ${OF} AND i.id = $3`,
    [tenant.orgId, tenant.mode, id, after, end, at],
  );
}
