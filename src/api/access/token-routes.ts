import { z } from 'zod';
import { findTokenClient, revokeToken } from '../../store/oauth-clients.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { ACCESS_TOKEN_SECONDS, issueAccessToken, readAccessToken } from './access-token.ts';
import { authenticatedClient, isRefusal, oauthError } from './client-authentication.ts';
import { credentialsOf } from './credentials.ts';
import { covers, SCOPES } from '../../domain/access-scopes.ts';

const clientMembers = { client_id: z.string().optional(), client_secret: z.string().optional() };
// Loose, because RFC 6749 §3.2 has unknown parameters ignored, and each refusal has a code of its own.
const TokenRequest = z.looseObject({
  grant_type: z.string().optional(),
  scope: z.string().optional(),
  ...clientMembers,
});
const TokenReference = z.looseObject({
  token: z.string().optional(),
  token_type_hint: z.string().optional(),
  ...clientMembers,
});

const Token = z.object({
  access_token: z.string(),
  token_type: z.literal('Bearer'),
  expires_in: z.int(),
  scope: z.string(),
});
const OauthError = z.object({ error: z.string(), error_description: z.string() });
const Introspection = z.object({
  active: z.boolean(),
  scope: z.string().optional(),
  client_id: z.string().optional(),
  token_type: z.string().optional(),
  exp: z.int().optional(),
  iat: z.int().optional(),
  sub: z.string().optional(),
  iss: z.string().optional(),
  jti: z.string().optional(),
});

const open = {
  method: 'post',
  scope: 'public',
  idempotency: 'none',
  replay: 'none',
  tags: ['Access'],
  form: true,
} as const;
const NO_STORE = { 'Cache-Control': 'no-store', Pragma: 'no-cache' };

export function tokenRoutes(deps: ApiDeps): AnyRoute[] {
  const { config, signer } = deps;
  const issuer = config.publicUrl;
  return [
    route({
      ...open,
      path: '/oauth/token',
      summary: 'Access token by client credentials (RFC 6749 §4.4); it lasts 10 minutes.',
      body: TokenRequest,
      example: { grant_type: 'client_credentials', client_id: 'client_…', client_secret: 'prs_…' },
      responses: { 200: Token, 400: OauthError, 401: OauthError },
      handler: async ({ body, headers, db }) => {
        const client = await authenticatedClient(db, headers, body);
        if (isRefusal(client)) return client;
        if (body.grant_type === undefined) return oauthError(400, 'invalid_request', 'grant_type is missing.');
        if (body.grant_type !== 'client_credentials') {
          return oauthError(400, 'unsupported_grant_type', 'Only client_credentials is granted.');
        }
        const asked = body.scope?.split(' ').filter(Boolean) ?? client.scopes;
        const beyond = asked.filter((scope) => !SCOPES.includes(scope) || !covers(client.scopes, scope));
        if (beyond.length > 0 || asked.length === 0) {
          return oauthError(400, 'invalid_scope', 'The client may not have that scope.');
        }
        const access_token = await issueAccessToken(signer, issuer, client, asked, new Date());
        return {
          status: 200,
          headers: NO_STORE,
          body: { access_token, token_type: 'Bearer', expires_in: ACCESS_TOKEN_SECONDS, scope: asked.join(' ') },
        };
      },
    }),
    route({
      ...open,
      path: '/oauth/introspect',
      summary: 'Whether a token is live (RFC 7662); a client sees its own organization’s tokens.',
      body: TokenReference,
      responses: { 200: Introspection, 400: OauthError, 401: OauthError },
      handler: async ({ body, headers, db }) => {
        const client = await authenticatedClient(db, headers, body);
        if (isRefusal(client)) return client;
        if (body.token === undefined) return oauthError(400, 'invalid_request', 'token is missing.');
        const inactive = { status: 200, body: { active: false }, headers: NO_STORE };
        const claims = await readAccessToken(signer, issuer, body.token);
        const holder = claims && (await findTokenClient(db, claims.clientId, claims.jti));
        // RFC 7662 §4: what the asker may not know is simply inactive.
        if (!holder || holder.orgId !== client.orgId || holder.mode !== client.mode) return inactive;
        return {
          status: 200,
          headers: NO_STORE,
          body: {
            active: true,
            scope: claims.scopes.join(' '),
            client_id: claims.clientId,
            token_type: 'Bearer',
            exp: claims.expiresAt,
            iat: claims.issuedAt,
            sub: claims.clientId,
            iss: issuer,
            jti: claims.jti,
          },
        };
      },
    }),
    route({
      ...open,
      path: '/oauth/revoke',
      summary: 'Withdraws an access token of this client (RFC 7009).',
      body: TokenReference,
      responses: {
        200: z.object({}).meta({ description: 'The token is of no use any more, or never was' }),
        400: OauthError,
        401: OauthError,
      },
      handler: async ({ body, headers, db }) => {
        const client = await authenticatedClient(db, headers, body);
        if (isRefusal(client)) return client;
        if (body.token === undefined) return oauthError(400, 'invalid_request', 'token is missing.');
        const claims = await readAccessToken(signer, issuer, body.token);
        // RFC 7009 §2.1: only the client that the token was issued to; §2.2: an invalid token is no error.
        if (claims && claims.clientId === client.id) {
          await revokeToken(db, claims.jti, new Date(claims.expiresAt * 1000));
          credentialsOf(deps.pool).forget();
        }
        return { status: 200, body: {}, headers: NO_STORE };
      },
    }),
  ];
}
