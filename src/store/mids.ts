import type { CostModel } from '../domain/routing.ts';
import type { Tenant } from '../domain/types.ts';
import { newId } from '../trust/new-id.ts';
import type { Db } from './pool.ts';

/** What routing and operations may be told of an account; the columns that a change may set. */
export interface MidTerms {
  /** Lower comes first. */
  priority: number;
  baseUrl: string;
  currencies: string[] | null;
  methods: string[] | null;
  merchants: string[] | null;
  countries: string[] | null;
  /** Minor units per payment, by currency. */
  caps: Record<string, { min?: number; max?: number }>;
  cost: CostModel | null;
  capabilities: Record<string, boolean | number>;
  maxConcurrent: number | null;
  maxPerSecond: number | null;
}

/** An account at a processor, without its credentials. */
export interface MidRow extends MidTerms {
  id: string;
  processor: string;
  mid: string;
  kind: string;
  maxAmountMinor: number | null;
  enabled: boolean;
  disabledReason: string | null;
  createdAt: Date;
  updatedAt: Date;
  /** Attempts of the last hour, and the circuit. Unix milliseconds. */
  health: { attempted: number; approved: number; outSinceMs: number | null; probeAtMs: number | null };
}

const COLUMNS = `m.id, m.processor, m.mid, m.kind, m.priority, m.base_url AS "baseUrl", m.currencies, m.methods,
  m.merchants, m.countries, m.max_amount_minor AS "maxAmountMinor", m.caps, m.cost, m.capabilities,
  m.max_concurrent AS "maxConcurrent", m.max_per_second AS "maxPerSecond", m.enabled,
  m.disabled_reason AS "disabledReason", m.created_at AS "createdAt", m.updated_at AS "updatedAt",
  (SELECT health_of(h, now()) FROM mid_health h WHERE h.mid_id = m.id) AS health`;

/** In the order in which routing by priority asks them. */
export async function listMids(db: Db, tenant: Tenant): Promise<MidRow[]> {
  const { rows } = await db.query<MidRow>(
    `SELECT ${COLUMNS} FROM mids m WHERE m.org_id = $1 AND m.mode = $2 ORDER BY m.priority, m.id`,
    [tenant.orgId, tenant.mode],
  );
  return rows;
}

export async function findMid(db: Db, tenant: Tenant, id: string): Promise<MidRow | undefined> {
  const { rows } = await db.query<MidRow>(
    `SELECT ${COLUMNS} FROM mids m WHERE m.org_id = $1 AND m.mode = $2 AND m.id = $3`,
    [tenant.orgId, tenant.mode, id],
  );
  return rows[0];
}

export interface NewMid extends Partial<MidTerms> {
  processor: string;
  mid: string;
  /** Which adapter speaks to it. */
  kind: string;
  priority: number;
  baseUrl: string;
  apiKeySealed: string;
  notifySecretSealed?: string;
  maxAmountMinor?: number;
}

/** @throws a violation of `mids_org_id_mode_processor_mid_key` when the tenant has this processor and MID already */
export async function insertMid(db: Db, tenant: Tenant, mid: NewMid): Promise<MidRow> {
  const id = newId();
  await db.query(
    `INSERT INTO mids (id, org_id, mode, processor, mid, kind, priority, currencies, methods, max_amount_minor,
                       base_url, api_key_sealed, notify_secret_sealed, merchants, countries, caps, cost, capabilities,
                       max_concurrent, max_per_second)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
    [
      id,
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
      mid.merchants ?? null,
      mid.countries ?? null,
      JSON.stringify(mid.caps ?? {}),
      mid.cost ? JSON.stringify(mid.cost) : null,
      JSON.stringify(mid.capabilities ?? {}),
      mid.maxConcurrent ?? null,
      mid.maxPerSecond ?? null,
    ],
  );
  return (await findMid(db, tenant, id))!;
}

/** Sets all terms; credentials only where they are given. */
export async function updateMid(
  db: Db,
  tenant: Tenant,
  id: string,
  terms: MidTerms,
  sealed: { apiKey?: string; notifySecret?: string } = {},
): Promise<MidRow> {
  await db.query(
    `UPDATE mids SET priority = $4, base_url = $5, currencies = $6, methods = $7, merchants = $8, countries = $9,
            caps = $10, cost = $11, capabilities = $12, max_concurrent = $13, max_per_second = $14,
            api_key_sealed = COALESCE($15, api_key_sealed), notify_secret_sealed = COALESCE($16, notify_secret_sealed),
            updated_at = now()
      WHERE org_id = $1 AND mode = $2 AND id = $3`,
    [
      tenant.orgId,
      tenant.mode,
      id,
      terms.priority,
      terms.baseUrl,
      terms.currencies,
      terms.methods,
      terms.merchants,
      terms.countries,
      JSON.stringify(terms.caps),
      terms.cost ? JSON.stringify(terms.cost) : null,
      JSON.stringify(terms.capabilities),
      terms.maxConcurrent,
      terms.maxPerSecond,
      sealed.apiKey ?? null,
      sealed.notifySecret ?? null,
    ],
  );
  return (await findMid(db, tenant, id))!;
}

/**
 * Switches an account on or off for new payments; what is open there stays there. Switched on, it begins with a closed
 * circuit: whoever does it says that it is well.
 * @returns undefined when there is no such account; `changed` is false when it was so before
 */
export async function switchMid(
  db: Db,
  tenant: Tenant,
  id: string,
  to: { enabled: boolean; reason: string | null },
): Promise<{ row: MidRow; changed: boolean } | undefined> {
  const { rowCount } = await db.query(
    `UPDATE mids SET enabled = $4, disabled_reason = $5, updated_at = now()
      WHERE org_id = $1 AND mode = $2 AND id = $3 AND enabled <> $4`,
    [tenant.orgId, tenant.mode, id, to.enabled, to.reason],
  );
  if (rowCount && to.enabled) {
    await db.query(
      `UPDATE mid_health SET failures = 0, failed_at = NULL, out_since = NULL, probe_at = NULL, cooldown_seconds = 30
        WHERE org_id = $1 AND mode = $2 AND mid_id = $3`,
      [tenant.orgId, tenant.mode, id],
    );
  }
  const row = await findMid(db, tenant, id);
  return row && { row, changed: rowCount === 1 };
}

/** Serializes changes of one account that are made of what it is now. */
export async function holdMid(db: Db, tenant: Tenant, id: string): Promise<void> {
  await db.query('SELECT 1 FROM mids WHERE org_id = $1 AND mode = $2 AND id = $3 FOR NO KEY UPDATE', [
    tenant.orgId,
    tenant.mode,
    id,
  ]);
}
