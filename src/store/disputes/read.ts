import type { DisputeStatus } from '../../domain/payment/dispute.ts';
import type { Tenant } from '../../domain/types.ts';
import type { AccountRow } from '../payments/row.ts';
import type { Db } from '../pool.ts';
import type { ActRow, DisputeRow } from './row.ts';

export interface DisputeView {
  dispute: DisputeRow;
  /** Oldest first. */
  acts: ActRow[];
  account: AccountRow;
}

/** A dispute with what was done about it, and the account that it is at. */
export async function findDispute(db: Db, tenant: Tenant, id: string): Promise<DisputeView | undefined> {
  const { rows } = await db.query<DisputeView>({
    name: 'find-dispute',
    text: `SELECT to_jsonb(d) AS dispute,
                  (SELECT COALESCE(jsonb_agg(to_jsonb(a) ORDER BY a.at, a.id), '[]') FROM dispute_acts a
                    WHERE a.dispute_id = d.id) AS acts,
                  jsonb_build_object('mid_id', m.id, 'processor', m.processor, 'mid', m.mid, 'kind', m.kind,
                    'base_url', m.base_url, 'api_key_sealed', m.api_key_sealed) AS account
             FROM disputes d JOIN mids m ON m.id = d.mid_id
            WHERE d.org_id = $1 AND d.mode = $2 AND d.id = $3`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0];
}

/** Newest first. */
export async function listDisputes(
  db: Db,
  tenant: Tenant,
  filter: { paymentId?: string; status?: DisputeStatus; before?: string; limit: number },
): Promise<DisputeRow[]> {
  const { rows } = await db.query<{ row: DisputeRow }>({
    name: 'list-disputes',
    text: `SELECT to_jsonb(d) AS row FROM disputes d
            WHERE d.org_id = $1 AND d.mode = $2 AND ($3::uuid IS NULL OR d.payment_id = $3)
              AND ($4::text IS NULL OR d.status = $4) AND ($5::uuid IS NULL OR d.id < $5)
            ORDER BY d.id DESC LIMIT $6`,
    values: [
      tenant.orgId,
      tenant.mode,
      filter.paymentId ?? null,
      filter.status ?? null,
      filter.before ?? null,
      filter.limit,
    ],
  });
  return rows.map(({ row }) => row);
}
