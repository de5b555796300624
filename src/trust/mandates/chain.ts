import { isMandateType, type MandateType } from '../../domain/mandates/types.ts';
import { sha256 } from '../canonical.ts';
import { resolveDisclosures } from '../sd-jwt/disclosures.ts';
import { isObject, type JsonObject } from '../sd-jwt/encoding.ts';
import { claimsOf, verifyJws, type CompactJws } from '../sd-jwt/jws.ts';
import type { KeyRing, VerificationKey } from '../sd-jwt/keys.ts';
import { jwtHashOf, sdHashOf, type SdJwt, type SdJwtChain } from '../sd-jwt/parse.ts';
import type { Checklist, HopSummary } from './verdict.ts';

/** A hop whose signature, binding to the hop before and disclosures were verified. */
export interface Hop {
  readonly sdJwt: SdJwt;
  /** Payload with the disclosures in place. */
  readonly claims: JsonObject;
  /** The mandate it carries, with all members; absent for a credential that only names the next key. */
  readonly mandate?: JsonObject;
  readonly vct?: MandateType;
  /** Paths in the mandate at which something stayed undisclosed. */
  readonly withheld: readonly string[];
}

/** Draft and specification write these differently; both spellings are read (draft-gco-oauth-delegate-sd-jwt-00). */
const CLOSING = ['kb+sd-jwt', 'kb-sd-jwt'];
const PASSING_ON = ['kb+sd-jwt+kb', 'kb-sd-jwt+kb'];
const KEY_BINDING = 'kb+jwt';

/**
 * Verifies hop after hop: the root under what the caller trusts, every further one under the `cnf` key of the one
 * before, to which it is bound by `sd_hash` or `issuer_jwt_hash`. What a hop says is read only after its signature.
 * @param verifyRoot throws SdJwtFailure when nobody trusted signed the root
 * @param hops receives each hop once it is verified, so that a refusal later can still tell how far it held
 * @returns claims of the Key Binding JWT, when one follows
 * @throws Refused after noting why
 */
export function verifyHops(
  chain: SdJwtChain,
  verifyRoot: (root: CompactJws) => void,
  ring: KeyRing,
  checks: Checklist,
  hops: Hop[],
): JsonObject | undefined {
  let holder: VerificationKey | undefined;
  for (const [index, sdJwt] of chain.hops.entries()) {
    const before = hops.at(-1);
    const place = { first: before === undefined, last: index === chain.hops.length - 1 };
    checkTyp(sdJwt, place, checks, index);
    if (before === undefined) {
      checks.attempt(
        'invalid_signature',
        'a trusted key must have signed the root',
        () => verifyRoot(sdJwt.jws),
        index,
      );
    } else {
      checks.must(holder !== undefined, 'broken_chain', 'the hop before must name the key of this one', index);
      const key = holder;
      checks.attempt(
        'invalid_signature',
        'the key named before must have signed',
        () => verifyJws(sdJwt.jws, key),
        index,
      );
      checkBinding(sdJwt.payload, before.sdJwt, checks, index);
    }
    const hop = readHop(sdJwt, checks, index);
    holder = checkHolder(hop, place, ring, checks, index);
    hops.push(hop);
  }
  return chain.keyBinding && checkKeyBinding(chain.keyBinding, hops, holder, checks);
}

export function summaryOf({ sdJwt, claims, mandate, vct }: Hop): HopSummary {
  const { typ, alg, kid } = sdJwt.jws.header;
  return {
    ...(vct === undefined ? {} : { vct }),
    ...(typeof typ === 'string' ? { typ } : {}),
    alg: String(alg),
    ...(typeof kid === 'string' ? { kid } : {}),
    claims: mandate ?? claims,
    sd_hash: sdHashOf(sdJwt),
    jwt_hash: jwtHashOf(sdJwt),
    mandate_key: mandateKeyOf(sdJwt),
  };
}

/**
 * Name under which usage of an open mandate is kept: SHA-256 of what its signature covers, base64url. Not of the token,
 * since disclosures may be left out and an ECDSA signature has a twin: both would look like a fresh mandate.
 */
export function mandateKeyOf({ jws }: SdJwt): string {
  return sha256(jws.signingInput).toString('base64url');
}

interface Place {
  readonly first: boolean;
  readonly last: boolean;
}

/** A hop says by its typ whether it closes the chain, so that none can be cut off, or presented as a root, unseen. */
function checkTyp({ jws, payload }: SdJwt, { first, last }: Place, checks: Checklist, index: number): void {
  const typ = jws.header['typ'] as string;
  if (first) {
    const hop = [...CLOSING, ...PASSING_ON, KEY_BINDING].includes(typ) || payload['sd_hash'] !== undefined;
    checks.must(!hop, 'broken_chain', 'the root must not be a later hop of another chain', index);
    return;
  }
  const fits = PASSING_ON.includes(typ) || (last && CLOSING.includes(typ));
  checks.must(fits, 'broken_chain', 'the typ of a hop must fit its place in the chain', index);
}

/** Exactly one of `sd_hash` and `issuer_jwt_hash`, over the hop before as it was presented. */
function checkBinding(payload: JsonObject, before: SdJwt, checks: Checklist, index: number): void {
  const names = ['sd_hash', 'issuer_jwt_hash'].filter((name) => payload[name] !== undefined);
  checks.must(names.length === 1, 'broken_chain', 'a hop must have exactly one of sd_hash and issuer_jwt_hash', index);
  const expected = names[0] === 'sd_hash' ? sdHashOf(before) : jwtHashOf(before);
  const ok = payload[names[0]!] === expected;
  checks.must(ok, 'sd_hash_mismatch', `its ${names[0]} must be that of the hop before`, index);
}

function readHop(sdJwt: SdJwt, checks: Checklist, index: number): Hop {
  const { claims, withheld } = checks.attempt(
    'invalid_disclosure',
    'every disclosure must belong to one digest',
    () => resolveDisclosures(sdJwt.payload, sdJwt.disclosures),
    index,
  );
  const payloads = claims['delegate_payload'];
  if (payloads === undefined) {
    // A mandate as the claims of a plain SD-JWT, or a credential that vouches for the key of the next hop.
    const { vct } = claims;
    return isMandateType(vct) ? { sdJwt, claims, mandate: claims, vct, withheld } : { sdJwt, claims, withheld };
  }
  const mandate: unknown = Array.isArray(payloads) && payloads.length === 1 ? payloads[0] : undefined;
  checks.must(isObject(mandate), 'malformed', 'a hop must disclose exactly one mandate', index);
  const { vct } = mandate;
  checks.must(isMandateType(vct), 'malformed', 'the vct of a mandate must be one of AP2 v0.2', index);
  const inMandate = withheld.filter((path) => path.startsWith('delegate_payload/0'));
  return {
    sdJwt,
    claims,
    mandate,
    vct,
    withheld: inMandate.map((path) => path.replace(/^delegate_payload\/0\/?/, '')),
  };
}

/** The key of the next hop, or of the key binding: `cnf.jwk` of the mandate, for a credential of its claims (RFC 7800). */
function checkHolder(
  { claims, mandate, sdJwt }: Hop,
  { first, last }: Place,
  ring: KeyRing,
  checks: Checklist,
  index: number,
): VerificationKey | undefined {
  const cnf = (mandate ?? claims)['cnf'];
  const closing = !first && CLOSING.includes(sdJwt.jws.header['typ'] as string);
  if (closing) checks.must(cnf === undefined, 'broken_chain', 'the closing hop must not name a further key', index);
  if (!last || (!first && !closing)) {
    checks.must(isObject(cnf) && isObject(cnf['jwk']), 'broken_chain', 'a hop must name the key of the next', index);
  }
  if (!isObject(cnf) || cnf['jwk'] === undefined) return undefined;
  const { jwk } = cnf;
  checks.must(!(isObject(jwk) && 'd' in jwk), 'invalid_key', 'the key that a hop names must be public', index);
  return checks.attempt('invalid_key', 'the key that a hop names must be readable', () => ring.read(jwk), index);
}

/** The Key Binding JWT of a plain SD-JWT (RFC 9901 §4.3). A delegation chain has its last hop instead. */
function checkKeyBinding(
  kb: CompactJws,
  hops: readonly Hop[],
  holder: VerificationKey | undefined,
  checks: Checklist,
): JsonObject {
  checks.must(
    hops.length === 1 && holder !== undefined,
    'broken_chain',
    'a key binding must follow one SD-JWT with cnf',
  );
  const key = holder;
  checks.must(kb.header['typ'] === KEY_BINDING, 'broken_chain', `the typ of a key binding must be ${KEY_BINDING}`);
  checks.attempt('invalid_signature', 'the holder must have signed the key binding', () => verifyJws(kb, key));
  const claims = checks.attempt('malformed', 'the key binding must be a JWT', () => claimsOf(kb));
  const ok = claims['sd_hash'] === sdHashOf(hops[0]!.sdJwt);
  checks.must(ok, 'sd_hash_mismatch', 'the sd_hash of the key binding must be that of the SD-JWT');
  return claims;
}
