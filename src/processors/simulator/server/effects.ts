import type { Pool } from 'pg';

export type EffectType =
  'authorize' | 'increment' | 'capture' | 'void' | 'refund' | 'expire' | 'dispute' | 'dispute_return' | 'refund_return';

/** One true movement of money (or of a hold), as the oracle tells it. */
export interface Effect {
  seq: number;
  type: EffectType;
  amount_minor: number;
  /** Hold that a final capture let go besides; 0 elsewhere. */
  released_minor: number;
  currency: string;
  reference: string;
  /** `null` for `expire`; the dispute's id for what a dispute withheld or gave back. */
  operation_id: string | null;
  processor: string;
  mid: string;
  processor_reference: string;
  at: string;
}

/** `$1` is our payment id, our operation id or the processor's reference. */
const MATCHES = `(reference = $1 OR operation_id = $1 OR processor_reference = $1)`;

/** In the order they happened. With a reference, all of them; without, one page after `cursor`. */
export async function listEffects(
  pool: Pool,
  filter: { reference?: string | undefined; processor?: string | undefined; cursor: number; limit: number },
): Promise<{ data: Effect[]; next_cursor: string | null }> {
  const limit = filter.reference === undefined ? filter.limit : null;
  const { rows } = await pool.query<Omit<Effect, 'at'> & { at: Date }>(
    `SELECT seq, type, amount_minor, released_minor, currency, reference, operation_id, processor, mid,
            processor_reference, at
     FROM simulator.effects
     WHERE ($1::text IS NULL OR ${MATCHES}) AND ($2::text IS NULL OR processor = $2) AND seq > $3
     ORDER BY seq LIMIT $4`,
    [filter.reference, filter.processor, filter.cursor, limit],
  );
  const data = rows.map((row) => ({ ...row, at: row.at.toISOString() }));
  return { data, next_cursor: limit !== null && data.length === limit ? String(data.at(-1)!.seq) : null };
}

/** An effect as an account lists it: what moved money, without what only the oracle knows. */
export type AccountEffect = Pick<
  Effect,
  'type' | 'amount_minor' | 'currency' | 'reference' | 'operation_id' | 'processor_reference' | 'at'
> & { id: string };

/** What one account did since a time, in the order it happened, a page after `cursor`; later by the lag of queries. */
export async function listOfAccount(
  pool: Pool,
  of: { processor: string; mid: string; since: string; cursor: number; limit: number; lagMs: number },
): Promise<{ data: AccountEffect[]; next_cursor: string | null; complete_until: string }> {
  const until = new Date(Date.now() - of.lagMs);
  const { rows } = await pool.query<Omit<Effect, 'at'> & { at: Date }>(
    `SELECT seq, type, amount_minor, currency, reference, operation_id, processor_reference, at FROM simulator.effects
      WHERE processor = $1 AND mid = $2 AND type IN ('capture', 'refund', 'refund_return')
        AND at >= $3 AND at <= $4 AND seq > $5 ORDER BY seq LIMIT $6`,
    [of.processor, of.mid, of.since, until, of.cursor, of.limit],
  );
  const data = rows.map(({ seq, at, ...effect }) => ({ id: `eff_${seq}`, ...effect, at: at.toISOString() }));
  const next = rows.length === of.limit ? String(rows.at(-1)!.seq) : null;
  return { data, next_cursor: next, complete_until: until.toISOString() };
}

export interface EffectSummary {
  reference: string;
  currencies: string[];
  processors: string[];
  authorize: EffectSum;
  /** Added to a hold. */
  increment: EffectSum;
  capture: EffectSum;
  void: EffectSum;
  refund: EffectSum;
  expire: EffectSum;
  /** Withheld for disputes, and given back. */
  dispute: EffectSum;
  dispute_return: EffectSum;
  /** Refunds that the bank of the payee sent back. */
  refund_return: EffectSum;
  /** Let go by final captures. */
  released_minor: number;
  /** Authorizations that still hold money: more than one for a payment is a fault of ours. */
  open_holds: EffectSum;
}
interface EffectSum {
  count: number;
  amount_minor: number;
}

/** Sums by type for one payment, over all processors. */
export async function summarizeEffects(pool: Pool, reference: string): Promise<EffectSummary> {
  const { rows } = await pool.query<{ summary: EffectSummary }>(
    `WITH mine AS (SELECT * FROM simulator.effects WHERE ${MATCHES}),
          sums AS (SELECT kind AS type, jsonb_build_object('count', count(e.seq), 'amount_minor', coalesce(sum(e.amount_minor), 0)) AS sum
                   FROM unnest(ARRAY['authorize', 'increment', 'capture', 'void', 'refund', 'expire', 'dispute', 'dispute_return', 'refund_return']) AS kind
                   LEFT JOIN mine e ON e.type = kind GROUP BY kind)
     SELECT (SELECT jsonb_object_agg(type, sum) FROM sums) || jsonb_build_object(
       'reference', $1::text,
       'currencies', (SELECT coalesce(jsonb_agg(DISTINCT currency), '[]') FROM mine),
       'processors', (SELECT coalesce(jsonb_agg(DISTINCT processor), '[]') FROM mine),
       'released_minor', (SELECT coalesce(sum(released_minor), 0) FROM mine),
       'open_holds', (SELECT jsonb_build_object('count', count(*),
                        'amount_minor', coalesce(sum(authorized - captured - released), 0))
                      FROM simulator.payments
                      WHERE processor_reference IN (SELECT processor_reference FROM mine)
                        AND captured + released < authorized)) AS summary`,
    [reference],
  );
  return rows[0]!.summary;
}
