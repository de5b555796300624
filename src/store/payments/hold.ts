import type { LedgerLine } from '../../domain/ledger.ts';
import type { Tenant } from '../../domain/types.ts';
import { newId } from '../../trust/new-id.ts';
import type { Db } from '../pool.ts';
import type { PaymentRow } from './row.ts';

/** Locks a payment's row until the transaction ends. */
export async function holdPayment(
  db: Db,
  tenant: Tenant,
  id: string,
): Promise<(PaymentRow & { void_pending: boolean }) | undefined> {
  const { rows } = await db.query<{ row: PaymentRow & { void_pending: boolean } }>({
    name: 'hold-payment',
    text: `SELECT to_jsonb(p) AS row FROM payments p WHERE p.org_id = $1 AND p.mode = $2 AND p.id = $3 FOR UPDATE`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0]?.row;
}

/** Releases what is left of a held payment whose authorization has expired. */
export async function closeHold(db: Db, id: string, at: Date): Promise<PaymentRow> {
  const { rows } = await db.query<{ row: PaymentRow }>({
    name: 'close-hold',
    text: `UPDATE payments p SET released = p.authorized - p.captured, closed_by = 'expiry',
                  needs_attention = NULLIF(p.needs_attention, $3), updated_at = $2
            WHERE p.id = $1 RETURNING to_jsonb(p) AS row`,
    values: [id, at, ENDS_SOON],
  });
  return rows[0]!.row;
}

export const ENDS_SOON = 'The hold ends soon, and is let go then';

/** Somebody was told that the hold ends. @param letGo a person should look: what is not captured is let go */
export async function noteWarning(db: Db, id: string, letGo: boolean, at: Date): Promise<void> {
  await db.query({
    name: 'note-warning',
    text: `UPDATE payments SET expiry_warned_at = $3, needs_attention = COALESCE(needs_attention, $2), updated_at = $3
            WHERE id = $1`,
    values: [id, letGo ? ENDS_SOON : null, at],
  });
}

/** A person should look, for this reason unless there is one already: that one says more of what is at stake. */
export async function noteAttention(
  db: Db,
  id: string,
  attention: string,
  reconciliation: string,
  at: Date,
): Promise<void> {
  await db.query({
    name: 'note-attention',
    text: `UPDATE payments SET needs_attention = COALESCE(needs_attention, $2), reconciliation_status = $3,
                  updated_at = $4 WHERE id = $1`,
    values: [id, attention, reconciliation, at],
  });
}

/** One ledger entry in the caller's transaction; it must sum to zero per currency. */
export async function postEntry(
  db: Db,
  tenant: Tenant,
  entry: { kind: string; paymentId?: string; operationId?: string | undefined; at: Date; lines: LedgerLine[] },
): Promise<void> {
  await db.query({
    name: 'post-entry',
    text: 'SELECT post_entry($1, $2, $3, $4, $5, $6, $7, $8)',
    values: [
      newId(),
      tenant.orgId,
      tenant.mode,
      entry.kind,
      entry.paymentId ?? null,
      entry.operationId ?? null,
      entry.at,
      JSON.stringify(entry.lines),
    ],
  });
}
