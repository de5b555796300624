import { inCommon } from '../../domain/access-scopes.ts';
import { z } from 'zod';
import { isActingLive } from '../../store/acting.ts';
import { findTokenClient, organizationsOf, revokeToken, type OauthClientRow } from '../../store/oauth-clients.ts';
import { freezeOnAgent } from '../../store/stops/read.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute, type RouteContext } from '../route.ts';
import { readAccessToken, type AccessTokenClaims } from './access-token.ts';
import { authenticatedClient } from './client-authentication.ts';
import { credentialsOf } from './credentials.ts';
import { answering, NO_STORE, OauthError, OauthErrorBody } from './oauth-error.ts';
import { TokenReference } from './oauth-parameters.ts';

const Introspection = z.object({
  active: z.boolean(),
  scope: z.string().optional(),
  client_id: z.string().optional(),
  token_type: z.string().optional(),
  exp: z.int().optional(),
  iat: z.int().optional(),
  sub: z.string().optional(),
  aud: z.string().optional(),
  iss: z.string().optional(),
  jti: z.string().optional(),
  cnf: z.object({ jkt: z.string() }).optional(),
  act: z.looseObject({ sub: z.string() }).optional(),
  delegation_id: z.string().optional(),
});

const open = {
  method: 'post',
  scope: 'public',
  idempotency: 'none',
  replay: 'none',
  tags: ['Access'],
  form: true,
  body: TokenReference,
} as const;
type ReferenceContext = RouteContext<z.output<typeof TokenReference>>;

/** Introspection (RFC 7662) and revocation (RFC 7009) of access tokens. */
export function tokenStatusRoutes(deps: ApiDeps): AnyRoute[] {
  const { config, signer } = deps;
  const issuer = config.publicUrl;
  return [
    route({
      ...open,
      path: '/oauth/introspect',
      summary: 'Whether a token is live (RFC 7662); a client sees its own organization’s tokens.',
      responses: { 200: Introspection, 400: OauthErrorBody, 401: OauthErrorBody },
      handler: answering(async (ctx: ReferenceContext) => {
        const client = await authenticatedClient(deps, ctx);
        const claims = await readAccessToken(signer, issuer, tokenIn(ctx), 'any');
        const scopes = claims && (await liveScopes(ctx, client, claims, issuer));
        const body = claims && scopes ? describe(issuer, { ...claims, scopes }) : { active: false };
        return { status: 200, headers: NO_STORE, body };
      }),
    }),
    route({
      ...open,
      path: '/oauth/revoke',
      summary: 'Withdraws an access token of this client (RFC 7009).',
      responses: {
        200: z.object({}).meta({ description: 'The token is of no use any more, or never was' }),
        400: OauthErrorBody,
        401: OauthErrorBody,
      },
      handler: answering(async (ctx: ReferenceContext) => {
        const client = await authenticatedClient(deps, ctx);
        const claims = await readAccessToken(signer, issuer, tokenIn(ctx), 'any');
        // RFC 7009 §2.1: only the client that the token was issued to. A token of another client is answered as an
        // invalid one is (§2.2): an error would confirm that it is live.
        if (claims && claims.clientId === client.id) {
          await revokeToken(ctx.db, claims.jti, new Date(claims.expiresAt * 1000));
          credentialsOf(deps.pool).forget();
        }
        return { status: 200, body: {}, headers: NO_STORE };
      }),
    }),
  ];
}

function tokenIn({ body }: ReferenceContext): string {
  if (body.token === undefined) throw new OauthError('invalid_request', 'token is missing.');
  return body.token;
}

/**
 * What a token is good for now: its scopes, as far as its client and that client's membership still hold them.
 * @returns undefined when it is not live, or not the asker's to know (RFC 7662 §4)
 */
async function liveScopes(
  { db }: ReferenceContext,
  asker: OauthClientRow,
  claims: AccessTokenClaims,
  issuer: string,
): Promise<string[] | undefined> {
  const { orgId, acting, audience } = claims;
  const holder = await findTokenClient(db, claims.clientId, claims.jti);
  if (!holder || holder.mode !== asker.mode) return undefined;
  const membership = (client: OauthClientRow) => organizationsOf(client).find((one) => one.orgId === orgId);
  const there = membership(holder);
  if (!there || !membership(asker)) return undefined;
  const tenant = { orgId, mode: holder.mode };
  if (acting && !(await isActingLive(db, tenant, acting, new Date()))) return undefined;
  // This API refuses by itself what a freeze covers, and still reads and voids; others are told that it is over.
  if (acting && audience !== issuer && (await freezeOnAgent(db, tenant, acting)) !== undefined) return undefined;
  return inCommon(inCommon(claims.scopes, holder.scopes), there.scopes);
}

function describe(issuer: string, claims: AccessTokenClaims) {
  return {
    active: true,
    scope: claims.scopes.join(' '),
    client_id: claims.clientId,
    token_type: claims.jkt === undefined ? 'Bearer' : 'DPoP',
    exp: claims.expiresAt,
    iat: claims.issuedAt,
    sub: claims.subject,
    aud: claims.audience,
    iss: issuer,
    jti: claims.jti,
    cnf: claims.jkt === undefined ? undefined : { jkt: claims.jkt },
    act: claims.act,
    delegation_id: claims.acting && toTypeId('del', claims.acting.delegationId),
  };
}
