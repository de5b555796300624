import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

export interface EntryRow {
  id: string;
  kind: string;
  paymentId: string | null;
  operationId: string | null;
  at: Date;
  /** `at` in microseconds since 1970, for the cursor. */
  micros: number;
  lines: { account: string; amount_minor: number; currency: string }[];
}

export interface EntryFilter {
  accountId?: string | undefined;
  paymentId?: string | undefined;
  kind?: string | undefined;
  /** Entries of this moment and later. */
  from?: Date | undefined;
  /** Entries before this moment. */
  to?: Date | undefined;
  /** Where the page before ended. */
  before?: { micros: number; id: string } | undefined;
  limit: number;
}

/** Entries with their lines, newest first. */
export async function listEntries(db: Db, { orgId, mode }: Tenant, filter: EntryFilter): Promise<EntryRow[]> {
  const { rows } = await db.query<EntryRow>({
    name: 'list-ledger-entries',
    text: `
      SELECT e.id, e.kind, e.payment_id AS "paymentId", e.operation_id AS "operationId", e.at,
             (extract(epoch FROM e.at) * 1000000)::bigint AS micros,
             (SELECT jsonb_agg(jsonb_build_object('account', l.account, 'amount_minor', l.amount_minor,
                       'currency', l.currency) ORDER BY l.line) FROM ledger_lines l WHERE l.entry_id = e.id) AS lines
        FROM ledger_entries e
       WHERE e.org_id = $1 AND e.mode = $2
         AND ($3::uuid IS NULL OR e.payment_id = $3) AND ($4::text IS NULL OR e.kind = $4)
         AND ($5::timestamptz IS NULL OR e.at >= $5) AND ($6::timestamptz IS NULL OR e.at < $6)
         AND ($7::bigint IS NULL OR (e.at, e.id) < ('epoch'::timestamptz + $7 * interval '1 microsecond', $8::uuid))
         AND ($9::uuid IS NULL OR EXISTS (
           SELECT FROM ledger_lines l JOIN ledger_accounts a ON a.account = l.account AND a.currency = l.currency
            WHERE l.entry_id = e.id AND a.id = $9 AND a.org_id = $1 AND a.mode = $2))
       ORDER BY e.at DESC, e.id DESC LIMIT $10`,
    values: [
      orgId,
      mode,
      filter.paymentId ?? null,
      filter.kind ?? null,
      filter.from ?? null,
      filter.to ?? null,
      filter.before?.micros ?? null,
      filter.before?.id ?? null,
      filter.accountId ?? null,
      filter.limit,
    ],
  });
  return rows;
}

const BATCH = 500;

/** Every entry that passes the filter, in batches of one query each, so that nothing is held in memory. */
export async function* walkEntries(
  db: Db,
  tenant: Tenant,
  filter: Omit<EntryFilter, 'before' | 'limit'>,
): AsyncGenerator<EntryRow> {
  let before: EntryFilter['before'];
  for (;;) {
    const rows = await listEntries(db, tenant, { ...filter, before, limit: BATCH });
    yield* rows;
    if (rows.length < BATCH) return;
    const { micros, id } = rows.at(-1)!;
    before = { micros, id };
  }
}
