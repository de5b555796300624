import { isOutcomeKnown } from '../../domain/payment/resolution.ts';
import type { FileLine } from '../../domain/settlement-file.ts';
import type { Tenant } from '../../domain/types.ts';
import { tellOperation } from '../payments/news.ts';
import type { SettledPayment } from '../payments/settlement.ts';
import { inTransaction, type Db } from '../pool.ts';
import type { Pool } from 'pg';
import { applyLines, prepareLines, type LinesToApply } from './apply.ts';

type Lines = Omit<LinesToApply, 'importId' | 'lines'> & { lines: FileLine[] };
type Awaiting = SettledPayment & { evidenceFor: string };

/**
 * Takes out of a batch the lines of operations that have no outcome yet: they are evidence of it, and are applied once it
 * is recorded. A line of an operation that has failed is told as a conflict besides. Before the transaction of the batch,
 * and each line in one of its own: a conflict locks payment and audit trail, and a second one after that would wait
 * crosswise with whoever moves money. A line that is held back already, or was applied, tells nothing a second time.
 */
export async function holdBack(
  pool: Pool,
  apply: Lines,
): Promise<{ lines: FileLine[]; awaiting: Awaiting[]; repeated: number }> {
  const held = new Set<FileLine>();
  const known = new Set<string>();
  const awaiting: Awaiting[] = [];
  let repeated = 0;
  for (const open of await findUndone(pool, apply)) {
    if (open.applied) continue;
    const told =
      open.kept || known.has(open.line.lineId)
        ? { kept: false }
        : await inTransaction(pool, (db) => tell(db, apply, open));
    if (!told) continue;
    held.add(open.line);
    known.add(open.line.lineId);
    if ('awaiting' in told && told.kept) awaiting.push(told.awaiting);
    else repeated++;
  }
  return { lines: apply.lines.filter((line) => !held.has(line)), awaiting, repeated };
}

interface Undone {
  line: FileLine;
  operationId: string;
  paymentId: string;
  /** Held back already. */
  kept: boolean;
  /** Applied already, under the same id. */
  applied: boolean;
}

/** The lines of operations that have not succeeded, in order of the operations' ids. */
async function findUndone(db: Db, { tenant, source, lines }: Lines): Promise<Undone[]> {
  const named = lines.filter(({ operationId }) => operationId !== undefined);
  if (named.length === 0) return [];
  const { rows } = await db.query<Omit<Undone, 'line'> & { n: number }>({
    name: 'operations-not-done',
    // Of many lines hardly one: the operations first, by key, and the lines beside those that are left.
    text: `WITH undone AS MATERIALIZED (
             SELECT o.id, o.payment_id FROM operations o
              WHERE o.id = ANY ($3::uuid[]) AND o.org_id = $1 AND o.mode = $2 AND o.status <> 'succeeded')
           SELECT l.n, u.id AS "operationId", u.payment_id AS "paymentId",
                  EXISTS (SELECT FROM settlement_lines_awaited a
                           WHERE a.org_id = $1 AND a.mode = $2 AND a.source = $4 AND a.line_id = l.line_id) AS kept,
                  EXISTS (SELECT FROM settlement_lines s
                           WHERE s.org_id = $1 AND s.mode = $2 AND s.processor_kind = $4 AND s.line_id = l.line_id) AS applied
             FROM undone u JOIN unnest($3::uuid[], $5::text[]) WITH ORDINALITY AS l(operation, line_id, n) ON l.operation = u.id
            ORDER BY u.id, l.n`,
    values: [
      tenant.orgId,
      tenant.mode,
      named.map((line) => line.operationId),
      source,
      named.map((line) => line.lineId),
    ],
  });
  return rows.map(({ n, ...undone }) => ({ ...undone, line: named[n - 1]! }));
}

/** @returns undefined when the line is not to wait: it is of an outcome that is known, or of no such operation */
async function tell(
  db: Db,
  { tenant, source, processor, at }: Lines,
  { line, operationId, paymentId }: Undone,
): Promise<{ kept: boolean; awaiting: Awaiting } | undefined> {
  const { type, currency, amountMinor, lineId: detail } = line;
  const evidence = { source: 'settlement', says: 'succeeded', amountMinor, detail, at } as const;
  const told = await tellOperation(db, { paymentId, operationId, from: processor, line: { type, currency } }, evidence);
  if (!told || isOutcomeKnown(told.status)) return undefined;
  const kept = await keep(db, tenant, source, processor, line);
  return { kept, awaiting: { paymentId, workflowId: told.workflowId, complete: false, evidenceFor: operationId } };
}

/** False when it was kept before. */
async function keep(db: Db, tenant: Tenant, source: string, processor: string, line: FileLine): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'keep-awaited-line',
    text: `INSERT INTO settlement_lines_awaited (org_id, mode, source, line_id, processor, operation_id, line)
           VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
    values: [tenant.orgId, tenant.mode, source, line.lineId, processor, line.operationId, JSON.stringify(line)],
  });
  return rowCount === 1;
}

interface Awaited {
  org_id: string;
  mode: Tenant['mode'];
  source: string;
  processor: string;
  line_id: string;
  line: FileLine;
}

/** Applies the lines whose operations have an outcome now, one transaction each. */
export async function applyAwaitedLines(pool: Pool, limit: number, at: Date): Promise<SettledPayment[]> {
  const { rows } = await pool.query<Awaited>({
    name: 'find-awaited-lines',
    text: `SELECT a.org_id, a.mode, a.source, a.processor, a.line_id, a.line
             FROM settlement_lines_awaited a JOIN operations o ON o.id = a.operation_id
            WHERE o.status IN ('succeeded', 'declined', 'not_sent', 'reversed') LIMIT $1`,
    values: [limit],
  });
  const done: SettledPayment[] = [];
  for (const { org_id: orgId, mode, source, processor, line_id, line } of rows) {
    const tenant = { orgId, mode };
    const applied = await inTransaction(pool, async (db) => {
      const { rowCount } = await db.query({
        name: 'awaited-no-more',
        text: 'DELETE FROM settlement_lines_awaited WHERE org_id = $1 AND mode = $2 AND source = $3 AND line_id = $4',
        values: [orgId, mode, source, line_id],
      });
      // Another worker was here.
      if (rowCount === 0) return [];
      return (await applyLines(db, { tenant, source, processor, at, lines: prepareLines([line]) }, undefined)).lines;
    });
    for (const { payment_id: paymentId, workflow_id: workflowId, complete } of applied) {
      if (paymentId && workflowId) done.push({ paymentId, workflowId, complete });
    }
  }
  return done;
}
