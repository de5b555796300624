import type { JWK } from 'jose';
import type { Tenant } from '../domain/types.ts';
import type { Sealer } from '../trust/seal.ts';
import { recordFact } from './facts.ts';
import { insertOauthClient, newClientSecret } from './oauth-clients.ts';
import type { Db } from './pool.ts';

export interface WantedClient {
  name: string;
  scopes: string[];
  /** Public keys to authenticate by; without them the client gets a secret. */
  jwks?: { keys: JWK[] };
  highTrust?: boolean;
  dpopBound?: boolean;
}

/**
 * A new OAuth client with its audit entry, in the caller's transaction.
 * @param actor who makes it, as the audit trail names it
 * @returns the id, and the secret in clear: this is the only moment at which it can be shown
 */
export async function provisionClient(
  db: Db,
  sealer: Sealer,
  tenant: Tenant,
  { actor, at, ...wanted }: WantedClient & { actor: string; at: Date },
): Promise<{ clientId: string; clientSecret?: string }> {
  const clientSecret = wanted.jwks ? undefined : newClientSecret();
  const clientId = await insertOauthClient(db, {
    ...wanted,
    tenant,
    secret: clientSecret,
    signingSecretSealed: clientSecret === undefined ? undefined : sealer.seal(clientSecret),
  });
  await recordFact(db, {
    tenant,
    at,
    type: 'oauth_client.created',
    actor,
    subject: clientId,
    body: {
      name: wanted.name,
      scopes: wanted.scopes,
      auth_method: wanted.jwks ? 'private_key_jwt' : 'client_secret',
      high_trust: wanted.highTrust ?? false,
      dpop_bound_access_tokens: wanted.dpopBound ?? false,
    },
    events: [],
  });
  return { clientId, clientSecret };
}
