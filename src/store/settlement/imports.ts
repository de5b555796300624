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
