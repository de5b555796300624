import { issuerOf } from '../../trust/issuer.ts';
import { KEYS_MAX_AGE_SECONDS } from '../../trust/signing.ts';
import { signTrustList, type TrustedIssuer } from '../../trust/trust-list.ts';
import type { ApiDeps } from '../deps.ts';
import { route, type AnyRoute } from '../route.ts';

/** Whoever's signatures count here: this installation with every key that it publishes, and those that were configured. */
export function issuersOf({ config, signer, trustedIssuers = [] }: ApiDeps): TrustedIssuer[] {
  const { publicUrl, PROKURA_ISSUER: issuer } = config;
  const own = { issuer: issuerOf({ issuer, publicUrl }), jwks_uri: `${publicUrl}/.well-known/jwks.json` };
  return [{ ...own, keys: [...signer.publicJwks] }, ...trustedIssuers];
}

/** `/.well-known/trust-list`: signed anew as often as verifiers come back for it. */
export function trustListRoute(deps: ApiDeps): AnyRoute {
  const { config, signer } = deps;
  let published: { jws: string; until: number } | undefined;
  return route({
    method: 'get',
    path: '/.well-known/trust-list',
    summary: 'Issuers and keys that are trusted here, as a signed list (compact JWS).',
    tags: ['Access'],
    scope: 'public',
    idempotency: 'none',
    replay: 'none',
    responses: { 200: { description: 'Compact JWS, typ trust-list+jwt', contentType: 'application/jose' } },
    handler: async () => {
      const now = new Date();
      if (!published || published.until <= now.getTime()) {
        const issuer = issuerOf({ issuer: config.PROKURA_ISSUER, publicUrl: config.publicUrl });
        const jws = await signTrustList(signer, { issuer, issuers: issuersOf(deps), now });
        published = { jws, until: now.getTime() + KEYS_MAX_AGE_SECONDS * 1_000 };
      }
      return {
        status: 200,
        body: published.jws,
        contentType: 'application/jose',
        headers: { 'Cache-Control': `public, max-age=${KEYS_MAX_AGE_SECONDS}` },
      };
    },
  });
}
