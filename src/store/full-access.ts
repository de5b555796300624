import { SCOPES } from '../domain/access-scopes.ts';
import type { Tenant } from '../domain/types.ts';
import type { Sealer } from '../trust/seal.ts';
import { insertApiKey, newApiKeySecret } from './api-keys.ts';
import { insertOauthClient, newClientSecret } from './oauth-clients.ts';
import type { Db } from './pool.ts';

/** Credentials in clear: this is the only moment at which they can be shown. */
export interface FullAccess {
  apiKeyId: string;
  apiKey: string;
  clientId: string;
  clientSecret: string;
}

/** An API key and an OAuth client, both of every scope: what a new organization makes its narrower ones with. */
export async function issueFullAccess(
  db: Db,
  sealer: Sealer,
  { tenant, name }: { tenant: Tenant; name: string },
): Promise<FullAccess> {
  const apiKey = newApiKeySecret(tenant.mode);
  const { id: apiKeyId } = await insertApiKey(db, { tenant, name, scopes: [...SCOPES], secret: apiKey });
  const clientSecret = newClientSecret();
  const clientId = await insertOauthClient(db, {
    tenant,
    name,
    scopes: [...SCOPES],
    secret: clientSecret,
    signingSecretSealed: sealer.seal(clientSecret),
  });
  return { apiKeyId, apiKey, clientId, clientSecret };
}
