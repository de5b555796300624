import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

export interface SettlementRow {
  id: string;
  processor: string;
  reference: string;
  settledAt: Date;
  receivedAt: Date;
  totals: {
    currency: string;
    status: string;
    lines: number;
    captured_minor: number;
    refunded_minor: number;
    fee_minor: number;
  }[];
}

/** Settlements with what their lines come to, newest first. */
export async function listSettlements(
  db: Db,
  { orgId, mode }: Tenant,
  filter: {
    id?: string | undefined;
    processor?: string | undefined;
    reference?: string | undefined;
    before?: string | undefined;
    limit: number;
  },
): Promise<SettlementRow[]> {
  const { rows } = await db.query<SettlementRow>({
    name: 'list-settlements',
    text: `
      SELECT s.id, s.processor, s.reference, s.settled_at AS "settledAt", s.received_at AS "receivedAt",
             COALESCE((SELECT jsonb_agg(to_jsonb(t) - 'settlement_id' - 'org_id' - 'mode' ORDER BY t.currency, t.status)
                         FROM settlement_totals t WHERE t.settlement_id = s.id), '[]') AS totals
        FROM settlements s
       WHERE s.org_id = $1 AND s.mode = $2 AND ($3::uuid IS NULL OR s.id = $3)
         AND ($4::text IS NULL OR s.processor = $4) AND ($5::text IS NULL OR s.reference = $5)
         AND ($6::uuid IS NULL OR s.id < $6)
       ORDER BY s.id DESC LIMIT $7`,
    values: [
      orgId,
      mode,
      filter.id ?? null,
      filter.processor ?? null,
      filter.reference ?? null,
      filter.before ?? null,
      filter.limit,
    ],
  });
  return rows;
}
