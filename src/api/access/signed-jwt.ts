import {
  createLocalJWKSet,
  errors,
  jwtVerify,
  type JSONWebKeySet,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
} from 'jose';

/** Seconds that the clock of whoever signs may be off. */
export const SKEW_SECONDS = 60;

/** Signature algorithms taken from others: asymmetric ones only, so that a public key can never serve as a secret. */
export const SIGNING_ALGS = ['EdDSA', 'Ed25519', 'ES256', 'ES384', 'PS256', 'RS256'];

/** Why a JWT is refused: `code` is stable, and `suspicious` ones are what an attack looks like. */
export class JwtRefused extends Error {
  override readonly name = 'JwtRefused';
  readonly code: string;
  readonly suspicious: boolean;

  constructor(code: string, detail: string, suspicious = false) {
    super(detail);
    this.code = code;
    this.suspicious = suspicious;
  }
}

interface Expected {
  /** Any of these is us. */
  audiences: string[];
  /** Both `iss` and `sub` must be one of these names of the signer. */
  names: string[];
  /** Longest time to the expiry that is accepted, seconds. */
  maxLifetime: number;
  now: Date;
}

/**
 * A short-lived JWT by which a party that registered keys speaks for itself (RFC 7523 §3): an asymmetric signature by
 * one of the keys, itself as `iss` and `sub`, us as `aud`, an expiry that is near, and a `jti`. That the `jti` is used
 * once is for the caller to see to.
 * @throws JwtRefused
 */
export async function readSignedJwt(
  token: string,
  keys: JSONWebKeySet,
  { audiences, names, maxLifetime, now }: Expected,
): Promise<{ jti: string; expiresAt: number }> {
  const payload = await verified(token, keys, {
    algorithms: SIGNING_ALGS,
    audience: audiences,
    clockTolerance: SKEW_SECONDS,
    currentDate: now,
    requiredClaims: ['iss', 'sub', 'aud', 'exp', 'jti'],
  });
  const seconds = now.getTime() / 1000;
  if (!names.includes(payload.iss!) || !names.includes(payload.sub!)) {
    throw new JwtRefused('wrong_subject', 'iss and sub must both name its signer', true);
  }
  if (payload.iat !== undefined && payload.iat > seconds + SKEW_SECONDS) {
    throw new JwtRefused('not_yet_valid', 'iat lies in the future');
  }
  if (payload.exp! > seconds + maxLifetime + SKEW_SECONDS) {
    throw new JwtRefused('lives_too_long', `exp lies more than ${maxLifetime} seconds ahead`);
  }
  if (typeof payload.jti !== 'string' || payload.jti === '' || payload.jti.length > 256) {
    throw new JwtRefused('jti_unusable', 'jti must be a text of 1 to 256 characters');
  }
  return { jti: payload.jti, expiresAt: payload.exp! };
}

async function verified(token: string, keys: JSONWebKeySet, options: JWTVerifyOptions): Promise<JWTPayload> {
  const select: JWTVerifyGetKey = createLocalJWKSet(keys);
  try {
    return (await jwtVerify(token, select, options)).payload;
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) return firstThatVerifies(token, error, options);
    throw refusalOf(error);
  }
}

/** Several keys fit a header without `kid`: one of them has to verify. */
async function firstThatVerifies(
  token: string,
  candidates: errors.JWKSMultipleMatchingKeys,
  options: JWTVerifyOptions,
) {
  for await (const key of candidates) {
    try {
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw refusalOf(error);
    }
  }
  throw new JwtRefused('bad_signature', 'the signature does not verify', true);
}

function refusalOf(error: unknown): unknown {
  if (!(error instanceof errors.JOSEError)) {
    // jose throws a TypeError for a key that does not fit the algorithm.
    return error instanceof TypeError ? new JwtRefused('wrong_key', 'the key does not fit the algorithm') : error;
  }
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) {
    return new JwtRefused('wrong_algorithm', `alg must be one of ${SIGNING_ALGS.join(', ')}`, true);
  }
  if (error instanceof errors.JWTExpired) return new JwtRefused('expired', 'it has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'aud' && error.reason === 'check_failed') {
      return new JwtRefused('wrong_audience', 'aud names somebody else', true);
    }
    return new JwtRefused('claim_unusable', `${error.claim} is ${error.reason === 'missing' ? 'missing' : 'not good'}`);
  }
  if (error instanceof errors.JWKSNoMatchingKey) return new JwtRefused('unknown_key', 'no registered key fits it');
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return new JwtRefused('bad_signature', 'the signature does not verify', true);
  }
  return new JwtRefused('not_a_jwt', 'it is not a signed JWT');
}
