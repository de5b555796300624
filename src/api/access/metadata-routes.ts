import { z } from 'zod';
import { didWebOf } from '../../trust/issuer.ts';
import { KEYS_MAX_AGE_SECONDS, type Signer } from '../../trust/signing.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';
import { SCOPES } from '../../domain/access-scopes.ts';
import { AUTH_METHODS } from './client-authentication.ts';
import { DPOP_ALGS } from './dpop.ts';
import { SIGNING_ALGS } from './signed-jwt.ts';
import { GRANT_TYPES } from './token-routes.ts';

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
  token_endpoint_auth_signing_alg_values_supported: z.array(z.string()),
  introspection_endpoint_auth_methods_supported: z.array(z.string()),
  introspection_endpoint_auth_signing_alg_values_supported: z.array(z.string()),
  revocation_endpoint_auth_methods_supported: z.array(z.string()),
  revocation_endpoint_auth_signing_alg_values_supported: z.array(z.string()),
  dpop_signing_alg_values_supported: z.array(z.string()),
  service_documentation: z.string(),
});

const DidDocument = z.looseObject({
  id: z.string(),
  verificationMethod: z.array(
    z.object({ id: z.string(), type: z.string(), controller: z.string(), publicKeyJwk: Jwk }),
  ),
  assertionMethod: z.array(z.string()),
});

/** DID Core §5: every published key may have made a statement that still counts. */
function didDocument(publicUrl: string, { publicJwks }: Pick<Signer, 'publicJwks'>): z.input<typeof DidDocument> {
  const id = didWebOf(publicUrl);
  return {
    '@context': ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/suites/jws-2020/v1'],
    id,
    verificationMethod: publicJwks.map((jwk) => ({
      id: `${id}#${jwk.kid}`,
      type: 'JsonWebKey2020',
      controller: id,
      publicKeyJwk: jwk as z.input<typeof Jwk>,
    })),
    assertionMethod: publicJwks.map(({ kid }) => `${id}#${kid}`),
  };
}

const open = { scope: 'public', idempotency: 'none', replay: 'none', tags: ['Access'], method: 'get' } as const;
const CACHED = { 'Cache-Control': `public, max-age=${KEYS_MAX_AGE_SECONDS}` };

/** Public keys (RFC 7517) and server metadata (RFC 8414). */
export function metadataRoutes({ config, signer }: ApiDeps): AnyRoute[] {
  const { publicUrl } = config;
  return [
    route({
      ...open,
      path: '/.well-known/jwks.json',
      summary: 'Public keys that verify access tokens, verdicts, events and checkpoints.',
      responses: { 200: z.object({ keys: z.array(Jwk) }) },
      handler: async () => ({ status: 200, body: { keys: [...signer.publicJwks] }, headers: CACHED }),
    }),
    route({
      ...open,
      path: '/.well-known/did.json',
      summary: 'The DID document of this installation, the `did:web` that verdicts name as their issuer.',
      responses: { 200: DidDocument },
      handler: async () => ({ status: 200, body: didDocument(publicUrl, signer), headers: CACHED }),
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
          grant_types_supported: GRANT_TYPES,
          token_endpoint_auth_methods_supported: AUTH_METHODS,
          token_endpoint_auth_signing_alg_values_supported: SIGNING_ALGS,
          introspection_endpoint_auth_methods_supported: AUTH_METHODS,
          introspection_endpoint_auth_signing_alg_values_supported: SIGNING_ALGS,
          revocation_endpoint_auth_methods_supported: AUTH_METHODS,
          revocation_endpoint_auth_signing_alg_values_supported: SIGNING_ALGS,
          dpop_signing_alg_values_supported: DPOP_ALGS,
          service_documentation: `${publicUrl}/docs`,
        },
      }),
    }),
  ];
}
