import type { AccountSums } from '../../domain/ledger.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

export interface AccountBalanceRow extends AccountSums {
  id: string;
  /** Counts up as accounts are opened. */
  number: number;
  currency: string;
  openedAt: Date;
  lines: number;
}

/** Accounts with their sums now, oldest first: sums over days, never over lines. */
export async function listAccounts(
  db: Db,
  { orgId, mode }: Tenant,
  { id, after, limit }: { id?: string | undefined; after?: number | undefined; limit: number },
): Promise<AccountBalanceRow[]> {
  const { rows } = await db.query<AccountBalanceRow>({
    name: 'list-ledger-accounts',
    text: `
      WITH sums AS (
        SELECT a.id, a.number, a.account, a.currency, a.opened_at, d.debit, d.credit, d.lines,
               split_part(a.account, ':', 1) AS base, split_part(a.account, ':', 2) AS mid
          FROM ledger_accounts a JOIN LATERAL (
            SELECT sum(d.debit_minor)::bigint AS debit, sum(d.credit_minor)::bigint AS credit, sum(d.lines)::bigint AS lines
              FROM ledger_days d WHERE d.account_id = a.id) d ON true
         WHERE a.org_id = $1 AND a.mode = $2
      ), reserved AS (
        SELECT mid_id::text AS mid, currency, sum(refund_pending) AS minor FROM payments
         WHERE org_id = $1 AND mode = $2 AND refund_pending > 0 GROUP BY 1, 2
      )
      SELECT s.id, s.number, s.account, s.currency, s.opened_at AS "openedAt", COALESCE(s.debit, 0) AS "debitMinor",
             COALESCE(s.credit, 0) AS "creditMinor", COALESCE(s.lines, 0) AS lines,
             (SELECT COALESCE(sum(h.debit - h.credit), 0)::bigint FROM sums h
               WHERE h.base = 'authorized' AND h.currency = s.currency AND (s.account = 'sales' OR h.mid = s.mid))
               AS "holdsMinor",
             (SELECT COALESCE(sum(r.minor), 0)::bigint FROM reserved r
               WHERE r.currency = s.currency AND (s.account = 'refunds' OR r.mid = s.mid)) AS "refundsPendingMinor"
        FROM sums s WHERE ($3::uuid IS NULL OR s.id = $3) AND ($4::bigint IS NULL OR s.number > $4)
       ORDER BY s.number LIMIT $5`,
    values: [orgId, mode, id ?? null, after ?? null, limit],
  });
  return rows;
}

export interface TrialBalanceRow {
  id: string;
  account: string;
  currency: string;
  debitMinor: number;
  creditMinor: number;
}

/**
 * Debits and credits of every account up to `asOf`, inclusive: the days before, and the lines of that day. Without
 * `asOf`, all there is.
 */
export async function trialBalance(db: Db, { orgId, mode }: Tenant, asOf?: Date): Promise<TrialBalanceRow[]> {
  const { rows } = await db.query<TrialBalanceRow>({
    name: 'trial-balance',
    text: `
      WITH moved AS (
        SELECT a.id, a.account, a.currency, d.debit_minor AS debit, d.credit_minor AS credit
          FROM ledger_days d JOIN ledger_accounts a ON a.id = d.account_id
         WHERE d.org_id = $1 AND d.mode = $2 AND ($3::timestamptz IS NULL OR d.day < ($3 AT TIME ZONE 'UTC')::date)
        UNION ALL
        SELECT a.id, a.account, a.currency, greatest(l.amount_minor, 0), greatest(-l.amount_minor, 0)
          FROM ledger_entries e JOIN ledger_lines l ON l.entry_id = e.id
          JOIN ledger_accounts a ON a.org_id = $1 AND a.mode = $2 AND a.account = l.account AND a.currency = l.currency
         WHERE e.org_id = $1 AND e.mode = $2 AND e.at <= $3
           AND e.at >= date_trunc('day', $3 AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
      )
      SELECT id, account, currency, sum(debit)::bigint AS "debitMinor", sum(credit)::bigint AS "creditMinor"
        FROM moved GROUP BY 1, 2, 3 ORDER BY currency, account`,
    values: [orgId, mode, asOf ?? null],
  });
  return rows;
}
