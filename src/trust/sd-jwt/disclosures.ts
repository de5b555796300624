import { digestOf, isObject, jsonFromBase64url, requireHash, type JsonObject } from './encoding.ts';
import { SdJwtFailure } from './failure.ts';

/** What a holder disclosed, put in its place. */
export interface Disclosed {
  readonly claims: JsonObject;
  /** Paths (`delegate_payload/0/constraints`) at which something stayed undisclosed, or a decoy stands. */
  readonly withheld: readonly string[];
}

interface Disclosure {
  readonly parts: unknown[];
  used: boolean;
}

const MAX_DEPTH = 32;

/**
 * RFC 9901 §7.1, steps 3 and 4: replaces digests by what was disclosed, drops the others, and refuses a digest that
 * occurs twice, a disclosure that nothing refers to, one of the wrong form for its place, and one that would overwrite
 * a claim. All other members stay as they are.
 * @param payload of the issuer-signed JWT
 * @throws SdJwtFailure `invalid_disclosure`, or `malformed` for an unknown `_sd_alg`
 */
export function resolveDisclosures(payload: JsonObject, disclosures: readonly string[]): Disclosed {
  const { _sd_alg: sdAlg, ...members } = payload;
  requireHash(sdAlg);
  const byDigest = new Map<string, Disclosure>();
  for (const text of disclosures) {
    const digest = digestOf(text, sdAlg);
    if (byDigest.has(digest)) throw invalid('a disclosure is given twice');
    byDigest.set(digest, { parts: partsOf(text), used: false });
  }
  const resolver = new Resolver(byDigest);
  const claims = resolver.object(members, '', 0);
  for (const { used } of byDigest.values()) if (!used) throw invalid('a disclosure belongs to no digest');
  return { claims, withheld: resolver.withheld };
}

class Resolver {
  readonly withheld: string[] = [];
  readonly #seen = new Set<string>();
  readonly #byDigest: ReadonlyMap<string, Disclosure>;

  constructor(byDigest: ReadonlyMap<string, Disclosure>) {
    this.#byDigest = byDigest;
  }

  object(source: JsonObject, path: string, depth: number): JsonObject {
    if (Object.hasOwn(source, '...')) throw invalid('a digest of an array element stands outside an array');
    // A map and `fromEntries`, since assignment to a member named `__proto__` would not create one.
    const members = new Map<string, unknown>();
    for (const [name, value] of Object.entries(source)) {
      if (name !== '_sd') members.set(name, this.value(value, below(path, name), depth + 1));
    }
    if (Object.hasOwn(source, '_sd')) {
      for (const [name, value] of this.#disclosedMembers(source['_sd'], path)) {
        if (members.has(name)) throw invalid('a disclosure would overwrite a claim');
        members.set(name, this.value(value, below(path, name), depth + 1));
      }
    }
    return Object.fromEntries(members);
  }

  value(value: unknown, path: string, depth: number): unknown {
    if (depth > MAX_DEPTH) throw invalid('the claims are nested too deeply');
    if (Array.isArray(value)) return this.#array(value, path, depth);
    return isObject(value) ? this.object(value, path, depth) : value;
  }

  #array(source: readonly unknown[], path: string, depth: number): unknown[] {
    const elements: unknown[] = [];
    for (const element of source) {
      if (!isObject(element) || !Object.hasOwn(element, '...')) {
        elements.push(this.value(element, below(path, elements.length), depth + 1));
        continue;
      }
      if (Object.keys(element).length !== 1) throw invalid('a digest of an array element has other members beside it');
      const parts = this.#take(element['...'], path);
      if (parts === undefined) continue;
      if (parts.length !== 2) throw invalid('a disclosure of a member stands in the place of an array element');
      elements.push(this.value(parts[1], below(path, elements.length), depth + 1));
    }
    return elements;
  }

  #disclosedMembers(digests: unknown, path: string): [name: string, value: unknown][] {
    if (!Array.isArray(digests)) throw invalid('_sd is not an array');
    const found: [string, unknown][] = [];
    for (const digest of digests) {
      const parts = this.#take(digest, path);
      if (parts === undefined) continue;
      if (parts.length !== 3) throw invalid('a disclosure of an array element stands in the place of a member');
      found.push([parts[1] as string, parts[2]]);
    }
    return found;
  }

  #take(digest: unknown, path: string): unknown[] | undefined {
    if (typeof digest !== 'string') throw invalid('a digest is not a string');
    if (this.#seen.has(digest)) throw invalid('a digest occurs twice');
    this.#seen.add(digest);
    const disclosure = this.#byDigest.get(digest);
    if (disclosure === undefined) {
      this.withheld.push(path);
      return undefined;
    }
    disclosure.used = true;
    return disclosure.parts;
  }
}

/** `[salt, value]` or `[salt, name, value]` (RFC 9901 §4.2). */
function partsOf(text: string): unknown[] {
  const parts = jsonFromBase64url(text, 'a disclosure');
  if (!Array.isArray(parts) || typeof parts[0] !== 'string' || parts.length < 2 || parts.length > 3) {
    throw invalid('a disclosure is not an array of salt and value, or of salt, name and value');
  }
  if (parts.length === 3 && (typeof parts[1] !== 'string' || parts[1] === '_sd' || parts[1] === '...')) {
    throw invalid('a disclosure has a name that no claim may have');
  }
  return parts as unknown[];
}

function below(path: string, name: string | number): string {
  return path === '' ? String(name) : `${path}/${name}`;
}

function invalid(message: string): SdJwtFailure {
  return new SdJwtFailure('invalid_disclosure', message);
}
