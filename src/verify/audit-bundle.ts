import { originPattern, TrailReader } from '../trust/audit-trail.ts';
import { parseNote, verifyNote } from '../trust/checkpoint.ts';
import { brokenAt, isEntry } from './audit.ts';
import { isObject, type Members } from './input.ts';
import { ed25519In } from './keys.ts';
import { invalid, valid, type Verification } from './result.ts';

/** The format that `GET /v1/audit/export` writes. */
export const BUNDLE_FORMAT = 'prokura-audit/1';

export interface BundleOptions {
  /** Keys of which one must have sealed the trail, 32 bytes each. Without them the bundle's own is used: it proves less. */
  publicKeys?: Buffer[];
  /** A checkpoint that was kept: the trail must be an extension of that one. */
  earlierCheckpoint?: string;
}

/**
 * A whole export, line by line, in memory that does not grow with it: every entry, every link, every checkpoint.
 * Checkpoints by earlier keys are held against the entries; the newest must be signed with the key.
 * Codes: those of `verifyAudit`, and `incomplete`.
 */
export async function verifyAuditBundle(
  lines: AsyncIterable<string> | Iterable<string>,
  { publicKeys, earlierCheckpoint }: BundleOptions = {},
): Promise<Verification> {
  let bundle: Bundle | undefined;
  for await (const line of lines) {
    if (line.trim() === '') continue;
    const value = parse(line);
    const wrong = bundle ? bundle.take(value) : undefined;
    if (wrong) return wrong;
    if (bundle) continue;
    const opened = Bundle.open(value, publicKeys, earlierCheckpoint);
    if (!(opened instanceof Bundle)) return opened;
    bundle = opened;
  }
  return bundle ? bundle.end() : invalid('malformed', 'the bundle is empty');
}

interface Header {
  org: string;
  mode: string;
  size: number;
  head: string;
}

interface Earlier {
  note: string;
  size: bigint;
}

class Bundle {
  readonly #reader: TrailReader;
  readonly #header: Header;
  readonly #keys: Buffer[];
  readonly #isTrusted: boolean;
  readonly #origin: RegExp;
  readonly #earlier: Earlier | undefined;
  /** Size of the newest checkpoint that the key signed, and of the newest one at all. */
  #vouched = 0;
  #sealed = 0;
  #earlierSeen = false;

  private constructor(header: Header, keys: Buffer[], isTrusted: boolean, earlier: Earlier | undefined) {
    this.#header = header;
    this.#reader = new TrailReader(header.org);
    this.#keys = keys;
    this.#isTrusted = isTrusted;
    this.#origin = originPattern(header.org, header.mode);
    this.#earlier = earlier;
  }

  static open(header: unknown, trusted: Buffer[] | undefined, earlierNote: string | undefined): Bundle | Verification {
    if (!isObject(header) || header['format'] !== BUNDLE_FORMAT) {
      return invalid('malformed', `the first line is not the header of a ${BUNDLE_FORMAT} bundle`);
    }
    const { org, mode, size, head } = header;
    const isNamed = typeof org === 'string' && /^org_\w+$/.test(org) && (mode === 'test' || mode === 'live');
    if (!isNamed || !Number.isSafeInteger(size) || typeof head !== 'string') {
      return invalid('malformed', 'the header of the bundle is not whole');
    }
    const keys = trusted ?? ed25519In(header['public_key']);
    if (!keys) return invalid('key_missing', 'neither the bundle nor the caller gives a key');
    const earlier = earlierNote === undefined ? undefined : parseNote(earlierNote);
    if (earlierNote !== undefined && !earlier)
      return invalid('malformed', 'the earlier checkpoint is not a signed note');
    if (earlier && verifyNote(earlier, ...keys) === 'invalid_signature') {
      return invalid('invalid_signature', 'the signature of the earlier checkpoint is wrong');
    }
    const whole = { org, mode, size: size as number, head };
    return new Bundle(whole, keys, trusted !== undefined, earlier && { note: earlierNote!, size: earlier.size });
  }

  take(line: unknown): Verification | undefined {
    if (!isObject(line)) return invalid('malformed', `the line after entry ${this.#reader.size} is not a JSON object`);
    return 'entry' in line ? this.#entry(line['entry']) : this.#checkpoint(line['checkpoint']);
  }

  #entry(entry: unknown): Verification | undefined {
    if (!isEntry(entry)) return invalid('malformed', `the line after entry ${this.#reader.size} is no audit entry`);
    const flaw = this.#reader.entry(entry);
    if (flaw) return brokenAt(flaw, this.#reader.size);
    if (this.#earlier?.size !== BigInt(this.#reader.size)) return undefined;
    this.#earlierSeen = true;
    const wrong = this.#reader.checkpoint(this.#earlier.note, { origin: this.#origin });
    return wrong
      ? invalid('wrong_tree', `the trail is not an extension of the earlier checkpoint: ${wrong}`)
      : undefined;
  }

  #checkpoint(note: unknown): Verification | undefined {
    if (typeof note !== 'string') return invalid('malformed', 'a line is neither an entry nor a checkpoint');
    const { size } = this.#reader;
    const wrong = this.#reader.checkpoint(note, { origin: this.#origin });
    if (wrong) return invalid('wrong_tree', `the checkpoint after entry ${size}: ${wrong}`);
    const signed = verifyNote(parseNote(note)!, ...this.#keys);
    if (signed === 'invalid_signature') {
      return invalid('invalid_signature', `the checkpoint after entry ${size}: its signature is wrong`);
    }
    this.#sealed = size;
    if (signed === 'valid') this.#vouched = size;
    return undefined;
  }

  end(): Verification {
    const { org, mode, size, head } = this.#header;
    const reader = this.#reader;
    const pending = reader.size - this.#vouched;
    const claims: Members = {
      org,
      mode,
      entries: reader.size,
      anchored: this.#vouched,
      pending,
      last_hash: reader.hash,
      root_hash: reader.root().toString('base64'),
      key_given: this.#isTrusted,
    };
    if (reader.size !== size || (size > 0 && reader.hash !== head)) {
      return invalid('incomplete', `the bundle announces ${size} entries and has ${reader.size}`, claims);
    }
    if (this.#earlier && !this.#earlierSeen) {
      return invalid('incomplete', 'the trail is shorter than the earlier checkpoint', claims);
    }
    if (this.#vouched < this.#sealed)
      return invalid('unknown_key', 'the newest checkpoint is signed by another key', claims);
    if (this.#isTrusted && this.#vouched === 0)
      return invalid('not_covered', 'no checkpoint is signed by the key', claims);
    const detail = `${reader.size} entries, ${this.#vouched} under a signed checkpoint, ${pending} pending`;
    return valid(
      this.#isTrusted ? detail : `${detail}; the key is the bundle's own: compare it with one you trust`,
      claims,
    );
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
