import type { Tenant } from '../domain/types.ts';
import { newId } from '../trust/new-id.ts';
import type { Db } from './pool.ts';

/** An account at a processor, without its credentials. */
export interface MidRow {
  id: string;
  processor: string;
  mid: string;
  kind: string;
  priority: number;
  currencies: string[] | null;
  methods: string[] | null;
  maxAmountMinor: number | null;
  enabled: boolean;
  createdAt: Date;
}

const COLUMNS = `m.id, m.processor, m.mid, m.kind, m.priority, m.currencies, m.methods,
  m.max_amount_minor AS "maxAmountMinor", m.enabled, m.created_at AS "createdAt"`;

/** In the order in which routing by priority asks them. */
export async function listMids(db: Db, tenant: Tenant): Promise<MidRow[]> {
  const { rows } = await db.query<MidRow>(
    `SELECT ${COLUMNS} FROM mids m WHERE m.org_id = $1 AND m.mode = $2 ORDER BY m.priority, m.id`,
    [tenant.orgId, tenant.mode],
  );
  return rows;
}

export interface NewMid {
  processor: string;
  mid: string;
  /** Which adapter speaks to it. */
  kind: string;
  /** Lower comes first. */
  priority: number;
  baseUrl: string;
  apiKeySealed: string;
  notifySecretSealed?: string;
  currencies?: string[];
  methods?: string[];
  maxAmountMinor?: number;
}

export async function insertMid(db: Db, tenant: Tenant, mid: NewMid): Promise<MidRow> {
  const { rows } = await db.query<MidRow>(
    `INSERT INTO mids AS m (id, org_id, mode, processor, mid, kind, priority, currencies, methods, max_amount_minor,
                            base_url, api_key_sealed, notify_secret_sealed)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING ${COLUMNS}`,
    [
      newId(),
      tenant.orgId,
      tenant.mode,
      mid.processor,
      mid.mid,
      mid.kind,
      mid.priority,
      mid.currencies ?? null,
      mid.methods ?? null,
      mid.maxAmountMinor ?? null,
      mid.baseUrl,
      mid.apiKeySealed,
      mid.notifySecretSealed ?? null,
    ],
  );
  return rows[0]!;
}
