import { z } from 'zod';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { SCOPES } from '../../domain/access-scopes.ts';

const Jwk = z.object({
  kty: z.string(),
  crv: z.string(),
  x: z.string(),
  kid: z.string(),
  alg: z.string(),
  use: z.string(),
});

const Metadata = z.object({
  issuer: z.string(),
  token_endpoint: z.string(),
  introspection_endpoint: z.string(),
  revocation_endpoint: z.string(),
  jwks_uri: z.string(),
  scopes_supported: z.array(z.string()),
  response_types_supported: z.array(z.string()),
  grant_types_supported: z.array(z.string()),
  token_endpoint_auth_methods_supported: z.array(z.string()),
  introspection_endpoint_auth_methods_supported: z.array(z.string()),
  revocation_endpoint_auth_methods_supported: z.array(z.string()),
  service_documentation: z.string(),
});

const AUTH_METHODS = ['client_secret_basic', 'client_secret_post'];
const open = { scope: 'public', idempotency: 'none', replay: 'none', tags: ['Access'], method: 'get' } as const;
const CACHED = { 'Cache-Control': 'public, max-age=300' };

/** Public keys (RFC 7517) and server metadata (RFC 8414). */
export function metadataRoutes({ config, signer }: ApiDeps): AnyRoute[] {
  const { publicUrl } = config;
  return [
    route({
      ...open,
      path: '/.well-known/jwks.json',
      summary: 'Public keys that verify access tokens, verdicts, events and checkpoints.',
      responses: { 200: z.object({ keys: z.array(Jwk) }) },
      handler: async () => ({ status: 200, body: { keys: [signer.publicJwk] }, headers: CACHED }),
    }),
    route({
      ...open,
      path: '/.well-known/oauth-authorization-server',
      summary: 'Metadata of the authorization server (RFC 8414).',
      responses: { 200: Metadata },
      handler: async () => ({
        status: 200,
        headers: CACHED,
        body: {
          issuer: publicUrl,
          token_endpoint: `${publicUrl}/oauth/token`,
          introspection_endpoint: `${publicUrl}/oauth/introspect`,
          revocation_endpoint: `${publicUrl}/oauth/revoke`,
          jwks_uri: `${publicUrl}/.well-known/jwks.json`,
          scopes_supported: SCOPES,
          // No authorization endpoint, hence no response types (RFC 8414 §2).
          response_types_supported: [],
          grant_types_supported: ['client_credentials'],
          token_endpoint_auth_methods_supported: AUTH_METHODS,
          introspection_endpoint_auth_methods_supported: AUTH_METHODS,
          revocation_endpoint_auth_methods_supported: AUTH_METHODS,
          service_documentation: `${publicUrl}/docs`,
        },
      }),
    }),
  ];
}
