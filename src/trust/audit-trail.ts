import { entryHash } from './audit-entry.ts';
import { parseNote, verifyNote } from './checkpoint.ts';
import { GrowingTree, leafHash } from './merkle.ts';

/** An audit entry as it is exported: everything that its hash covers, and the hash. */
export interface TrailEntry {
  entry_id: string;
  sequence: number;
  org: string;
  at: string;
  type: string;
  actor: string;
  subject: string;
  body: unknown;
  prev_hash: string;
  entry_hash: string;
}

/** Hash before the first entry. */
export const GENESIS = '0'.repeat(64);

/** The first place where a trail is not what it says it is; a missing entry has no id. */
export interface Break {
  sequence: number;
  entryId: string | null;
  reason: string;
}

/** The leaf of an entry in the tree: MTH of the 32 bytes of its `entry_hash` (docs/decisions/0017). */
export function auditLeaf(hash: string): Buffer {
  return leafHash(Buffer.from(hash, 'hex'));
}

/** What is wrong with an entry that should follow `previous`, by recomputation alone. */
export function flawOf(entry: TrailEntry, previous: { sequence: number; hash: string }): Break | undefined {
  if (entry.sequence !== previous.sequence + 1) {
    return { sequence: previous.sequence + 1, entryId: null, reason: 'the entry is missing' };
  }
  const broken = (reason: string): Break => ({ sequence: entry.sequence, entryId: entry.entry_id, reason });
  if (entry.prev_hash !== previous.hash) return broken('prev_hash is not the hash of the entry before');
  return hashOf(entry) === entry.entry_hash ? undefined : broken('entry_hash is not the hash of the entry');
}

function hashOf({ sequence: seq, ...entry }: TrailEntry): string | undefined {
  try {
    return entryHash({ ...entry, seq });
  } catch {
    // A lone surrogate or the like has no canonical form, hence no hash.
    return undefined;
  }
}

/**
 * Reads a whole trail from its beginning, entry by entry, in memory that does not grow with it. Every entry is hashed
 * anew, every link followed, and the tree rebuilt, so that any checkpoint can be compared at its size.
 */
export class TrailReader {
  readonly #tree = new GrowingTree();
  #hash = GENESIS;
  #org: string | undefined;

  /** @param org TypeID of the organization whose trail it must be; that of the first entry when absent */
  constructor(org?: string) {
    this.#org = org;
  }

  /** Number of entries read. */
  get size(): number {
    return this.#tree.size;
  }

  /** `entry_hash` of the last entry read. */
  get hash(): string {
    return this.#hash;
  }

  get org(): string | undefined {
    return this.#org;
  }

  root(): Buffer {
    return this.#tree.root();
  }

  /** Takes the next entry, unless it breaks the trail. @param sealed the leaf that the tree holds in its place */
  entry(entry: TrailEntry, sealed?: Buffer): Break | undefined {
    const flaw = flawOf(entry, { sequence: this.size, hash: this.#hash });
    if (flaw) return flaw;
    this.#org ??= entry.org;
    const broken = (reason: string): Break => ({ sequence: entry.sequence, entryId: entry.entry_id, reason });
    if (entry.org !== this.#org) return broken('the entry belongs to another organization');
    const leaf = auditLeaf(entry.entry_hash);
    if (sealed && !sealed.equals(leaf)) return broken('the entry is not the one that was sealed');
    this.#tree.append(leaf);
    this.#hash = entry.entry_hash;
    return undefined;
  }

  /** What is wrong with a checkpoint of the size that has been read; `key` is checked when it is given. */
  checkpoint(note: string, { origin, key }: { origin?: RegExp; key?: Buffer } = {}): string | undefined {
    const parsed = parseNote(note);
    if (!parsed) return 'the checkpoint is not a signed note';
    if (origin && !origin.test(parsed.origin)) return 'the checkpoint is of another tree';
    if (parsed.size !== BigInt(this.size)) return 'the checkpoint is of another size';
    if (!parsed.root.equals(this.root())) return 'the entries are not those of the checkpoint: their root differs';
    if (key === undefined) return undefined;
    const verdict = verifyNote(parsed, key);
    if (verdict === 'valid') return undefined;
    return verdict === 'unknown_key'
      ? 'the checkpoint is signed by another key'
      : 'the signature of the checkpoint is wrong';
  }
}

/** Origins that a trail's checkpoints may have: the host may change, the tree may not. */
export function originPattern(org: string, mode: string): RegExp {
  return new RegExp(`/audit/${org}/${mode}$`);
}
