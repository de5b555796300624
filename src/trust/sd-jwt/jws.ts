import { verify } from 'node:crypto';
import { fromBase64url, isObject, jsonFromBase64url, type JsonObject } from './encoding.ts';
import { SdJwtFailure } from './failure.ts';
import type { VerificationKey } from './keys.ts';

/** A compact JWS (RFC 7515 §3.1), taken apart and not yet verified. */
export interface CompactJws {
  readonly text: string;
  readonly header: JsonObject;
  readonly payload: Buffer;
  readonly payloadText: string;
  /** What the signature covers: header and payload as they were sent. */
  readonly signingInput: string;
  readonly signature: Buffer;
}

const ALLOWED = ['ES256', 'EdDSA'];
/** r‖s (RFC 7518 §3.4) and R‖S (RFC 8032): both 64 bytes. */
const SIGNATURE_BYTES = 64;

/** @throws SdJwtFailure `malformed`; also for `crit` and an unencoded payload, which nothing here understands */
export function parseJws(text: string): CompactJws {
  const parts = text.split('.');
  if (parts.length !== 3) throw new SdJwtFailure('malformed', 'a JWS must have three parts');
  const [head, body, tail] = parts as [string, string, string];
  const header = jsonFromBase64url(head, 'the JWS header');
  if (!isObject(header)) throw new SdJwtFailure('malformed', 'the JWS header is not an object');
  if (header['crit'] !== undefined || header['b64'] !== undefined) {
    throw new SdJwtFailure('malformed', 'the JWS header demands an extension that is not understood');
  }
  const payload = fromBase64url(body);
  const signature = fromBase64url(tail);
  if (payload === undefined || signature === undefined) {
    throw new SdJwtFailure('malformed', 'a part of the JWS is not base64url');
  }
  return { text, header, payload, payloadText: body, signingInput: `${head}.${body}`, signature };
}

/** The payload as a claims set. @throws SdJwtFailure `malformed` */
export function claimsOf(jws: CompactJws): JsonObject {
  const claims = jsonFromBase64url(jws.payloadText, 'the JWT payload');
  if (!isObject(claims)) throw new SdJwtFailure('malformed', 'the JWT payload is not an object');
  return claims;
}

/** @throws SdJwtFailure `alg_not_allowed` for `none`, MACs and everything else but ES256 and EdDSA */
export function requireAllowedAlgorithm(jws: CompactJws): void {
  if (!ALLOWED.includes(jws.header['alg'] as string)) {
    throw new SdJwtFailure('alg_not_allowed', 'only ES256 and EdDSA signatures are accepted');
  }
}

/**
 * Verifies under one key. The key says which algorithm is used and the header must agree, so that no header can turn a
 * public key into something else (RFC 8725 §3.1). Keys that the header itself offers (`jwk`, `jku`, `x5c`) are ignored.
 *
 * `node:crypto` directly, as in the signer: an ES256 verification costs about 0.1 ms, less than a hop to WebCrypto's pool
 * and the second import of the key which a JOSE library needs for it.
 * @throws SdJwtFailure `alg_not_allowed` or `invalid_signature`
 */
export function verifyJws(jws: CompactJws, key: VerificationKey): void {
  requireAllowedAlgorithm(jws);
  if (jws.header['alg'] !== key.alg) {
    throw new SdJwtFailure('alg_not_allowed', 'the header names another algorithm than the key is for');
  }
  const input = Buffer.from(jws.signingInput);
  const good =
    jws.signature.length === SIGNATURE_BYTES &&
    (key.alg === 'ES256'
      ? verify('sha256', input, { key: key.key, dsaEncoding: 'ieee-p1363' }, jws.signature)
      : verify(null, input, key.key, jws.signature));
  if (!good) throw new SdJwtFailure('invalid_signature', 'the signature does not verify');
}
