import { calculateJwkThumbprint, type JWK } from 'jose';
import { COVERAGE_CLASSES, totalsOf, type CoverageClass } from '../domain/coverage.ts';
import { flawOf, originPattern } from '../trust/audit-trail.ts';
import type { SignedNote } from '../trust/checkpoint.ts';
import { brokenAt, isEntry, keyMember, noteOf, provesInclusion } from './audit.ts';
import { isObject, membersOf, type Members } from './input.ts';
import { ed25519In } from './keys.ts';
import { invalid, valid, type Verification } from './result.ts';
import { sameJson } from './same-json.ts';
import { verifyVerdict } from './verdict.ts';

/** The format that `GET /v1/ledger/coverage/export` writes. */
export const COVERAGE_FORMAT = 'prokura-coverage/1';

export interface CoverageOptions {
  /** Keys of which one must have signed, 32 bytes each. Without them the export's own are used: it proves less. */
  publicKeys?: Buffer[] | undefined;
}

/**
 * The lines of an export as one object, `{lines, public_key?}`.
 * @throws Misuse
 */
export async function verifyCoverage(input: unknown): Promise<Verification> {
  const members = membersOf(input, ['lines']);
  const publicKeys = keyMember(members);
  const { lines } = members;
  if (!Array.isArray(lines)) return invalid('malformed', 'lines must be the lines of an export');
  return verifyCoverageBundle(
    lines.map((line) => JSON.stringify(line)),
    { publicKeys },
  );
}

/**
 * An export of the coverage, line by line, in memory that does not grow with it. Of every item but effects without a
 * verdict: the verdict is signed and approves that execution, the audit entry is whole and says the same, and it is in the
 * tree of the signed checkpoint, unless it is younger. The last line must say how much there was. How effects were found
 * and joined is the word of the installation: classes, amounts and sources are not signed.
 * Codes: `malformed`, `incomplete`, `key_missing`, `unknown_key`, `wrong_tree`, `not_covered`, `payload_mismatch`,
 * `broken`, `invalid_proof`, and those of `verifyVerdict`.
 */
export async function verifyCoverageBundle(
  lines: AsyncIterable<string> | Iterable<string>,
  { publicKeys }: CoverageOptions = {},
): Promise<Verification> {
  let bundle: CoverageBundle | undefined;
  for await (const line of lines) {
    if (line.trim() === '') continue;
    const value = parse(line);
    if (bundle) {
      const wrong = await bundle.take(value);
      if (wrong) return wrong;
      continue;
    }
    const opened = await CoverageBundle.open(value, publicKeys);
    if (!(opened instanceof CoverageBundle)) return opened;
    bundle = opened;
  }
  return bundle ? bundle.end() : invalid('malformed', 'the export is empty');
}

interface Head {
  org: string;
  mode: string;
  keys: JWK[];
  note: SignedNote | undefined;
  isTrusted: boolean;
}

class CoverageBundle {
  readonly #head: Head;
  readonly #totals = totalsOf([]);
  #items = 0;
  #anchored = 0;
  #pending = 0;
  #isWhole = false;

  private constructor(head: Head) {
    this.#head = head;
  }

  static async open(head: unknown, trusted: Buffer[] | undefined): Promise<CoverageBundle | Verification> {
    if (!isObject(head) || head['format'] !== COVERAGE_FORMAT) {
      return invalid('malformed', `the first line is not the header of a ${COVERAGE_FORMAT} export`);
    }
    const { org, mode } = head;
    if (typeof org !== 'string' || !/^org_\w+$/.test(org) || (mode !== 'test' && mode !== 'live')) {
      return invalid('malformed', 'the header of the export is not whole');
    }
    const publicKeys = trusted ?? ed25519In(head['public_key']);
    if (!publicKeys) return invalid('key_missing', 'neither the export nor the caller gives a key');
    const note = noteOf(head['checkpoint'], publicKeys);
    if (note && 'valid' in note) return note;
    if (note && !originPattern(org, mode).test(note.origin)) {
      return invalid('wrong_tree', 'the checkpoint is of another trail');
    }
    const keys = await Promise.all(publicKeys.map(named));
    return new CoverageBundle({ org, mode, keys, note, isTrusted: trusted !== undefined });
  }

  async take(line: unknown): Promise<Verification | undefined> {
    if (this.#isWhole) return invalid('malformed', 'a line follows the last one');
    if (!isObject(line)) return invalid('malformed', `the line after item ${this.#items} is not a JSON object`);
    return 'end' in line ? this.#last(line['end']) : this.#item(line);
  }

  async #item(item: Members): Promise<Verification | undefined> {
    const name = COVERAGE_CLASSES.find((one) => one === item['class']);
    if (!name) return invalid('malformed', `the line after item ${this.#items} has no class`);
    this.#items++;
    this.#totals[name]++;
    return (await this.#verdictFlaw(item, name)) ?? this.#entryFlaw(item, name) ?? this.#proofFlaw(item);
  }

  async #verdictFlaw({ execution_ref, verdict_jws }: Members, name: CoverageClass): Promise<Verification | undefined> {
    if (verdict_jws === null && !isApproved(name)) return undefined;
    if (typeof verdict_jws !== 'string') return this.#wrong('not_covered', 'it has no verdict');
    const { org, keys } = this.#head;
    const expected = { subject: execution_ref, org, ...(isApproved(name) && { decision: 'approve' }) };
    const { valid: holds, code, detail } = await verifyVerdict({ jws: verdict_jws, jwks: keys, expected });
    return holds ? undefined : this.#wrong(code, detail);
  }

  #entryFlaw({ execution_ref, entry }: Members, name: CoverageClass): Verification | undefined {
    if (entry === null && !isApproved(name)) return undefined;
    if (!isEntry(entry)) return this.#wrong('not_covered', 'it has no audit entry of its decision');
    const broken = flawOf(entry, { sequence: entry.sequence - 1, hash: entry.prev_hash });
    if (broken) return brokenAt(broken, this.#anchored);
    if (entry.org !== this.#head.org) return this.#wrong('payload_mismatch', 'its entry is of another organization');
    const said = isObject(entry.body) ? entry.body['decision'] : undefined;
    if (isApproved(name) && (entry.subject !== execution_ref || said !== 'approved')) {
      return this.#wrong('payload_mismatch', `entry ${entry.sequence} is not the approval`);
    }
    return undefined;
  }

  #proofFlaw({ entry, proof }: Members): Verification | undefined {
    if (!isEntry(entry)) return undefined;
    const { note } = this.#head;
    if (proof === null && (!note || BigInt(entry.sequence) > note.size)) {
      this.#pending++;
      return undefined;
    }
    if (!note || !isObject(proof) || !provesInclusion(proof, entry, note)) {
      return this.#wrong('invalid_proof', `nothing proves that entry ${entry.sequence} is in the checkpoint`);
    }
    this.#anchored++;
    return undefined;
  }

  #last(end: unknown): Verification | undefined {
    const counted = { items: this.#items, totals: this.#totals };
    if (!sameJson(end, counted)) return invalid('incomplete', 'the last line does not count what is there', counted);
    this.#isWhole = true;
    return undefined;
  }

  end(): Verification {
    const { org, mode, isTrusted } = this.#head;
    const claims: Members = {
      org,
      mode,
      items: this.#items,
      totals: this.#totals,
      anchored: this.#anchored,
      pending: this.#pending,
      key_given: isTrusted,
    };
    if (!this.#isWhole) return invalid('incomplete', 'the export ends early', claims);
    const detail = `${this.#items} items; ${this.#anchored} decisions under the signed checkpoint, ${this.#pending} pending`;
    const whose = isTrusted ? '' : "; the key is the export's own: compare it with one you trust";
    return valid(`${detail}${whose}`, claims);
  }

  #wrong(code: string, detail: string): Verification {
    return invalid(code, `item ${this.#items}: ${detail}`, { items: this.#items });
  }
}

/** Of every other class the installation itself says that nobody approved it: what it shows must be whole all the same. */
function isApproved(name: CoverageClass): boolean {
  return name !== 'effect_without_verdict';
}

/** Named as a verdict names it: by RFC 7638 thumbprint. */
async function named(key: Buffer): Promise<JWK> {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: key.toString('base64url') };
  return { ...jwk, kid: await calculateJwkThumbprint(jwk) };
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
