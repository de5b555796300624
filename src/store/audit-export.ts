import { toTypeId } from '../domain/ids.ts';
import type { Tenant } from '../domain/types.ts';
import { AUDIT_BATCH, listAudit, trailEntry } from './audit-entries.ts';
import { checkpointsWithin, latestCheckpoint } from './audit-tree.ts';
import type { Db } from './pool.ts';

/** Names the format in the first line of an export. */
const FORMAT = 'prokura-audit/1';

/**
 * The trail as it stands now, object by object: a header, then the entries in order, each checkpoint right after the
 * entry it was made at, so that a reader needs no memory of what came before. Entries that are recorded meanwhile are
 * left for the next export.
 * @param publicKeys JWK Set of the keys that seal or sealed
 */
export async function exportTrail(
  db: Db,
  tenant: Tenant,
  publicKeys: { keys: readonly { kid?: string }[] },
): Promise<AsyncGenerator<object>> {
  const { rows } = await db.query<{ seq: number; hash: string }>(
    'SELECT seq, hash FROM audit_heads WHERE org_id = $1 AND mode = $2',
    [tenant.orgId, tenant.mode],
  );
  const head = rows[0] ?? { seq: 0, hash: '' };
  const checkpoint = await latestCheckpoint(
    db,
    tenant,
    publicKeys.keys.map(({ kid }) => kid!),
  );
  const org = toTypeId('org', tenant.orgId);
  const header = {
    format: FORMAT,
    org,
    mode: tenant.mode,
    size: head.seq,
    head: head.hash,
    public_key: publicKeys,
    // One that was made after the head was read covers entries that are not in here.
    checkpoint: checkpoint && checkpoint.size <= head.seq ? checkpoint.note : null,
  };
  return objects();

  async function* objects(): AsyncGenerator<object> {
    yield header;
    for (let last = 0; last < head.seq;) {
      const batch = await listAudit(db, tenant, { order: 'asc', after: last, limit: AUDIT_BATCH });
      if (batch.length === 0) return;
      const checkpoints = await checkpointsWithin(db, tenant, { first: batch[0]!.seq, last: batch.at(-1)!.seq });
      for (const row of batch) {
        if (row.seq > head.seq) return;
        yield { entry: trailEntry(row, org) };
        for (const { note } of checkpoints.filter(({ size }) => size === row.seq)) yield { checkpoint: note };
      }
      last = batch.at(-1)!.seq;
    }
  }
}
