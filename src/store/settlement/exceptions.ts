import type { ExceptionKind, Resolution } from '../../domain/settlement.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

export interface ExceptionRow {
  id: string;
  kind: ExceptionKind;
  paymentId: string | null;
  operationId: string | null;
  midId: string | null;
  source: string | null;
  lineId: string | null;
  lineType: 'capture' | 'refund' | null;
  settlementReference: string | null;
  expectedMinor: number | null;
  actualMinor: number | null;
  currency: string;
  openedAt: Date;
  owner: string | null;
  assignedAt: Date | null;
  resolution: Resolution | null;
  note: string | null;
  resolvedBy: string | null;
  resolvedAt: Date | null;
}

const COLUMNS = `x.id, x.kind, x.payment_id AS "paymentId", x.operation_id AS "operationId", p.mid_id AS "midId",
  x.processor_kind AS source, x.line_id AS "lineId", x.line_type AS "lineType",
  x.settlement_reference AS "settlementReference", x.expected_minor AS "expectedMinor", x.actual_minor AS "actualMinor",
  x.currency, x.opened_at AS "openedAt", x.owner, x.assigned_at AS "assignedAt", x.resolution, x.note,
  x.resolved_by AS "resolvedBy", x.resolved_at AS "resolvedAt"`;
const FROM = 'reconciliation_exceptions x LEFT JOIN payments p ON p.id = x.payment_id';

export interface ExceptionFilter {
  open?: boolean | undefined;
  kind?: string | undefined;
  paymentId?: string | undefined;
  owner?: string | undefined;
  before?: string | undefined;
  limit: number;
}

/** Newest first. */
export async function listExceptions(
  db: Db,
  { orgId, mode }: Tenant,
  filter: ExceptionFilter,
): Promise<ExceptionRow[]> {
  const { rows } = await db.query<ExceptionRow>({
    name: 'list-exceptions',
    text: `SELECT ${COLUMNS} FROM ${FROM}
            WHERE x.org_id = $1 AND x.mode = $2 AND ($3::boolean IS NULL OR (x.resolved_at IS NULL) = $3)
              AND ($4::text IS NULL OR x.kind = $4) AND ($5::uuid IS NULL OR x.payment_id = $5)
              AND ($6::text IS NULL OR x.owner = $6) AND ($7::uuid IS NULL OR x.id < $7)
            ORDER BY x.id DESC LIMIT $8`,
    values: [
      orgId,
      mode,
      filter.open ?? null,
      filter.kind ?? null,
      filter.paymentId ?? null,
      filter.owner ?? null,
      filter.before ?? null,
      filter.limit,
    ],
  });
  return rows;
}

/** @param hold locks it until the transaction ends */
export async function findException(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
  hold = false,
): Promise<ExceptionRow | undefined> {
  const { rows } = await db.query<ExceptionRow>(
    `SELECT ${COLUMNS} FROM ${FROM} WHERE x.org_id = $1 AND x.mode = $2 AND x.id = $3${hold ? ' FOR UPDATE OF x' : ''}`,
    [orgId, mode, id],
  );
  return rows[0];
}

/** A capture that no line came for in time; once, while it is open. False when it was noted before. */
export async function openMissing(
  db: Db,
  { orgId, mode }: Tenant,
  missing: { id: string; paymentId: string; capturedMinor: number; settledMinor: number; currency: string; at: Date },
): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'open-missing',
    text: `INSERT INTO reconciliation_exceptions (id, org_id, mode, kind, payment_id, expected_minor, actual_minor, currency, opened_at)
           VALUES ($1, $2, $3, 'missing', $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
    values: [
      missing.id,
      orgId,
      mode,
      missing.paymentId,
      missing.capturedMinor,
      missing.settledMinor,
      missing.currency,
      missing.at,
    ],
  });
  return rowCount === 1;
}

export async function assignException(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
  owner: string,
  at: Date,
): Promise<void> {
  await db.query(
    'UPDATE reconciliation_exceptions SET owner = $4, assigned_at = $5 WHERE org_id = $1 AND mode = $2 AND id = $3',
    [orgId, mode, id, owner, at],
  );
}

/** Resolves an exception that is held; the payment needs no attention for its settlement once it was the last one. */
export async function resolveException(
  db: Db,
  { orgId, mode }: Tenant,
  id: string,
  { resolution, note, by, at }: { resolution: Resolution; note: string; by: string; at: Date },
): Promise<void> {
  await db.query(
    `WITH resolved AS (
       UPDATE reconciliation_exceptions SET resolution = $4, note = $5, resolved_by = $6, resolved_at = $7
        WHERE org_id = $1 AND mode = $2 AND id = $3 RETURNING id, payment_id)
     UPDATE payments p SET needs_attention = NULL, updated_at = $7 FROM resolved r
      WHERE p.id = r.payment_id AND p.org_id = $1 AND p.mode = $2 AND p.needs_attention LIKE 'Settlement%'
        AND NOT EXISTS (SELECT FROM reconciliation_exceptions x
                         WHERE x.payment_id = p.id AND x.id <> r.id AND x.resolved_at IS NULL)`,
    [orgId, mode, id, resolution, note, by, at],
  );
}
