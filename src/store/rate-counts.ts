import type { Db } from './pool.ts';

/** Use of one limit in one window. */
export interface RateCount {
  /** Of a policy and what it counts by: `credential:…`. */
  name: string;
  /** Unix seconds. */
  windowEnd: number;
  used: number;
}

/**
 * Adds what this process has used and tells what all processes have, itself included. One statement; rows are taken in
 * the order given, which must be that of the names, so that two processes cannot wait for each other.
 */
export async function exchangeRates(db: Db, counts: RateCount[]): Promise<RateCount[]> {
  const { rows } = await db.query<RateCount>({
    name: 'exchange-rates',
    text: `INSERT INTO rate_counts AS c (name, window_end, used)
           SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])
           ON CONFLICT (name, window_end) DO UPDATE SET used = c.used + excluded.used
           RETURNING c.name, c.window_end AS "windowEnd", c.used`,
    values: [counts.map((count) => count.name), counts.map((count) => count.windowEnd), counts.map((c) => c.used)],
  });
  return rows;
}

/** Removes windows that ended before `before` (Unix seconds). */
export async function forgetRates(db: Db, before: number): Promise<void> {
  await db.query({
    name: 'forget-rates',
    text: `DELETE FROM rate_counts WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM rate_counts WHERE window_end < $1 LIMIT 10000 FOR UPDATE SKIP LOCKED))`,
    values: [before],
  });
}
