import { toTypeId } from '../domain/ids.ts';
import type { Tenant } from '../domain/types.ts';
import { leafIn, leafTiles } from '../trust/audit-tiles.ts';
import { GENESIS, originPattern, TrailReader, type Break } from '../trust/audit-trail.ts';
import { AUDIT_BATCH, listAudit, trailEntry, type AuditRow } from './audit-entries.ts';
import { checkpointsWithin, readTiles } from './audit-tree.ts';
import type { Db } from './pool.ts';

export interface ChainVerdict {
  entriesChecked: number;
  firstBreak?: Break;
}

/** Ed25519 keys that seal or sealed, 32 bytes each, by their RFC 7638 thumbprint. */
export type SealingKeys = ReadonlyMap<string, Buffer>;

/**
 * Recomputes every entry, link and checkpoint up to the head as it stands now, as anybody could from an export, and
 * compares each sealed entry with the tree. `firstBreak` is the first place where the trail is not what it says it is.
 * @param keys when given, a signature by one of them is demanded of the newest checkpoint; earlier ones by keys that are
 * not among them are held against the entries only
 */
export async function verifyAudit(db: Db, tenant: Tenant, keys?: SealingKeys): Promise<ChainVerdict> {
  const bounds = await boundsOf(db, tenant, [...(keys?.keys() ?? [])]);
  const org = toTypeId('org', tenant.orgId);
  const reader = new TrailReader(org);
  const origin = originPattern(org, tenant.mode);
  const verdict = (firstBreak?: Break): ChainVerdict =>
    firstBreak ? { entriesChecked: reader.size, firstBreak } : { entriesChecked: reader.size };
  const broken = (reason: string, sequence = reader.size) => verdict({ sequence, entryId: null, reason });

  if (bounds.first !== null && bounds.first < 1) return broken('an entry stands before the first', bounds.first);
  while (reader.size < bounds.head) {
    const batch = await listAudit(db, tenant, { order: 'asc', after: reader.size, limit: AUDIT_BATCH });
    if (batch.length === 0) break;
    const seal = await sealOf(db, tenant, batch);
    for (const row of batch) {
      if (row.seq > bounds.head) break;
      const entry = trailEntry(row, org);
      const flaw = reader.entry(entry, row.seq <= bounds.anchored ? seal.leaf(row.seq) : undefined);
      if (flaw) return verdict(flaw);
      for (const { note, kid } of seal.checkpoints.filter(({ size }) => size === row.seq)) {
        const wrong = reader.checkpoint(note, { origin, key: keys?.get(kid) });
        if (wrong) return verdict({ sequence: row.seq, entryId: entry.entry_id, reason: wrong });
      }
    }
    if (batch.at(-1)!.seq >= bounds.head) break;
  }
  if (reader.size < bounds.head) return broken('the entry is missing: the trail ends before its head', reader.size + 1);
  if (reader.hash !== bounds.hash) return broken('the last entry is not the one that the head names');
  if (bounds.last > bounds.head) return broken('an entry stands behind the head', bounds.last);
  if (bounds.anchored > bounds.head) return broken('the trail ends before its checkpoint', bounds.head + 1);
  if (bounds.leaves !== bounds.anchored) return broken('the tree does not end where its newest checkpoint does');
  if (keys && bounds.own < bounds.anchored) {
    return broken('the newest checkpoint is not signed by a key of this installation', bounds.anchored);
  }
  return verdict();
}

interface Bounds {
  head: number;
  hash: string;
  first: number | null;
  last: number;
  anchored: number;
  /** The newest size that one of the keys signed. */
  own: number;
  /** Leaves in the stored tree. */
  leaves: number;
}

/** Where the trail and its seal begin and end, all at one moment. */
async function boundsOf(db: Db, { orgId, mode }: Tenant, kids: string[]): Promise<Bounds> {
  const { rows } = await db.query<Bounds>(
    `SELECT coalesce(h.seq, 0) AS head, coalesce(h.hash, $4) AS hash,
            (SELECT min(seq) FROM audit_entries WHERE org_id = $1 AND mode = $2) AS first,
            (SELECT coalesce(max(seq), 0) FROM audit_entries WHERE org_id = $1 AND mode = $2) AS last,
            (SELECT coalesce(max(size), 0) FROM audit_checkpoints WHERE org_id = $1 AND mode = $2) AS anchored,
            (SELECT coalesce(max(size), 0) FROM audit_checkpoints
              WHERE org_id = $1 AND mode = $2 AND kid = ANY ($3::text[])) AS own,
            coalesce((SELECT index * 256 + length(hashes) / 32 FROM audit_tiles
                       WHERE org_id = $1 AND mode = $2 AND level = 0 ORDER BY index DESC LIMIT 1), 0) AS leaves
       FROM (SELECT) AS one LEFT JOIN audit_heads h ON h.org_id = $1 AND h.mode = $2`,
    [orgId, mode, kids, GENESIS],
  );
  return rows[0]!;
}

/** What seals the entries of a batch: the leaves that the tree holds in their places, and checkpoints among them. */
async function sealOf(db: Db, tenant: Tenant, batch: AuditRow[]) {
  const [first, last] = [batch[0]!.seq, batch.at(-1)!.seq];
  const tiles = await readTiles(db, tenant, leafTiles(first - 1, last));
  return {
    /** All zeros, which no entry has, where the tree has nothing. */
    leaf: (sequence: number) => leafIn(tiles, sequence - 1) ?? Buffer.alloc(32),
    checkpoints: await checkpointsWithin(db, tenant, { first, last }),
  };
}
