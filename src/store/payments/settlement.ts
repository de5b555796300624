import type { Pool } from 'pg';
import { parseId } from '../../domain/ids.ts';
import type { Settlement } from '../../domain/settlement.ts';
import type { FileLine } from '../../domain/settlement-file.ts';
import type { Tenant } from '../../domain/types.ts';
import { inTransaction, type Db } from '../pool.ts';
import { applyLines, prepareLines, type AppliedLine, type LinesToApply } from '../settlement/apply.ts';
import { holdBack } from '../settlement/awaited.ts';

export interface SettledPayment {
  paymentId: string;
  workflowId: string;
  complete: boolean;
  /** The line speaks of an operation whose outcome is open: whoever follows it should look now. */
  evidenceFor?: string;
}

/** Notes a notification before anything is done with it. False when it was stored before: replay-safe by its id. */
export async function storeNotification(db: Db, kind: string, eventId: string, body: unknown): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'store-notification',
    text: `INSERT INTO processor_notifications (processor_kind, event_id, body, applied_at) VALUES ($1, $2, $3, now())
           ON CONFLICT DO NOTHING`,
    values: [kind, eventId, JSON.stringify(body)],
  });
  return rowCount === 1;
}

async function isStored(db: Db, kind: string, eventId: string): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'is-notification-stored',
    text: 'SELECT FROM processor_notifications WHERE processor_kind = $1 AND event_id = $2',
    values: [kind, eventId],
  });
  return rowCount === 1;
}

/**
 * Applies what a processor settled, once for each notification. Whose a line is, its payment tells, else its operation,
 * else the account at the processor when one organization alone has any; a line of nobody stays in the notification.
 * Lines of operations without an outcome are held back first, a transaction each; the notification is stored with the
 * others, so that what was cut off in between is done again when it is told again.
 */
export async function applyNotified(
  pool: Pool,
  kind: string,
  { eventId, body }: { eventId: string; body: unknown },
  settlement: Settlement,
  at: Date,
): Promise<SettledPayment[]> {
  if (await isStored(pool, kind, eventId)) return [];
  const { processor, settlementId } = settlement;
  const lines: FileLine[] = settlement.lines.map((line) => ({
    ...line,
    paymentId: parseId(line.reference, 'pay'),
    operationId: parseId(line.operationId, 'op'),
    settlementId,
    settledAtMs: Date.parse(settlement.settledAt),
  }));
  const done: SettledPayment[] = [];
  const ripe: LinesToApply[] = [];
  for (const { tenant, own } of await byTenant(pool, kind, lines)) {
    const apply = { tenant, source: kind, processor, at, lines: own };
    const held = await holdBack(pool, apply);
    done.push(...held.awaiting);
    if (held.lines.length > 0) ripe.push({ ...apply, lines: prepareLines(held.lines) });
  }
  const applied = await inTransaction(pool, async (db) => {
    if (!(await storeNotification(db, kind, eventId, body))) return [];
    const found: AppliedLine[] = [];
    for (const apply of ripe) found.push(...(await applyLines(db, apply, undefined)).lines);
    return found;
  });
  for (const { payment_id, workflow_id, complete } of applied) {
    if (payment_id && workflow_id) done.push({ paymentId: payment_id, workflowId: workflow_id, complete });
  }
  return done;
}

/** In one order for every notification, so that two of them cannot hold each other up. */
async function byTenant(db: Db, kind: string, lines: FileLine[]): Promise<{ tenant: Tenant; own: FileLine[] }[]> {
  const { rows } = await db.query<Tenant & { own: number[] }>({
    name: 'tenants-of-settled',
    text: `
      WITH alone AS (
        SELECT min(org_id::text)::uuid AS org_id, min(mode) AS mode FROM mids WHERE kind || ':' || processor = $1
        HAVING count(DISTINCT (org_id, mode)) = 1
      ), line AS (
        SELECT l.n - 1 AS n, COALESCE(p.org_id, o.org_id, alone.org_id) AS org_id, COALESCE(p.mode, o.mode, alone.mode) AS mode
          FROM unnest($2::uuid[], $3::uuid[]) WITH ORDINALITY AS l(payment, operation, n)
          LEFT JOIN payments p ON p.id = l.payment LEFT JOIN operations o ON o.id = l.operation LEFT JOIN alone ON true
      )
      SELECT org_id AS "orgId", mode, array_agg(n::integer ORDER BY n) AS own FROM line WHERE org_id IS NOT NULL
       GROUP BY 1, 2 ORDER BY 1, 2`,
    values: [kind, lines.map((line) => line.paymentId ?? null), lines.map((line) => line.operationId ?? null)],
  });
  return rows.map(({ orgId, mode, own }) => ({ tenant: { orgId, mode }, own: own.map((n) => lines[n]!) }));
}
