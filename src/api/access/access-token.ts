import { errors, importJWK, jwtVerify } from 'jose';
import type { OauthClientRow } from '../../store/oauth-clients.ts';
import { newId } from '../../trust/new-id.ts';
import type { Signer } from '../../trust/signing.ts';

/** Lifetime of an access token, seconds. */
export const ACCESS_TOKEN_SECONDS = 600;

export interface AccessTokenClaims {
  jti: string;
  clientId: string;
  scopes: string[];
  /** Unix seconds. */
  issuedAt: number;
  expiresAt: number;
}

/** A JWT access token (RFC 9068) for `scopes` of the client; `org` and `mode` say whose data it opens. */
export async function issueAccessToken(
  signer: Signer,
  issuer: string,
  client: OauthClientRow,
  scopes: string[],
  now: Date,
): Promise<string> {
  const iat = Math.floor(now.getTime() / 1000);
  return signer.signJws(
    {
      iss: issuer,
      aud: issuer,
      sub: client.id,
      client_id: client.id,
      org: client.orgId,
      mode: client.mode,
      scope: scopes.join(' '),
      jti: newId(now.getTime()),
      iat,
      exp: iat + ACCESS_TOKEN_SECONDS,
    },
    { typ: 'at+jwt' },
  );
}

/** Checks signature, type, issuer, audience and expiry (RFC 9068 §4); `undefined` when any of them fails. */
export async function readAccessToken(
  signer: Signer,
  issuer: string,
  token: string,
): Promise<AccessTokenClaims | undefined> {
  try {
    const { payload } = await jwtVerify(token, await importJWK(signer.publicJwk, 'EdDSA'), {
      algorithms: ['EdDSA'],
      typ: 'at+jwt',
      issuer,
      audience: issuer,
      requiredClaims: ['jti', 'client_id', 'scope', 'exp', 'iat'],
    });
    return {
      jti: payload.jti!,
      clientId: payload['client_id'] as string,
      scopes: (payload['scope'] as string).split(' ').filter(Boolean),
      issuedAt: payload.iat!,
      expiresAt: payload.exp!,
    };
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}
