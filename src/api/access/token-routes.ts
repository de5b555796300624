import { z } from 'zod';
import { covers, SCOPES } from '../../domain/access-scopes.ts';
import { recordAbuse } from '../../store/abuse.ts';
import type { OauthClientRow } from '../../store/oauth-clients.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute, type RouteContext } from '../route.ts';
import { issueAccessToken } from './access-token.ts';
import { authenticatedClient } from './client-authentication.ts';
import { ProofRefused, readProof, useProof } from './dpop.ts';
import { answering, NO_STORE, OauthError, OauthErrorBody } from './oauth-error.ts';
import { clientMembers, scopesIn } from './oauth-parameters.ts';
import { ACCESS_TOKEN_TYPE, exchange, recordExchange, TOKEN_EXCHANGE } from './token-exchange.ts';
import { tokenStatusRoutes } from './oauth-token-status.ts';

/** `grant_types_supported` of the metadata. */
export const GRANT_TYPES = ['client_credentials', TOKEN_EXCHANGE];

const text = z.string().optional();
// Loose, because RFC 6749 §3.2 has unknown parameters ignored, and each refusal has a code of its own.
const TokenRequest = z.looseObject({
  grant_type: text,
  scope: text,
  subject_token: text,
  subject_token_type: text,
  actor_token: text,
  actor_token_type: text,
  requested_token_type: text,
  audience: text,
  resource: text,
  ...clientMembers,
});

const Token = z.object({
  access_token: z.string(),
  token_type: z.enum(['Bearer', 'DPoP']),
  expires_in: z.int(),
  scope: z.string(),
  issued_token_type: z.literal(ACCESS_TOKEN_TYPE).optional().meta({ description: 'Of a token exchange' }),
});

type TokenContext = RouteContext<z.output<typeof TokenRequest>>;

/** The token endpoint and, beside it, what is said about tokens and done with them. */
export function tokenRoutes(deps: ApiDeps): AnyRoute[] {
  const { config, signer } = deps;
  return [
    route({
      method: 'post',
      path: '/oauth/token',
      summary: 'Access token by client credentials (RFC 6749 §4.4) or token exchange (RFC 8693); it lasts 10 minutes.',
      description:
        'With a `DPoP` header the token is bound to the key of the proof (RFC 9449). A token exchange takes a delegation ' +
        'token as `subject_token`: the answer acts for the principal, as the agent, no longer than the delegation lives.',
      scope: 'public',
      idempotency: 'none',
      replay: 'none',
      tags: ['Access'],
      form: true,
      body: TokenRequest,
      example: { grant_type: 'client_credentials', client_id: 'client_…', client_secret: 'prs_…' },
      responses: { 200: Token, 400: OauthErrorBody, 401: OauthErrorBody },
      handler: answering(async (ctx: TokenContext) => {
        const client = await authenticatedClient(deps, ctx);
        const { body, db } = ctx;
        const now = new Date();
        if (body.grant_type === undefined) throw new OauthError('invalid_request', 'grant_type is missing.');
        if (!GRANT_TYPES.includes(body.grant_type)) {
          throw new OauthError('unsupported_grant_type', `Granted are ${GRANT_TYPES.join(' and ')}.`);
        }
        const jkt = await boundKey(deps, ctx, client, now);
        const exchanged = body.grant_type === TOKEN_EXCHANGE ? await exchange(deps, db, client, body, now) : undefined;
        const grant = exchanged ?? { scopes: scopesOf(client, body.scope) };
        const { token, jti, expiresIn } = await issueAccessToken(signer, config.publicUrl, {
          client,
          now,
          jkt,
          ...grant,
        });
        if (exchanged) await recordExchange(db, client, exchanged, { jti, jkt, now });
        return {
          status: 200,
          headers: NO_STORE,
          body: {
            access_token: token,
            token_type: jkt === undefined ? 'Bearer' : 'DPoP',
            expires_in: expiresIn,
            scope: grant.scopes.join(' '),
            ...(exchanged ? { issued_token_type: ACCESS_TOKEN_TYPE } : {}),
          },
        };
      }),
    }),
    ...tokenStatusRoutes(deps),
  ];
}

/** What was asked for, or all that the client has. @throws OauthError `invalid_scope` */
function scopesOf(client: OauthClientRow, asked: string | undefined): string[] {
  const scopes = asked === undefined ? client.scopes : scopesIn(asked);
  const beyond = scopes.filter((scope) => !SCOPES.includes(scope) || !covers(client.scopes, scope));
  if (beyond.length > 0 || scopes.length === 0) {
    throw new OauthError('invalid_scope', 'The client may not have that scope.');
  }
  return scopes;
}

/**
 * The key that the token shall be bound to: that of the proof in the `DPoP` header (RFC 9449 §5).
 * @throws OauthError `invalid_dpop_proof`; `invalid_request` without a proof, when the client has bound tokens only
 */
async function boundKey(
  { config, pool, log }: ApiDeps,
  { headers, db }: TokenContext,
  client: OauthClientRow,
  now: Date,
): Promise<string | undefined> {
  const { dpop } = headers;
  if (dpop === undefined) {
    if (client.dpopBound) throw new OauthError('invalid_request', 'This client needs a DPoP proof.');
    return undefined;
  }
  try {
    const url = `${config.publicUrl}/oauth/token`;
    const proof = await readProof(String(dpop), { method: 'POST', url, now });
    await useProof(db, proof);
    return proof.jkt;
  } catch (error) {
    if (!(error instanceof ProofRefused)) throw error;
    if (error.replayed) {
      const by = { tenant: { orgId: client.orgId, mode: client.mode }, actor: `client:${client.id}`, at: now };
      await recordAbuse(pool, log, { ...by, code: 'dpop_replayed', detail: error.message });
    }
    throw new OauthError('invalid_dpop_proof', `The DPoP proof is refused: ${error.message}.`);
  }
}
