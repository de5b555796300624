import type { Pool } from 'pg';
import { toTypeId } from '../domain/ids.ts';
import type { Mode, Tenant } from '../domain/types.ts';
import type { Sealer } from '../trust/seal.ts';
import { recordFact } from './facts.ts';
import { type FullAccess, issueFullAccess } from './full-access.ts';
import { insertMid, type MidRow, type NewMid } from './mids.ts';
import { createOrganization } from './organizations.ts';
import { type Db, inTransaction } from './pool.ts';

/** Whoever works at the machine: the command has no credential of its own. */
export const COMMAND_ACTOR = 'system:command';

/** A new organization with its first credentials, in one commit that the audit trail of `mode` begins with. */
export async function provisionOrganization(
  pool: Pool,
  sealer: Sealer,
  { name, mode }: { name: string; mode: Mode },
): Promise<FullAccess & { orgId: string }> {
  return inTransaction(pool, async (db) => {
    const orgId = await createOrganization(db, { name });
    const tenant: Tenant = { orgId, mode };
    const access = await issueFullAccess(db, sealer, { tenant, name: 'first' });
    await recordFact(db, {
      tenant,
      at: new Date(),
      type: 'organization.created',
      actor: COMMAND_ACTOR,
      subject: toTypeId('org', orgId),
      body: { name, api_key: toTypeId('key', access.apiKeyId), oauth_client: access.clientId },
      events: [],
    });
    return { orgId, ...access };
  });
}

/**
 * A new account at a processor, its credential sealed; routing asks it from the commit on.
 * @throws an error that {@link isAccountTaken} knows when the tenant has this processor and MID already
 */
export async function provisionAccount(
  pool: Pool,
  sealer: Sealer,
  tenant: Tenant,
  { apiKey, ...account }: Omit<NewMid, 'apiKeySealed'> & { apiKey: string },
): Promise<MidRow> {
  return inTransaction(pool, async (db) => {
    const row = await insertMid(db, tenant, { ...account, apiKeySealed: sealer.seal(apiKey) });
    await recordFact(db, {
      tenant,
      at: new Date(),
      type: 'processor_account.added',
      actor: COMMAND_ACTOR,
      subject: toTypeId('mid', row.id),
      body: {
        processor: row.processor,
        mid: row.mid,
        kind: row.kind,
        priority: row.priority,
        currencies: row.currencies,
        base_url: account.baseUrl,
      },
      events: [],
    });
    return row;
  });
}

export function isAccountTaken(error: unknown): boolean {
  return (error as { constraint?: string }).constraint === 'mids_org_id_mode_processor_mid_key';
}

/** Any value of this database that the data key has sealed: whoever cannot open it holds another key. */
export async function findSealedValue(db: Db): Promise<string | undefined> {
  const { rows } = await db.query<{ sealed: string }>(
    `(SELECT api_key_sealed AS sealed FROM mids LIMIT 1) UNION ALL
     (SELECT signing_secret_sealed FROM oauth_clients WHERE signing_secret_sealed IS NOT NULL LIMIT 1) LIMIT 1`,
  );
  return rows[0]?.sealed;
}
