import type pg from 'pg';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { AUDIT_BATCH, listAudit, trailEntry } from '../../store/audit-entries.ts';
import {
  insertCheckpoint,
  latestCheckpoint,
  listUnsealed,
  lockTree,
  readTiles,
  writeTiles,
  type CheckpointRow,
} from '../../store/audit-tree.ts';
import { inTransaction, type Db } from '../../store/pool.ts';
import { edgeOf, TileWriter, type Tile } from '../../trust/audit-tiles.ts';
import { auditLeaf, flawOf, GENESIS, type Break } from '../../trust/audit-trail.ts';
import { originOf, parseNote, sealingKeys, signCheckpoint, verifyNote } from '../../trust/checkpoint.ts';
import type { Signer } from '../../trust/signing.ts';
import type { SealPass } from './types.ts';

/** After this much work a pass ends and says that there is more; its activity may take much longer. */
const PASS_MS = 10_000;
const TOLD_REFUSALS = 10;

export interface SealDeps {
  pool: pg.Pool;
  signer: Signer;
  publicUrl: string;
  now(): Date;
  /** Milliseconds between passes; ten seconds when absent. */
  sealEveryMs?: number;
}

/**
 * Seals every trail that has grown: in a transaction of its own it extends the tree by a batch of entries and signs the
 * new state. What happened is derived from the rows alone, so a pass that died is simply done again.
 */
export async function sealAudit(deps: SealDeps): Promise<SealPass> {
  const { pool, signer } = deps;
  const until = deps.now().getTime() + PASS_MS;
  const pass: SealPass = { sealed: 0, checkpoints: 0, more: false, nextInMs: deps.sealEveryMs ?? 10_000, refused: [] };
  for (const tenant of await listUnsealed(pool, signer.kid)) {
    for (let step: SealStep = { sealed: 0, more: true }; step.more;) {
      if (deps.now().getTime() >= until) return { ...pass, more: true };
      step = await inTransaction(pool, (db) => sealBatch(deps, db, tenant));
      pass.sealed += step.sealed;
      if (step.note) pass.checkpoints++;
      if (step.flaw && pass.refused.length < TOLD_REFUSALS) {
        const { sequence, reason } = step.flaw;
        pass.refused.push(`${toTypeId('org', tenant.orgId)}/${tenant.mode} at ${sequence}: ${reason}`);
      }
    }
  }
  return pass;
}

interface SealStep {
  sealed: number;
  more: boolean;
  note?: string;
  /** Where the trail is broken: nothing from there on is sealed. */
  flaw?: Break;
}

async function sealBatch(deps: SealDeps, db: Db, tenant: Tenant): Promise<SealStep> {
  const { signer, publicUrl } = deps;
  if (!(await lockTree(db, tenant))) return { sealed: 0, more: false };
  const latest = await latestCheckpoint(db, tenant, [...sealingKeys(signer).keys()]);
  const from = latest?.size ?? 0;
  const org = toTypeId('org', tenant.orgId);
  const tree = openTree(latest, await readTiles(db, tenant, edgeOf(from)), signer);
  if (typeof tree === 'string') {
    return { sealed: 0, more: false, flaw: { sequence: from, entryId: null, reason: tree } };
  }
  const rows = await listAudit(db, tenant, { order: 'asc', after: from - 1, limit: AUDIT_BATCH + 1 });
  let previous = { sequence: from, hash: from === 0 ? GENESIS : (rows.shift()?.entryHash ?? '') };
  let flaw: Break | undefined;
  for (const row of rows) {
    flaw = flawOf(trailEntry(row, org), previous);
    if (flaw) break;
    tree.append(auditLeaf(row.entryHash));
    previous = { sequence: row.seq, hash: row.entryHash };
  }
  const size = previous.sequence;
  if (size === 0 || (size === from && latest?.kid === signer.kid)) return { sealed: 0, more: false, flaw };

  await writeTiles(db, tenant, tree.changed());
  const origin = originOf(publicUrl, org, tenant.mode);
  const note = await signCheckpoint({ origin, size: BigInt(size), root: tree.root() }, signer);
  await insertCheckpoint(db, tenant, { size, kid: signer.kid, note, sealedAt: deps.now() });
  return { sealed: size - from, more: !flaw && rows.length >= AUDIT_BATCH, note, flaw };
}

/** The stored tree, ready to grow; or why it cannot be what was sealed last, and then nothing may be built on it. */
function openTree(latest: CheckpointRow | undefined, edge: Tile[], signer: Signer): TileWriter | string {
  const tree = TileWriter.open(latest?.size ?? 0, edge);
  if (!tree) return 'the stored tree does not end where its newest checkpoint does';
  if (!latest) return tree;
  const note = parseNote(latest.note);
  if (!note?.root.equals(tree.root())) return 'the stored tree is not that of its newest checkpoint';
  // Whoever writes a forged tree may name a key that nobody knows; to build on it would be to sign the forgery.
  const key = sealingKeys(signer).get(latest.kid);
  if (!key) return `the newest checkpoint is signed by ${latest.kid}, which is no key of PROKURA_SIGNING_KEY`;
  return verifyNote(note, key) === 'valid' ? tree : 'the newest checkpoint is not signed with the key that it names';
}
