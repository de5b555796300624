import type { Pool } from 'pg';

/** Counters of one database, and of the write-ahead log that all databases share. */
export interface DatabaseCounters {
  /** Transactions, those that only read included. */
  transactions: number;
  /** Transactions that wrote: they alone get a transaction id. Counts every database of the server. */
  writes: number;
  walBytes: number;
}

/**
 * Temporal keeps its state elsewhere (SQLite), so what is written here is the target's. `transactions` lags by up to a
 * second, as the backends report it; over a window in the steady state the lag at both ends is the same.
 */
export async function readCounters(pool: Pool, database: string): Promise<DatabaseCounters> {
  const { rows } = await pool.query<{ transactions: string; writes: string; wal: string }>({
    name: 'counters',
    text: `SELECT xact_commit AS transactions, pg_snapshot_xmax(pg_current_snapshot())::text AS writes,
                  pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::text AS wal
           FROM pg_stat_database WHERE datname = $1`,
    values: [database],
  });
  const row = rows[0]!;
  return { transactions: Number(row.transactions), writes: Number(row.writes), walBytes: Number(row.wal) };
}
