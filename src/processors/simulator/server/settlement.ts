import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { SettlementLineView, SettlementView } from '../notification.ts';
import type { Discrepancy } from './schemas.ts';

interface UnsettledEffect {
  seq: number;
  processor: string;
  type: 'capture' | 'refund';
  reference: string;
  operation_id: string;
  amount_minor: number;
  currency: string;
}

/** What one announcement can carry: about 200 kB. */
const MOST_LINES = 1_000;

/**
 * The captures and refunds that no batch has had, in batches of one processor each; they never come again, not even one
 * that a planted discrepancy left out. Announced in the same transaction when `announce` is set.
 * @param filter `reference` is our payment id, our operation id or the processor's reference
 */
export async function settle(
  pool: Pool,
  filter: { processor?: string | undefined; reference?: string | undefined; discrepancies: Discrepancy[] },
  announce: boolean,
): Promise<SettlementView[]> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SELECT pg_advisory_xact_lock(hashtext('simulator.settle'))`);
    const { rows } = await client.query<UnsettledEffect>(
      `SELECT seq, processor, type, reference, operation_id, amount_minor, currency FROM simulator.effects e
       WHERE type IN ('capture', 'refund') AND ($1::text IS NULL OR processor = $1)
         AND ($2::text IS NULL OR reference = $2 OR operation_id = $2 OR processor_reference = $2)
         AND NOT EXISTS (SELECT FROM simulator.settled_effects s WHERE s.seq = e.seq)
       ORDER BY seq`,
      [filter.processor, filter.reference],
    );
    const settlements: SettlementView[] = [];
    const planned = new Set(filter.discrepancies);
    for (const { processor, effects } of batches(rows)) {
      const settlement: SettlementView = {
        settlement_id: `set_${randomUUID()}`,
        processor,
        settled_at: new Date().toISOString(),
        lines: plant(effects.map(lineOf), planned),
      };
      await client.query(
        `WITH batch AS (INSERT INTO simulator.settlements (settlement_id, processor, settled_at, lines)
                        VALUES ($1, $2, $3, $4)),
              news AS (INSERT INTO simulator.notifications (event_id, copy, processor, settlement_id, due_at)
                       SELECT 'evt_' || gen_random_uuid(), 1, $2, $1, clock_timestamp() WHERE $6)
         INSERT INTO simulator.settled_effects (seq, settlement_id) SELECT unnest($5::bigint[]), $1`,
        [
          settlement.settlement_id,
          processor,
          settlement.settled_at,
          JSON.stringify(settlement.lines),
          effects.map((effect) => effect.seq),
          announce,
        ],
      );
      settlements.push(settlement);
    }
    await client.query('COMMIT');
    return settlements;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}

function* batches(rows: UnsettledEffect[]): Generator<{ processor: string; effects: UnsettledEffect[] }> {
  for (const processor of new Set(rows.map((row) => row.processor))) {
    const all = rows.filter((row) => row.processor === processor);
    for (let first = 0; first < all.length; first += MOST_LINES) {
      yield { processor, effects: all.slice(first, first + MOST_LINES) };
    }
  }
}

/** Captures cost 1 %, rounded down; the fee of a refunded capture is not given back, and a refund costs nothing. */
function lineOf(effect: UnsettledEffect): SettlementLineView {
  return {
    line_id: `line_${effect.seq}`,
    type: effect.type,
    reference: effect.reference,
    operation_id: effect.operation_id,
    amount_minor: effect.amount_minor,
    fee_minor: effect.type === 'capture' ? Math.floor(effect.amount_minor / 100) : 0,
    currency: effect.currency,
  };
}

/** Applies each discrepancy to its line, or to the first untouched one; used ones leave `planned`. */
function plant(lines: SettlementLineView[], planned: Set<Discrepancy>): SettlementLineView[] {
  const chosen = new Map<string, Discrepancy>();
  for (const discrepancy of planned) {
    const line = lines.find(
      (line) =>
        !chosen.has(line.line_id) &&
        (discrepancy.operation_id === undefined || line.operation_id === discrepancy.operation_id),
    );
    if (!line) continue;
    chosen.set(line.line_id, discrepancy);
    planned.delete(discrepancy);
  }
  return lines.flatMap((line) => distort(line, chosen.get(line.line_id)));
}

function distort(line: SettlementLineView, discrepancy: Discrepancy | undefined): SettlementLineView[] {
  switch (discrepancy?.kind) {
    case undefined:
      return [line];
    case 'missing':
      return [];
    case 'over':
      return [{ ...line, amount_minor: line.amount_minor + discrepancy.by_minor }];
    case 'under':
      return [{ ...line, amount_minor: Math.max(0, line.amount_minor - discrepancy.by_minor) }];
    case 'currency_mismatch':
      return [{ ...line, currency: line.currency === 'USD' ? 'EUR' : 'USD' }];
    case 'data_mismatch':
      return [{ ...line, reference: `${line.reference}x` }];
    case 'duplicate':
      return [line, { ...line, line_id: `${line.line_id}_2` }];
  }
}
