import type { FreezeTargetKind } from '../../domain/freeze.ts';
import type { Tenant } from '../../domain/types.ts';
import type { Db } from '../pool.ts';

export type StopKind = 'freeze' | 'revocation';
export type StopTargetKind = FreezeTargetKind | 'delegation' | 'certificate' | 'credential';

/** A freeze or a revocation: what refuses new work under its target, and is worked off by a workflow of its own. */
export interface StopRow {
  id: string;
  kind: StopKind;
  targetKind: StopTargetKind;
  /**
   * A UUID, the merchant's reference, the processor's name, or the printed id of a credential; the organization's own
   * id for all of it.
   */
  target: string;
  reason: string;
  actor: string;
  /** Printed ids of what a revocation withdrew. */
  withdrawn: string[];
  voidOpen: boolean;
  status: 'in_progress' | 'confirmed';
  requestedAt: Date;
  closedAt: Date | null;
  confirmedAt: Date | null;
  liftedAt: Date | null;
  liftReason: string | null;
}

const COLUMNS = `s.id, s.kind, s.target_kind AS "targetKind", s.target, s.reason, s.actor, s.withdrawn,
  s.void_open AS "voidOpen", s.status, s.requested_at AS "requestedAt", s.closed_at AS "closedAt",
  s.confirmed_at AS "confirmedAt", s.lifted_at AS "liftedAt", s.lift_reason AS "liftReason"`;

/**
 * Waits until no decision and no reservation of the tenant is under way, and lets none begin before this transaction
 * ends. To be called first in it, before any row is locked: the others take theirs before their rows as well.
 */
export async function standAlone(db: Db, { orgId, mode }: Tenant): Promise<void> {
  await db.query('SELECT pg_advisory_xact_lock(standing_lock($1, $2))', [orgId, mode]);
}

/** Holds stops off until the transaction ends: what is read afterwards stays true until its commit. */
export async function holdStanding(db: Db, { orgId, mode }: Tenant): Promise<void> {
  await db.query({
    name: 'hold-standing',
    text: 'SELECT pg_advisory_xact_lock_shared(standing_lock($1, $2))',
    values: [orgId, mode],
  });
}

export interface NewStop {
  id: string;
  kind: StopKind;
  targetKind: StopTargetKind;
  target: string;
  reason: string;
  actor: string;
  withdrawn?: string[];
  voidOpen: boolean;
  at: Date;
}

export async function insertStop(db: Db, tenant: Tenant, stop: NewStop): Promise<StopRow> {
  const { rows } = await db.query<StopRow>(
    `INSERT INTO stops AS s (id, org_id, mode, kind, target_kind, target, reason, actor, withdrawn, void_open, requested_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING ${COLUMNS}`,
    [
      stop.id,
      tenant.orgId,
      tenant.mode,
      stop.kind,
      stop.targetKind,
      stop.target,
      stop.reason,
      stop.actor,
      JSON.stringify(stop.withdrawn ?? []),
      stop.voidOpen,
      stop.at,
    ],
  );
  return rows[0]!;
}

/** The stop in force on exactly this target. */
export async function findStopOn(
  db: Db,
  tenant: Tenant,
  { kind, targetKind, target }: Pick<StopRow, 'kind' | 'targetKind' | 'target'>,
): Promise<StopRow | undefined> {
  const { rows } = await db.query<StopRow>(
    `SELECT ${COLUMNS} FROM stops s WHERE s.org_id = $1 AND s.mode = $2 AND s.kind = $3 AND s.target_kind = $4
        AND s.target = $5 AND s.lifted_at IS NULL`,
    [tenant.orgId, tenant.mode, kind, targetKind, target],
  );
  return rows[0];
}

export async function findStop(db: Db, tenant: Tenant, id: string): Promise<StopRow | undefined> {
  const { rows } = await db.query<StopRow>({
    name: 'find-stop',
    text: `SELECT ${COLUMNS} FROM stops s WHERE s.org_id = $1 AND s.mode = $2 AND s.id = $3`,
    values: [tenant.orgId, tenant.mode, id],
  });
  return rows[0];
}

/** Newest first. */
export async function listFreezes(
  db: Db,
  tenant: Tenant,
  { before, active, limit }: { before?: string; active?: boolean; limit: number },
): Promise<StopRow[]> {
  const { rows } = await db.query<StopRow>(
    `SELECT ${COLUMNS} FROM stops s WHERE s.org_id = $1 AND s.mode = $2 AND s.kind = 'freeze'
        AND ($3::uuid IS NULL OR s.id < $3) AND ($4::boolean IS NULL OR (s.lifted_at IS NULL) = $4)
      ORDER BY s.id DESC LIMIT $5`,
    [tenant.orgId, tenant.mode, before ?? null, active ?? null, limit],
  );
  return rows;
}

/** A stop that did not void holds shall void them too: it is worked off anew. */
export async function alsoVoid(db: Db, id: string): Promise<StopRow> {
  const { rows } = await db.query<StopRow>(
    `UPDATE stops s SET void_open = true, status = 'in_progress', confirmed_at = NULL, driven_at = NULL
      WHERE s.id = $1 RETURNING ${COLUMNS}`,
    [id],
  );
  return rows[0]!;
}

/** @returns the freeze as it is now, and whether this call lifted it; undefined when there is none */
export async function liftFreeze(
  db: Db,
  tenant: Tenant,
  { id, actor, reason, at }: { id: string; actor: string; reason: string; at: Date },
): Promise<{ stop: StopRow; now: boolean } | undefined> {
  const { rows } = await db.query<StopRow>(
    `UPDATE stops s SET lifted_at = $4, lifted_by = $5, lift_reason = $6
      WHERE s.org_id = $1 AND s.mode = $2 AND s.id = $3 AND s.kind = 'freeze' AND s.lifted_at IS NULL
      RETURNING ${COLUMNS}`,
    [tenant.orgId, tenant.mode, id, at, actor, reason],
  );
  if (rows[0]) return { stop: rows[0], now: true };
  const before = await findStop(db, tenant, id);
  return before?.kind === 'freeze' ? { stop: before, now: false } : undefined;
}
