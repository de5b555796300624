import type { Mode, Tenant } from '../domain/types.ts';
import type { Tile, TileRef } from '../trust/audit-tiles.ts';
import type { Db } from './pool.ts';

export interface CheckpointRow {
  size: number;
  kid: string;
  note: string;
  sealedAt: Date;
}

const COLUMNS = 'size, kid, note, sealed_at AS "sealedAt"';

/** Trails with entries that no checkpoint of this key covers. */
export async function listUnsealed(db: Db, kid: string): Promise<Tenant[]> {
  const { rows } = await db.query<{ org_id: string; mode: Mode }>({
    name: 'list-unsealed-trails',
    text: `SELECT org_id, mode FROM audit_heads h
            WHERE h.seq > 0 AND NOT EXISTS (
              SELECT FROM audit_checkpoints c
               WHERE c.org_id = h.org_id AND c.mode = h.mode AND c.size = h.seq AND c.kid = $1)`,
    values: [kid],
  });
  return rows.map(({ org_id, mode }) => ({ orgId: org_id, mode }));
}

/** Whether this transaction may extend the tree: one at a time does, the others have nothing to do. */
export async function lockTree(db: Db, { orgId, mode }: Tenant): Promise<boolean> {
  const { rows } = await db.query<{ locked: boolean }>({
    name: 'lock-audit-tree',
    text: `SELECT pg_try_advisory_xact_lock(hashtextextended('audit tree ' || $1 || $2, 0)) AS locked`,
    values: [orgId, mode],
  });
  return rows[0]!.locked;
}

/** The newest checkpoint; of several, after a change of keys, the one by the first of these keys. */
export async function latestCheckpoint(
  db: Db,
  { orgId, mode }: Tenant,
  kids: readonly string[],
): Promise<CheckpointRow | undefined> {
  const { rows } = await db.query<CheckpointRow>({
    name: 'latest-audit-checkpoint',
    text: `SELECT ${COLUMNS} FROM audit_checkpoints WHERE org_id = $1 AND mode = $2
            ORDER BY size DESC, array_position($3::text[], kid) NULLS LAST LIMIT 1`,
    values: [orgId, mode, kids],
  });
  return rows[0];
}

/** Checkpoints that were made at one of the entries `first` to `last`, the smallest first. */
export async function checkpointsWithin(
  db: Db,
  { orgId, mode }: Tenant,
  { first, last }: { first: number; last: number },
): Promise<CheckpointRow[]> {
  const { rows } = await db.query<CheckpointRow>(
    `SELECT ${COLUMNS} FROM audit_checkpoints WHERE org_id = $1 AND mode = $2 AND size BETWEEN $3 AND $4
      ORDER BY size, sealed_at`,
    [orgId, mode, first, last],
  );
  return rows;
}

export async function insertCheckpoint(db: Db, { orgId, mode }: Tenant, row: CheckpointRow): Promise<void> {
  await db.query({
    name: 'insert-audit-checkpoint',
    text: `INSERT INTO audit_checkpoints (org_id, mode, size, kid, note, sealed_at) VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT DO NOTHING`,
    values: [orgId, mode, row.size, row.kid, row.note, row.sealedAt],
  });
}

/** Those of the named tiles that there are. */
export async function readTiles(db: Db, { orgId, mode }: Tenant, refs: readonly TileRef[]): Promise<Tile[]> {
  if (refs.length === 0) return [];
  const { rows } = await db.query<Tile>({
    name: 'read-audit-tiles',
    text: `SELECT t.level, t.index, t.hashes
             FROM audit_tiles t JOIN unnest($3::smallint[], $4::bigint[]) AS r (level, index) USING (level, index)
            WHERE t.org_id = $1 AND t.mode = $2`,
    values: [orgId, mode, refs.map(({ level }) => level), refs.map(({ index }) => index)],
  });
  return rows;
}

export async function writeTiles(db: Db, { orgId, mode }: Tenant, tiles: readonly Tile[]): Promise<void> {
  await db.query({
    name: 'write-audit-tiles',
    text: `INSERT INTO audit_tiles (org_id, mode, level, index, hashes)
           SELECT $1, $2, * FROM unnest($3::smallint[], $4::bigint[], $5::bytea[])
           ON CONFLICT (org_id, mode, level, index) DO UPDATE SET hashes = EXCLUDED.hashes`,
    values: [
      orgId,
      mode,
      tiles.map(({ level }) => level),
      tiles.map(({ index }) => index),
      tiles.map(({ hashes }) => hashes),
    ],
  });
}
