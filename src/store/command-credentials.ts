import type { Pool } from 'pg';
import { toTypeId } from '../domain/ids.ts';
import type { Mode, Tenant } from '../domain/types.ts';
import type { Sealer } from '../trust/seal.ts';
import { insertApiKey, newApiKeySecret, revokeApiKey, type ApiKeyRow } from './api-keys.ts';
import { recordFact } from './facts.ts';
import { insertOauthClient, newClientSecret } from './oauth-clients.ts';
import { type Db, inTransaction } from './pool.ts';
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
export async function provisionClient(
  pool: Pool,
  sealer: Sealer,
  tenant: Tenant,
  { name, scopes, highTrust }: WantedCredential,
): Promise<{ clientId: string; clientSecret: string }> {
  const clientSecret = newClientSecret();
  const clientId = await inTransaction(pool, async (db) => {
    const signingSecretSealed = sealer.seal(clientSecret);
    const id = await insertOauthClient(db, {
      tenant,
      name,
      scopes,
      highTrust,
      secret: clientSecret,
      signingSecretSealed,
    });
    await record(db, tenant, 'oauth_client.created', id, { name, scopes, high_trust: highTrust });
    return id;
  });
  return { clientId, clientSecret };
}

export interface ClientLine {
  id: string;
  mode: Mode;
  name: string;
  scopes: string[];
  createdAt: Date;
  revokedAt: Date | null;
}

const COLUMNS = 'c.id, c.mode, c.name, c.scopes, c.created_at AS "createdAt", c.revoked_at AS "revokedAt"';

/** Oldest first. */
export async function listClientLines(db: Db, { orgId, mode }: Tenant): Promise<ClientLine[]> {
  const { rows } = await db.query<ClientLine>(
    `SELECT ${COLUMNS} FROM oauth_clients c WHERE c.org_id = $1 AND c.mode = $2 ORDER BY c.created_at, c.id`,
    [orgId, mode],
  );
  return rows;
}

/** Withdraws a client of either mode, with all its tokens; the first withdrawal's time stays. */
export async function withdrawClient(
  pool: Pool,
  orgId: string,
  id: string,
  reason?: string,
): Promise<ClientLine | undefined> {
  const at = new Date();
  return inBothModes(pool, orgId, async (db, tenant) => {
    const { rows } = await db.query<ClientLine>(
      `UPDATE oauth_clients c SET revoked_at = COALESCE(c.revoked_at, $4)
        WHERE c.org_id = $1 AND c.mode = $2 AND c.id = $3 RETURNING ${COLUMNS}`,
      [tenant.orgId, tenant.mode, id, at],
    );
    if (rows[0]?.revokedAt?.getTime() === at.getTime()) {
      await record(db, tenant, 'oauth_client.revoked', id, { reason: reason ?? null });
    }
    return rows[0];
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
