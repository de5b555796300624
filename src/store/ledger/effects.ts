import type { ListedEffect } from '../../domain/coverage.ts';
import { parseId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { newId } from '../../trust/new-id.ts';
import type { AccountRow } from '../payments/row.ts';
import type { Db } from '../pool.ts';

export interface AccountToRead {
  tenant: Tenant;
  account: AccountRow;
  /** Up to when its list was read without a gap; null before the first time. */
  until: Date | null;
}

/** Accounts of adapters that can list what an account did, those that are switched off included. */
export async function listAccountsToRead(db: Db, kinds: string[]): Promise<AccountToRead[]> {
  const { rows } = await db.query<AccountToRead>(
    `SELECT jsonb_build_object('orgId', m.org_id, 'mode', m.mode) AS tenant, r.until_at AS until,
            jsonb_build_object('mid_id', m.id, 'processor', m.processor, 'mid', m.mid, 'kind', m.kind, 'base_url', m.base_url,
                               'api_key_sealed', m.api_key_sealed, 'capabilities', m.capabilities) AS account
       FROM mids m LEFT JOIN effect_readings r ON r.mid_id = m.id WHERE m.kind = ANY ($1) ORDER BY m.id`,
    [kinds],
  );
  return rows;
}

/**
 * Keeps what a processor listed, once for each of its ids. What another organization asked for at an account that both
 * use is theirs, and is passed over.
 */
export async function keepEffects(
  db: Db,
  { orgId, mode }: Tenant,
  midId: string,
  effects: readonly ListedEffect[],
  at: Date,
): Promise<void> {
  await db.query({
    name: 'keep-effects',
    text: `
      INSERT INTO processor_effects (id, org_id, mode, mid_id, effect_id, type, payment_id, operation_id, reference,
                                     processor_reference, amount_minor, currency, at, listed_at)
      SELECT f.id, $1, $2, $3, f.effect_id, f.type, p.id, o.id, f.reference, f.processor_reference, f.amount_minor, f.currency,
             f.at, $4
        FROM unnest($5::uuid[], $6::text[], $7::text[], $8::uuid[], $9::uuid[], $10::text[], $11::text[], $12::bigint[],
                    $13::text[], $14::timestamptz[])
               AS f(id, effect_id, type, payment, operation, reference, processor_reference, amount_minor, currency, at)
        LEFT JOIN operations o ON o.id = f.operation AND o.org_id = $1 AND o.mode = $2
        LEFT JOIN payments p ON p.id = COALESCE(o.payment_id, f.payment) AND p.org_id = $1 AND p.mode = $2
       WHERE o.id IS NOT NULL
          OR NOT EXISTS (SELECT FROM operations other WHERE other.id = f.operation AND (other.org_id, other.mode) <> ($1, $2))
      ON CONFLICT (mid_id, effect_id) DO NOTHING`,
    values: [
      orgId,
      mode,
      midId,
      at,
      effects.map(() => newId()),
      effects.map((effect) => effect.effectId),
      effects.map((effect) => effect.type),
      effects.map((effect) => parseId(effect.reference ?? '', 'pay') ?? null),
      effects.map((effect) => parseId(effect.operationId ?? '', 'op') ?? null),
      effects.map((effect) => effect.reference ?? null),
      effects.map((effect) => effect.processorReference),
      effects.map((effect) => effect.amountMinor),
      effects.map((effect) => effect.currency),
      effects.map((effect) => new Date(effect.at)),
    ],
  });
}

/** The time that has been read goes on from where it was, or begins anew where there is a gap. */
export async function noteReading(
  db: Db,
  { orgId, mode }: Tenant,
  midId: string,
  { from, until, at }: { from: Date; until: Date; at: Date },
): Promise<void> {
  await db.query(
    `INSERT INTO effect_readings AS r (mid_id, org_id, mode, from_at, until_at, read_at) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (mid_id) DO UPDATE
        SET from_at = CASE WHEN r.until_at >= EXCLUDED.from_at THEN least(r.from_at, EXCLUDED.from_at) ELSE EXCLUDED.from_at END,
            until_at = greatest(r.until_at, EXCLUDED.until_at), read_at = EXCLUDED.read_at, failure = NULL`,
    [midId, orgId, mode, from, until, at],
  );
}

/** The list could not be read to its end: what was read before stays as far as it was. */
export async function noteFailedReading(
  db: Db,
  { orgId, mode }: Tenant,
  midId: string,
  { from, reason, at }: { from: Date; reason: string; at: Date },
): Promise<void> {
  await db.query(
    `INSERT INTO effect_readings AS r (mid_id, org_id, mode, from_at, until_at, read_at, failure)
     VALUES ($1, $2, $3, $4, $4, $5, $6)
     ON CONFLICT (mid_id) DO UPDATE SET read_at = EXCLUDED.read_at, failure = EXCLUDED.failure`,
    [midId, orgId, mode, from, at, reason],
  );
}

export interface UntoldEffect extends ListedEffect {
  id: string;
  midId: string;
  processor: string;
}

/** Effects of an account that nobody here asked for, and that no audit entry tells of yet. */
export async function findUntold(
  db: Db,
  { orgId, mode }: Tenant,
  midId: string,
  limit: number,
): Promise<UntoldEffect[]> {
  const { rows } = await db.query<UntoldEffect>(
    `SELECT f.id, f.mid_id AS "midId", m.processor, f.effect_id AS "effectId", f.type, f.reference,
            f.processor_reference AS "processorReference", f.amount_minor AS "amountMinor", f.currency, to_jsonb(f.at)#>>'{}' AS at
       FROM processor_effects f JOIN mids m ON m.id = f.mid_id
      WHERE f.org_id = $1 AND f.mode = $2 AND f.mid_id = $3 AND f.operation_id IS NULL AND f.audit_id IS NULL
      ORDER BY f.id LIMIT $4`,
    [orgId, mode, midId, limit],
  );
  return rows;
}

/** False when another entry tells of it already. */
export async function markEffectTold(db: Db, { orgId, mode }: Tenant, id: string, auditId: string): Promise<boolean> {
  const { rowCount } = await db.query(
    `UPDATE processor_effects SET audit_id = $4 WHERE org_id = $1 AND mode = $2 AND id = $3 AND audit_id IS NULL`,
    [orgId, mode, id, auditId],
  );
  return rowCount === 1;
}

export interface EffectReading {
  midId: string;
  processor: string;
  mid: string;
  from: Date;
  until: Date;
  readAt: Date;
  failure: string | null;
}

/** How far the lists of the organization's accounts are read. */
export async function listReadings(db: Db, { orgId, mode }: Tenant): Promise<EffectReading[]> {
  const { rows } = await db.query<EffectReading>(
    `SELECT r.mid_id AS "midId", m.processor, m.mid, r.from_at AS "from", r.until_at AS until, r.read_at AS "readAt", r.failure
       FROM effect_readings r JOIN mids m ON m.id = r.mid_id WHERE r.org_id = $1 AND r.mode = $2 ORDER BY r.mid_id`,
    [orgId, mode],
  );
  return rows;
}
