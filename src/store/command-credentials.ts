import type { Pool } from 'pg';
import { toTypeId } from '../domain/ids.ts';
import type { Tenant } from '../domain/types.ts';
import type { Sealer } from '../trust/seal.ts';
import { insertApiKey, newApiKeySecret, revokeApiKey, type ApiKeyRow } from './api-keys.ts';
import { recordFact } from './facts.ts';
import { disableClient, findClient, type ClientRecord } from './oauth-client-records.ts';
import { newClientSecret } from './oauth-clients.ts';
import { type Db, inTransaction } from './pool.ts';
import { provisionClient } from './provision-client.ts';
import { COMMAND_ACTOR } from './provisioning.ts';

/** What is wanted of a credential that the command makes; it has no scopes of its own to give them from. */
export interface WantedCredential {
  name: string;
  scopes: string[];
  highTrust: boolean;
  expiresAt?: Date | undefined;
}

/** An API key with its text in clear, and the signing secret of a high-trust one: the only moment to show them. */
export async function provisionApiKey(
  pool: Pool,
  sealer: Sealer,
  tenant: Tenant,
  wanted: WantedCredential,
): Promise<{ key: ApiKeyRow; secret: string; signingSecret: string | undefined }> {
  const secret = newApiKeySecret(tenant.mode);
  const signingSecret = wanted.highTrust ? newClientSecret() : undefined;
  const key = await inTransaction(pool, async (db) => {
    const row = await insertApiKey(db, {
      ...wanted,
      tenant,
      secret,
      signingSecretSealed: signingSecret && sealer.seal(signingSecret),
    });
    const { name, scopes, highTrust } = wanted;
    await record(db, tenant, 'api_key.created', toTypeId('key', row.id), { name, scopes, high_trust: highTrust });
    return row;
  });
  return { key, secret, signingSecret };
}

/** Withdraws a key of either mode. @returns the key; `undefined` when the organization has none of this id */
export async function withdrawApiKey(
  pool: Pool,
  orgId: string,
  id: string,
  reason?: string,
): Promise<ApiKeyRow | undefined> {
  const at = new Date();
  return inBothModes(pool, orgId, async (db, tenant) => {
    const row = await revokeApiKey(db, tenant, id, at, reason);
    if (row?.revokedAt?.getTime() === at.getTime()) {
      await record(db, tenant, 'api_key.revoked', toTypeId('key', id), { reason: reason ?? null });
    }
    return row;
  });
}

/** An OAuth client with its secret in clear: the only moment to show it. */
export async function provisionSecretClient(
  pool: Pool,
  sealer: Sealer,
  tenant: Tenant,
  { name, scopes, highTrust }: WantedCredential,
): Promise<{ clientId: string; clientSecret: string }> {
  const wanted = { name, scopes, highTrust, actor: COMMAND_ACTOR, at: new Date() };
  const { clientId, clientSecret } = await inTransaction(pool, (db) => provisionClient(db, sealer, tenant, wanted));
  return { clientId, clientSecret: clientSecret! };
}

/** Withdraws a client of either mode, with all its tokens; the first withdrawal's time stays. */
export async function withdrawClient(
  pool: Pool,
  orgId: string,
  id: string,
  reason?: string,
): Promise<ClientRecord | undefined> {
  return inBothModes(pool, orgId, async (db, tenant) => {
    if (await disableClient(db, tenant, id, new Date())) {
      await record(db, tenant, 'oauth_client.disabled', id, { reason: reason ?? null });
    }
    return findClient(db, tenant, id);
  });
}

/** One transaction that tries test, then live. */
async function inBothModes<T>(
  pool: Pool,
  orgId: string,
  work: (db: Db, tenant: Tenant) => Promise<T | undefined>,
): Promise<T | undefined> {
  return inTransaction(
    pool,
    async (db) => (await work(db, { orgId, mode: 'test' })) ?? (await work(db, { orgId, mode: 'live' })),
  );
}

async function record(db: Db, tenant: Tenant, type: string, subject: string, body: object): Promise<void> {
  await recordFact(db, { tenant, at: new Date(), type, actor: COMMAND_ACTOR, subject, body, events: [] });
}
