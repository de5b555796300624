import type { CoverageClass, CoverageCount } from '../../domain/coverage.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

export interface Window {
  from: Date;
  to: Date;
}

export interface CoverageItem {
  class: CoverageClass;
  at: Date;
  /** `at` in microseconds since 1970, for the cursor. */
  micros: number;
  id: string;
  kind: 'operation' | 'effect' | 'line' | 'verdict';
  executionId: string | null;
  paymentId: string | null;
  operationId: string | null;
  processor: string | null;
  type: 'capture' | 'refund' | 'refund_return' | null;
  amountMinor: number;
  currency: string;
  sources: ('processor' | 'list' | 'settlement')[];
  reason: string | null;
  /** The processor's id of the effect, and of the payment, where the processor lists it and nobody here asked for it. */
  effectId: string | null;
  processorReference: string | null;
  /** The signed verdict, and the audit entry of it; of an effect that nobody asked for, the entry that tells of it. */
  jws: string | null;
  auditId: string | null;
}

export async function countCoverage(db: Db, { orgId, mode }: Tenant, { from, to }: Window): Promise<CoverageCount[]> {
  const { rows } = await db.query<CoverageCount>({
    name: 'count-coverage',
    text: `SELECT class, currency, count(*) AS items, sum(amount_minor)::bigint AS amount_minor
             FROM coverage_items($1, $2, $3, $4) GROUP BY 1, 2 ORDER BY 1, 2`,
    values: [orgId, mode, from, to],
  });
  return rows;
}

/** Oldest first. */
export async function listCoverage(
  db: Db,
  { orgId, mode }: Tenant,
  page: Window & {
    class?: CoverageClass | undefined;
    after?: { micros: number; id: string } | undefined;
    limit: number;
  },
): Promise<CoverageItem[]> {
  const { rows } = await db.query<CoverageItem>({
    name: 'list-coverage',
    text: `SELECT i.class, i.at, (extract(epoch FROM i.at) * 1000000)::bigint AS micros, i.id, i.kind,
                  i.execution_id AS "executionId", i.payment_id AS "paymentId", i.operation_id AS "operationId",
                  i.processor, i.type, i.amount_minor AS "amountMinor", i.currency, i.sources, i.reason,
                  f.effect_id AS "effectId", f.processor_reference AS "processorReference",
                  e.risk_payload_jws AS jws, COALESCE(f.audit_id, e.audit_id) AS "auditId"
             FROM coverage_items($1, $2, $3, $4) i LEFT JOIN executions e ON e.id = i.execution_id
             LEFT JOIN processor_effects f ON i.kind = 'effect' AND f.id = i.id
            WHERE ($5::text IS NULL OR i.class = $5)
              AND ($6::bigint IS NULL OR (i.at, i.id) > ('epoch'::timestamptz + $6 * interval '1 microsecond', $7::uuid))
            ORDER BY i.at, i.id LIMIT $8`,
    values: [
      orgId,
      mode,
      page.from,
      page.to,
      page.class ?? null,
      page.after?.micros ?? null,
      page.after?.id ?? null,
      page.limit,
    ],
  });
  return rows;
}

const BATCH = 500;

/** Every item of the window, in batches of one query each. */
export async function* walkCoverage(
  db: Db,
  tenant: Tenant,
  filter: Window & { class?: CoverageClass | undefined },
): AsyncGenerator<CoverageItem> {
  let after: { micros: number; id: string } | undefined;
  for (;;) {
    const rows = await listCoverage(db, tenant, { ...filter, after, limit: BATCH });
    yield* rows;
    if (rows.length < BATCH) return;
    const { micros, id } = rows.at(-1)!;
    after = { micros, id };
  }
}

/** Organizations and modes with anything to be measured. */
export async function listTenantsToCover(db: Db, { from, to }: Window): Promise<Tenant[]> {
  const { rows } = await db.query<Tenant>(
    `SELECT o.id AS "orgId", m.mode FROM organizations o, (VALUES ('test'), ('live')) AS m(mode)
      WHERE EXISTS (SELECT FROM executions e WHERE e.org_id = o.id AND e.mode = m.mode
                       AND e.created_at >= $1 AND e.created_at < $2)
         OR EXISTS (SELECT FROM reconciliation_exceptions x WHERE x.org_id = o.id AND x.mode = m.mode
                       AND x.opened_at >= $1 AND x.opened_at < $2)
         OR EXISTS (SELECT FROM processor_effects f WHERE f.org_id = o.id AND f.mode = m.mode
                       AND f.at >= $1 AND f.at < $2)
      ORDER BY 1, 2`,
    [from, to],
  );
  return rows;
}

/** False when it was measured before. */
export async function insertCoverageReport(
  db: Db,
  { orgId, mode }: Tenant,
  report: Window & { id: string; counts: CoverageCount[]; at: Date },
): Promise<boolean> {
  const { rowCount } = await db.query(
    `INSERT INTO coverage_reports (id, org_id, mode, from_at, to_at, counts, measured_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
    [report.id, orgId, mode, report.from, report.to, JSON.stringify(report.counts), report.at],
  );
  return rowCount === 1;
}

export interface CoverageReport extends Window {
  id: string;
  counts: CoverageCount[];
  measuredAt: Date;
}

/** Newest first. */
export async function listCoverageReports(
  db: Db,
  { orgId, mode }: Tenant,
  { before, limit }: { before?: string | undefined; limit: number },
): Promise<CoverageReport[]> {
  const { rows } = await db.query<CoverageReport>(
    `SELECT id, from_at AS "from", to_at AS "to", counts, measured_at AS "measuredAt" FROM coverage_reports
      WHERE org_id = $1 AND mode = $2 AND ($3::uuid IS NULL OR id < $3) ORDER BY id DESC LIMIT $4`,
    [orgId, mode, before ?? null, limit],
  );
  return rows;
}
