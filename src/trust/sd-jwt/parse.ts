import { digestOf, type JsonObject } from './encoding.ts';
import { SdJwtFailure } from './failure.ts';
import { claimsOf, parseJws, type CompactJws } from './jws.ts';

/** An SD-JWT of a chain, or a plain one: issuer-signed JWT and disclosures, not yet verified. */
export interface SdJwt {
  readonly jws: CompactJws;
  /** Payload with its digests still in place. */
  readonly payload: JsonObject;
  readonly disclosures: readonly string[];
  /** `<JWT>~<disclosure>~…~`: what an `sd_hash` covers (RFC 9901 §4.3.1). */
  readonly text: string;
}

/** Hops from root to leaf, with the Key Binding JWT that may follow the last. */
export interface SdJwtChain {
  readonly hops: readonly SdJwt[];
  readonly keyBinding?: CompactJws;
}

/** A longer chain or text is refused before any signature is looked at. */
export const MAX_HOPS = 16;
export const MAX_TOKEN_BYTES = 256 * 1024;
const MAX_DISCLOSURES = 512;

/**
 * Takes a delegate SD-JWT (draft-gco-oauth-delegate-sd-jwt-00) or a plain one (RFC 9901 §4) apart. Each SD-JWT ends
 * with `~`; a further `~` joins the next hop, so hops are separated by `~~`.
 * @throws SdJwtFailure `malformed`
 */
export function parseChain(token: string): SdJwtChain {
  if (token.length > MAX_TOKEN_BYTES) throw new SdJwtFailure('malformed', 'the token is too long');
  const segments = token.split('~~');
  if (segments.length > MAX_HOPS) throw new SdJwtFailure('malformed', `the chain has more than ${MAX_HOPS} hops`);
  const last = segments.pop()!;
  const cut = last.lastIndexOf('~');
  if (cut < 0) throw new SdJwtFailure('malformed', 'the token is not an SD-JWT: it has no ~ at its end');
  const tail = last.slice(cut + 1);
  const hops = [...segments, last.slice(0, cut)].map(parseSdJwt);
  return tail === '' ? { hops } : { hops, keyBinding: parseJws(tail) };
}

function parseSdJwt(segment: string): SdJwt {
  const [jwt, ...disclosures] = segment.split('~') as [string, ...string[]];
  if (disclosures.length > MAX_DISCLOSURES) throw new SdJwtFailure('malformed', 'a hop has too many disclosures');
  const jws = parseJws(jwt);
  return { jws, payload: claimsOf(jws), disclosures, text: `${segment}~` };
}

/** Hash of an SD-JWT as it was presented, disclosures included (RFC 9901 §4.3.1). */
export function sdHashOf(sdJwt: SdJwt, sdAlg: unknown = sdJwt.payload['_sd_alg']): string {
  return digestOf(sdJwt.text, sdAlg);
}

/** Hash of the issuer-signed JWT alone. */
export function jwtHashOf(sdJwt: SdJwt): string {
  return digestOf(sdJwt.jws.text, sdJwt.payload['_sd_alg']);
}
