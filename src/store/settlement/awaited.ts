import type { FileLine } from '../../domain/settlement-file.ts';
import type { Tenant } from '../../domain/types.ts';
import { tellOperation } from '../payments/news.ts';
import type { SettledPayment } from '../payments/settlement.ts';
import { inTransaction, type Db } from '../pool.ts';
import type { Pool } from 'pg';
import { applyLines, type LinesToApply } from './apply.ts';

/**
 * Takes out of a batch the lines of operations that have no outcome yet, in the caller's transaction: they are evidence
 * of it, and are applied once it is recorded. A line of an operation that has failed is told as a conflict besides.
 * Operations are locked in order of id, before any payment is.
 */
export async function holdBack(
  db: Db,
  { tenant, source, processor, at, lines }: Omit<LinesToApply, 'importId'>,
): Promise<{ lines: FileLine[]; awaiting: SettledPayment[] }> {
  const named = lines.flatMap(({ operationId }) => operationId ?? []);
  const { rows } = await db.query<{ id: string; payment: string }>({
    name: 'operations-not-done',
    text: `SELECT o.id, o.payment_id AS payment FROM operations o
            WHERE o.id = ANY ($3::uuid[]) AND o.org_id = $1 AND o.mode = $2 AND o.status <> 'succeeded' ORDER BY o.id`,
    values: [tenant.orgId, tenant.mode, named],
  });
  const held = new Set<FileLine>();
  const awaiting: SettledPayment[] = [];
  for (const { id: operationId, payment: paymentId } of rows) {
    for (const line of lines.filter((one) => one.operationId === operationId)) {
      const { type, currency, amountMinor, lineId: detail } = line;
      const evidence = { source: 'settlement', says: 'succeeded', amountMinor, detail, at } as const;
      const told = await tellOperation(
        db,
        { paymentId, operationId, from: processor, line: { type, currency } },
        evidence,
      );
      if (!told || told.status === 'declined' || told.status === 'not_sent' || told.status === 'succeeded') continue;
      held.add(line);
      await keep(db, tenant, source, processor, line);
      awaiting.push({ paymentId, workflowId: told.workflowId, complete: false, evidenceFor: operationId });
    }
  }
  return { lines: lines.filter((line) => !held.has(line)), awaiting };
}

async function keep(db: Db, tenant: Tenant, source: string, processor: string, line: FileLine): Promise<void> {
  await db.query({
    name: 'keep-awaited-line',
    text: `INSERT INTO settlement_lines_awaited (org_id, mode, source, line_id, processor, operation_id, line)
           VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
    values: [tenant.orgId, tenant.mode, source, line.lineId, processor, line.operationId, JSON.stringify(line)],
  });
}

interface Awaited {
  org_id: string;
  mode: Tenant['mode'];
  source: string;
  processor: string;
  line_id: string;
  line: Omit<FileLine, 'settledAt'> & { settledAt: string };
}

/** Applies the lines whose operations have an outcome now, one transaction each. */
export async function applyAwaitedLines(pool: Pool, limit: number, at: Date): Promise<SettledPayment[]> {
  const { rows } = await pool.query<Awaited>({
    name: 'find-awaited-lines',
    text: `SELECT a.org_id, a.mode, a.source, a.processor, a.line_id, a.line
             FROM settlement_lines_awaited a JOIN operations o ON o.id = a.operation_id
            WHERE o.status IN ('succeeded', 'declined', 'not_sent') LIMIT $1`,
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
      const lines = [{ ...line, settledAt: new Date(line.settledAt) }];
      return (await applyLines(db, { tenant, source, processor, at, lines }, undefined)).lines;
    });
    for (const { payment_id: paymentId, workflow_id: workflowId, complete } of applied) {
      if (paymentId && workflowId) done.push({ paymentId, workflowId, complete });
    }
  }
  return done;
}
