import { auditLeaf, flawOf, originPattern, TrailReader, type Break, type TrailEntry } from '../trust/audit-trail.ts';
import { decodeBase64, parseNote, verifyNote, type SignedNote } from '../trust/checkpoint.ts';
import { verifyConsistency, verifyInclusion } from '../trust/merkle.ts';
import { isObject, membersOf, type Members } from './input.ts';
import { ed25519In } from './keys.ts';
import { invalid, Misuse, valid, type Verification } from './result.ts';

/**
 * Audit entries, alone or under a signed checkpoint. `{entries, checkpoint?, public_key?, proofs?, earlier_checkpoint?}`:
 * entries in order, from the first (then the tree is rebuilt) or any run of them (then `proofs`, answers of
 * `GET /v1/audit/proof`, tie them to the checkpoint). `earlier_checkpoint`, one that was kept, is held against the proof
 * of consistency. Without a checkpoint only the entries among themselves are checked, and nobody vouches for them.
 * Codes: `malformed`, `broken`, `key_missing`, `unknown_key`, `invalid_signature`, `wrong_tree`, `not_covered`,
 * `invalid_proof`.
 * @throws Misuse
 */
export async function verifyAudit(input: unknown): Promise<Verification> {
  const members = membersOf(input, ['entries']);
  const keys = keyMember(members);
  const entries = members['entries'];
  if (!Array.isArray(entries) || !entries.every(isEntry)) return invalid('malformed', 'entries must be audit entries');
  const runs = checkRun(entries);
  if ('reason' in runs) return brokenAt(runs, entries.length);

  const note = noteOf(members['checkpoint'], keys);
  if (note && 'valid' in note) return note;
  const claims = { ...runs.claims, ...(note ? { checkpoint: { origin: note.origin, size: Number(note.size) } } : {}) };
  if (!note && keys)
    return invalid('not_covered', 'a key was given, and no checkpoint that it could vouch for', claims);
  if (!note) {
    return valid('the entries are whole among themselves; no checkpoint was given that vouches for them', claims);
  }
  const [first] = entries;
  if (first && !originOfOrg(first.org).test(note.origin)) {
    return invalid('wrong_tree', 'the checkpoint is of another organization', claims);
  }
  return underCheckpoint({ members, entries, reader: runs.reader, note, keys: keys!, claims });
}

interface Question {
  members: Members;
  entries: TrailEntry[];
  /** Absent when the entries do not begin with the first. */
  reader?: TrailReader;
  note: SignedNote;
  keys: Buffer[];
  claims: Members;
}

function underCheckpoint({ members, entries, reader, note, keys, claims }: Question): Verification {
  const proofs = members['proofs'] ?? [];
  if (!Array.isArray(proofs) || !proofs.every(isObject)) return invalid('malformed', 'proofs must be objects', claims);
  const proved = new Set<number>();
  for (const proof of proofs) {
    if (!isObject(proof['inclusion'])) continue;
    const entry = entries.find(({ sequence }) => sequence === (proof['inclusion'] as Members)['sequence']);
    if (!entry || !provesInclusion(proof['inclusion'], entry, note)) {
      return invalid('invalid_proof', 'a proof of inclusion does not hold', claims);
    }
    proved.add(entry.sequence);
  }
  const growth = growthFlaw(members, proofs, note, keys);
  if (growth) return invalid(growth.code, growth.detail, claims);

  const whole = reader ? rebuilt(entries, note) : undefined;
  if (whole === 'differs') return invalid('wrong_tree', 'the entries are not those of the checkpoint', claims);
  const uncovered = whole === 'covered' ? [] : entries.filter(({ sequence }) => !proved.has(sequence));
  const inTree = uncovered.filter(({ sequence }) => BigInt(sequence) <= note.size);
  if (inTree.length > 0) {
    const detail = `nothing proves that entry ${inTree[0]!.sequence} is in the checkpoint`;
    return invalid('not_covered', detail, claims);
  }
  const anchored = entries.filter(({ sequence }) => BigInt(sequence) <= note.size).length;
  const pending = entries.length - anchored;
  const detail = `${anchored} entries are under a signed checkpoint of ${note.size}${pending ? `, ${pending} are pending` : ''}`;
  return valid(detail, { ...claims, anchored, pending });
}

/** Whether all entries of the tree are there, and their root is that of the checkpoint. */
function rebuilt(entries: TrailEntry[], note: SignedNote): 'covered' | 'differs' | 'incomplete' {
  if (note.size > BigInt(entries.length)) return 'incomplete';
  const reader = new TrailReader();
  for (const entry of entries.slice(0, Number(note.size))) reader.entry(entry);
  return reader.root().equals(note.root) ? 'covered' : 'differs';
}

/** @param inclusion has `hashes`, the path from the entry to the root of the checkpoint */
export function provesInclusion(inclusion: Members, entry: TrailEntry, { size, root }: SignedNote): boolean {
  const path = hashes(inclusion['hashes']);
  if (!path) return false;
  const index = BigInt(entry.sequence - 1);
  return verifyInclusion({ index, size, root, leaf: auditLeaf(entry.entry_hash), path });
}

function growthFlaw(members: Members, proofs: Members[], note: SignedNote, keys: Buffer[]) {
  const earlier = members['earlier_checkpoint'];
  if (earlier === undefined) return undefined;
  const old = noteOf(earlier, keys);
  if (!old || 'valid' in old)
    return { code: old?.code ?? 'malformed', detail: 'the earlier checkpoint does not verify' };
  if (old.origin.split('/audit/')[1] !== note.origin.split('/audit/')[1]) {
    return { code: 'wrong_tree', detail: 'the earlier checkpoint is of another trail' };
  }
  const proof = proofs.map((one) => one['consistency']).find((one) => isObject(one));
  const path = old.size === note.size ? [] : hashes(proof?.['hashes']);
  const question = { size1: old.size, size2: note.size, root1: old.root, root2: note.root };
  if (path && verifyConsistency({ ...question, path })) return undefined;
  return { code: 'invalid_proof', detail: 'nothing proves that the trail only grew since the earlier checkpoint' };
}

/** Entries one after the other: whole from the first, or as a run of which the beginning is taken as given. */
function checkRun(entries: TrailEntry[]): { reader?: TrailReader; claims: Members } | Break {
  const [first] = entries;
  const claims = {
    entries: entries.length,
    org: first?.org ?? null,
    first_sequence: first?.sequence ?? null,
    last_sequence: entries.at(-1)?.sequence ?? null,
    last_hash: entries.at(-1)?.entry_hash ?? null,
  };
  if (!first || first.sequence === 1) {
    const reader = new TrailReader();
    for (const entry of entries) {
      const flaw = reader.entry(entry);
      if (flaw) return flaw;
    }
    return { reader, claims };
  }
  let previous = { sequence: first.sequence - 1, hash: first.prev_hash };
  for (const entry of entries) {
    const flaw = flawOf(entry, previous);
    if (flaw) return flaw;
    if (entry.org !== first.org) {
      return { sequence: entry.sequence, entryId: entry.entry_id, reason: 'the entry belongs to another organization' };
    }
    previous = { sequence: entry.sequence, hash: entry.entry_hash };
  }
  return { claims };
}

export function brokenAt({ sequence, entryId, reason }: Break, checked: number): Verification {
  const first_break = { sequence, entry_id: entryId, reason };
  return invalid('broken', `entry ${sequence}: ${reason}`, { entries: checked, first_break });
}

/** A checkpoint that the key signed; or why it is none. */
export function noteOf(checkpoint: unknown, keys: Buffer[] | undefined): SignedNote | Verification | undefined {
  if (checkpoint === undefined || checkpoint === null) return undefined;
  const note = typeof checkpoint === 'string' ? parseNote(checkpoint) : undefined;
  if (!note) return invalid('malformed', 'the checkpoint is not a signed note');
  if (!keys) return invalid('key_missing', 'a checkpoint was given, and no key to verify it with');
  const verdict = verifyNote(note, ...keys);
  if (verdict === 'valid') return note;
  return verdict === 'unknown_key'
    ? invalid('unknown_key', 'the checkpoint is signed by another key')
    : invalid('invalid_signature', 'the signature of the checkpoint is wrong');
}

/** @throws Misuse when there is a key that is none */
export function keyMember({ public_key: given }: Members): Buffer[] | undefined {
  const keys = given === undefined ? undefined : ed25519In(given);
  if (given !== undefined && !keys)
    throw new Misuse('"public_key" must be an Ed25519 key: JWK, or key of a signed note');
  return keys;
}

/** An entry of any mode: the entry itself does not say it. */
function originOfOrg(org: string): RegExp {
  return originPattern(org.replaceAll(/[^\w]/g, ''), '(?:test|live)');
}

function hashes(value: unknown): Buffer[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const decoded = value.map((text) => (typeof text === 'string' ? decodeBase64(text) : undefined));
  return decoded.every((hash) => hash !== undefined) ? decoded : undefined;
}

const TEXTS = ['entry_id', 'org', 'at', 'type', 'actor', 'subject'] as const;
const HEX = /^[0-9a-f]{64}$/;

export function isEntry(value: unknown): value is TrailEntry {
  if (!isObject(value)) return false;
  const { sequence, prev_hash, entry_hash, body } = value;
  return (
    TEXTS.every((name) => typeof value[name] === 'string') &&
    Number.isSafeInteger(sequence) &&
    (sequence as number) > 0 &&
    [prev_hash, entry_hash].every((hash) => typeof hash === 'string' && HEX.test(hash)) &&
    body !== undefined
  );
}
