import type pg from 'pg';
import { toTypeId } from '../src/domain/ids.ts';
import { createPool } from '../src/store/pool.ts';
import type { Request } from './client.ts';
import type { Stage } from './stage.ts';

/** One line of what happened to a payment: when, who says so, what. */
export interface HistoryLine {
  at: string;
  source: 'client' | 'audit' | 'operation' | 'processor';
  what: string;
}

/**
 * Everything that was asked, decided, sent and done about one payment, in the order of time: what a person needs to
 * understand a violation.
 */
export async function historyOf(stage: Stage, requests: Request[], paymentId: string): Promise<HistoryLine[]> {
  const names = { exec: toTypeId('exec', paymentId), pay: toTypeId('pay', paymentId) };
  const ours = createPool(stage.databaseUrl, 1);
  const bank = createPool(stage.bankUrl, 1);
  const lines = async (pool: pg.Pool, source: HistoryLine['source'], text: string, values: unknown[]) => {
    const { rows } = await pool.query<{ at: Date; what: string }>(text, values);
    return rows.map(({ at, what }): HistoryLine => ({ at: at.toISOString(), source, what }));
  };
  try {
    const asked = requests
      .filter(({ text, body }) => [names.exec, names.pay].some((id) => `${text} ${JSON.stringify(body)}`.includes(id)))
      .flatMap(({ method, path, body, key, tries, text }) =>
        tries.map(({ at, status, error }, index): HistoryLine => {
          const answer =
            status === undefined ? error : `${status}${index === tries.length - 1 ? ` ${text ?? ''}` : ''}`;
          return { at, source: 'client', what: `${method} ${path} ${JSON.stringify(body)} [${key}] → ${answer}` };
        }),
      );
    const audit = await lines(
      ours,
      'audit',
      `SELECT at, seq || ' ' || type || ' ' || body::text AS what FROM audit_entries
        WHERE subject = ANY ($1) OR body::text LIKE ANY ($2) ORDER BY seq`,
      [Object.values(names), Object.values(names).map((id) => `%${id}%`)],
    );
    const operations = await lines(
      ours,
      'operation',
      `SELECT o.sent_at AS at, format('%s attempt %s of %s at %s: %s%s%s', o.type, o.attempt, o.amount_minor, m.processor,
              o.status, ' ' || o.failure_class, ', completed ' || o.completed_at) AS what
         FROM operations o JOIN mids m ON m.id = o.mid_id WHERE o.payment_id = $1`,
      [paymentId],
    );
    const done = await lines(
      bank,
      'processor',
      `SELECT at, format('%s %s (released %s) by %s at %s', type, amount_minor, released_minor, operation_id, processor) AS what
         FROM simulator.effects WHERE reference = $1`,
      [names.pay],
    );
    return [...asked, ...audit, ...operations, ...done].toSorted((a, b) => (a.at < b.at ? -1 : 1));
  } finally {
    await Promise.all([ours.end(), bank.end()]);
  }
}
