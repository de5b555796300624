import { postings } from '../../domain/ledger.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Settlement, SettlementLine } from '../../domain/settlement.ts';
import { recordFact } from '../facts.ts';
import type { Db } from '../pool.ts';
import { postEntry } from './hold.ts';
import type { PaymentRow } from './row.ts';

/** What a settlement line is, against what we know of the operation it names. */
export type Reconciled = 'matched' | 'over' | 'under' | 'currency_mismatch' | 'data_mismatch' | 'duplicate';

export interface SettledPayment {
  paymentId: string;
  workflowId: string;
  complete: boolean;
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

/** Applies one line: match, counters, ledger, audit, event — in the caller's transaction. */
export async function applySettlementLine(
  db: Db,
  kind: string,
  settlement: Settlement,
  line: SettlementLine,
  ids: { paymentId: string; operationId: string | undefined },
  at: Date,
): Promise<SettledPayment | undefined> {
  const payment = await lockPayment(db, ids.paymentId);
  if (!payment) return undefined;
  const status = await reconcile(db, kind, settlement, line, ids, payment);
  const tenant = { orgId: payment.org_id, mode: payment.mode };
  const subject = toTypeId('pay', payment.id);
  const inserted = await db.query({
    name: 'insert-settlement-line',
    text: `INSERT INTO settlement_lines (processor_kind, line_id, org_id, mode, settlement_id, settled_at, type, payment_id,
             operation_id, amount_minor, fee_minor, currency, status)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`,
    values: [
      kind,
      line.lineId,
      tenant.orgId,
      tenant.mode,
      settlement.settlementId,
      settlement.settledAt,
      line.type,
      payment.id,
      ids.operationId ?? null,
      line.amountMinor,
      line.feeMinor,
      line.currency,
      status,
    ],
  });
  if (inserted.rowCount === 0) return undefined;
  const counts = status === 'matched' || status === 'over' || status === 'under';
  // Never more than was captured: what is beyond it stays an exception, and a difference in the receivable.
  const settledNow =
    counts && line.type === 'capture' ? Math.min(line.amountMinor, payment.captured - payment.settled) : 0;
  if (counts) {
    await postEntry(db, tenant, {
      kind: 'settled',
      paymentId: payment.id,
      operationId: ids.operationId,
      at,
      lines: postings({
        type: 'settled',
        of: line.type,
        mid: payment.mid_id!,
        amountMinor: line.amountMinor,
        feeMinor: line.feeMinor,
        currency: line.currency,
      }),
    });
  }
  const reference = { settlement_id: settlement.settlementId, line_id: line.lineId, type: line.type, status };
  const { rows } = await db.query<{ settled: number; captured: number }>({
    name: 'settle-payment',
    text: `UPDATE payments SET settled = settled + $2, settlement_id = $3, settled_at = $4, updated_at = $5,
             reconciliation_status = CASE
               WHEN $6 <> 'matched' THEN $6
               WHEN reconciliation_status IN ('expected', 'missing', 'matched') AND settled + $2 >= captured THEN 'matched'
               ELSE reconciliation_status END,
             needs_attention = CASE
               WHEN $6 <> 'matched' THEN 'Settlement: ' || $6
               WHEN reconciliation_status = 'missing' AND settled + $2 >= captured THEN NULL
               ELSE needs_attention END,
             reconciliation_refs = reconciliation_refs || $7::jsonb
           WHERE id = $1 RETURNING settled, captured`,
    values: [
      payment.id,
      settledNow,
      settlement.settlementId,
      settlement.settledAt,
      at,
      status,
      JSON.stringify([reference]),
    ],
  });
  const complete = rows[0]!.settled >= rows[0]!.captured && rows[0]!.captured > 0;
  const told = { ...reference, amount_minor: line.amountMinor, fee_minor: line.feeMinor, currency: line.currency };
  await recordFact(db, {
    tenant,
    at,
    type: status === 'matched' ? 'payment.settled' : 'payment.settlement_exception',
    actor: `processor:${settlement.processor}`,
    subject,
    body: told,
    events:
      status === 'matched'
        ? [
            {
              type: 'payment.settled',
              subject,
              executionId: payment.execution_id,
              agentId: payment.agent_id ?? undefined,
              data: {
                org_id: toTypeId('org', tenant.orgId),
                payment_id: subject,
                execution_ref: toTypeId('exec', payment.execution_id),
                timestamp: at.toISOString(),
                ...told,
              },
            },
          ]
        : [],
  });
  return { paymentId: payment.id, workflowId: payment.workflow_id, complete };
}

async function lockPayment(db: Db, id: string): Promise<PaymentRow | undefined> {
  const { rows } = await db.query<{ row: PaymentRow }>({
    name: 'lock-settled-payment',
    text: 'SELECT to_jsonb(p) AS row FROM payments p WHERE p.id = $1 FOR UPDATE',
    values: [id],
  });
  return rows[0]?.row;
}

async function reconcile(
  db: Db,
  kind: string,
  settlement: Settlement,
  line: SettlementLine,
  { operationId }: { operationId: string | undefined },
  payment: PaymentRow,
): Promise<Reconciled> {
  if (payment.processor !== settlement.processor) return 'data_mismatch';
  if (line.currency !== payment.currency) return 'currency_mismatch';
  const { rows } = await db.query<{ amount_minor: number; type: string; settled_before: boolean }>({
    name: 'reconcile-line',
    text: `SELECT o.amount_minor, o.type, EXISTS (SELECT 1 FROM settlement_lines s WHERE s.operation_id = o.id
                    AND s.processor_kind = $3 AND s.line_id <> $4 AND s.type = $5
                    AND s.status IN ('matched', 'over', 'under')) AS settled_before
             FROM operations o WHERE o.id = $1 AND o.payment_id = $2 AND o.status = 'succeeded'`,
    values: [operationId ?? null, payment.id, kind, line.lineId, line.type],
  });
  const operation = rows[0];
  if (!operation) return 'data_mismatch';
  // Captured at once with the authorization: then the authorization is the capture.
  const fits = operation.type === line.type || (operation.type === 'authorize' && payment.capture_mode === 'automatic');
  if (!fits) return 'data_mismatch';
  if (operation.settled_before) return 'duplicate';
  // An authorization may have been granted for less than was asked.
  const moved = operation.type === 'authorize' ? payment.authorized : operation.amount_minor;
  if (line.amountMinor === moved) return 'matched';
  return line.amountMinor > moved ? 'over' : 'under';
}
