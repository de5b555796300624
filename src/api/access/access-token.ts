import { errors, jwtVerify } from 'jose';
import { parseId, toTypeId } from '../../domain/ids.ts';
import type { Mode } from '../../domain/types.ts';
import type { OauthClientRow } from '../../store/oauth-clients.ts';
import { newId } from '../../trust/new-id.ts';
import type { Signer } from '../../trust/signing.ts';
import type { Actor } from '../identity/delegation-token.ts';
import type { Acting } from '../route.ts';

/** Lifetime of an access token, seconds. */
export const ACCESS_TOKEN_SECONDS = 600;

/** For whom a token of a delegation speaks. */
export interface ActingGrant extends Acting {
  orgId: string;
  /** The agent, and inside it those that delegated to it. */
  act: Actor;
  /** The end of the delegation, or of the key that the agent asked by. */
  expiresAt: Date;
}

export interface AccessTokenClaims {
  jti: string;
  clientId: string;
  subject: string;
  audience: string;
  orgId: string;
  mode: Mode;
  scopes: string[];
  /** Unix seconds. */
  issuedAt: number;
  expiresAt: number;
  /** Thumbprint of the key that the token is bound to (RFC 9449 §6). */
  jkt?: string;
  acting?: Acting;
  act?: Actor;
}

interface Grant {
  client: OauthClientRow;
  scopes: string[];
  now: Date;
  /** Who is to take the token; this API when absent. */
  audience?: string;
  jkt?: string;
  acting?: ActingGrant;
}

export interface IssuedToken {
  token: string;
  jti: string;
  /** Seconds. */
  expiresIn: number;
}

/**
 * A JWT access token (RFC 9068) for `scopes` of the client; `org` and `mode` say whose data it opens. A token of a
 * delegation is the principal's (`sub`), used by the agent (`act`, RFC 8693 §4.1), and ends with the delegation.
 */
export async function issueAccessToken(signer: Signer, issuer: string, grant: Grant): Promise<IssuedToken> {
  const { client, acting, now } = grant;
  const iat = Math.floor(now.getTime() / 1000);
  const end = acting ? Math.floor(acting.expiresAt.getTime() / 1000) : Infinity;
  const exp = Math.min(iat + ACCESS_TOKEN_SECONDS, end);
  const jti = newId(now.getTime());
  const token = await signer.signJws(
    {
      iss: issuer,
      aud: grant.audience ?? issuer,
      sub: acting ? subjectOf(acting) : client.id,
      client_id: client.id,
      org: acting?.orgId ?? client.orgId,
      mode: client.mode,
      scope: grant.scopes.join(' '),
      jti,
      iat,
      exp,
      cnf: grant.jkt === undefined ? undefined : { jkt: grant.jkt },
      act: acting?.act,
      delegation_id: acting && toTypeId('del', acting.delegationId),
      actor_key_id: acting?.keyId && toTypeId('key', acting.keyId),
    },
    { typ: 'at+jwt' },
  );
  return { token, jti, expiresIn: exp - iat };
}

/**
 * Checks signature, type, issuer, audience and expiry (RFC 9068 §4); `undefined` when any of them fails.
 * @param audience `any`: also tokens that are meant for others, for questions about them
 */
export async function readAccessToken(
  signer: Signer,
  issuer: string,
  token: string,
  audience: 'ours' | 'any' = 'ours',
): Promise<AccessTokenClaims | undefined> {
  try {
    const { payload } = await jwtVerify(token, signer.keyOf, {
      algorithms: ['EdDSA'],
      typ: 'at+jwt',
      issuer,
      ...(audience === 'ours' ? { audience: issuer } : {}),
      requiredClaims: ['aud', 'jti', 'sub', 'org', 'mode', 'client_id', 'scope', 'exp', 'iat'],
    });
    const act = payload['act'] as Actor | undefined;
    const key = payload['actor_key_id'] as string | undefined;
    return {
      jti: payload.jti!,
      clientId: payload['client_id'] as string,
      subject: payload.sub!,
      audience: payload.aud as string,
      orgId: payload['org'] as string,
      mode: payload['mode'] as Mode,
      scopes: (payload['scope'] as string).split(' ').filter(Boolean),
      issuedAt: payload.iat!,
      expiresAt: payload.exp!,
      jkt: (payload['cnf'] as { jkt?: string } | undefined)?.jkt,
      act,
      acting: act && {
        agentId: parseId(act.sub, 'agt')!,
        delegationId: parseId(payload['delegation_id'] as string, 'del')!,
        principalId: parseId(payload.sub!, 'prn', 'org')!,
        keyId: key === undefined ? undefined : parseId(key, 'key')!,
      },
    };
  } catch (error) {
    if (error instanceof errors.JOSEError) return undefined;
    throw error;
  }
}

function subjectOf({ principalId, orgId }: ActingGrant): string {
  return toTypeId(principalId === orgId ? 'org' : 'prn', principalId);
}
