import { randomBytes } from 'node:crypto';
import { toTypeId } from '../domain/ids.ts';
import type { Tenant } from '../domain/types.ts';
import { createSealer } from '../trust/seal.ts';
import { recordFact } from './facts.ts';
import { issueFullAccess } from './full-access.ts';
import { insertMid } from './mids.ts';
import { createOrganization } from './organizations.ts';
import { activatePolicy, insertPolicy } from './policies.ts';
import { createPool, inTransaction } from './pool.ts';

export interface DemoCredentials {
  org_id: string;
  api_key: string;
  client_id: string;
  client_secret: string;
}

const CURRENCIES = 'AED AUD BHD BRL CAD CHF CLP CZK DKK EUR GBP HUF INR JPY KRW KWD MXN NOK NZD PLN SEK SGD USD ZAR';

/** Wide enough that a demonstration is stopped by what it means to show, not by a limit that it forgot. */
const RULES = {
  max_amount: 100_000_000,
  currencies: CURRENCIES.split(' '),
  velocity: { window: '1h', max: 1_000 },
};

/**
 * One organization in test mode with everything a lifecycle needs: credentials of every scope, two accounts at the
 * simulator (`alpha` is asked before `beta`), and an active policy. Each call makes another organization.
 */
export async function seedDemo(
  databaseUrl: string,
  { simulatorUrl, dataKey }: { simulatorUrl: string; dataKey: string },
): Promise<DemoCredentials> {
  const sealer = createSealer(dataKey);
  const pool = createPool(databaseUrl, 1);
  try {
    return await inTransaction(pool, async (db) => {
      const orgId = await createOrganization(db, { name: 'Demo' });
      const tenant: Tenant = { orgId, mode: 'test' };
      const access = await issueFullAccess(db, sealer, { tenant, name: 'demo' });
      for (const [processor, priority] of [
        ['alpha', 10],
        ['beta', 20],
      ] as const) {
        await insertMid(db, tenant, {
          processor,
          mid: `${processor}-demo`,
          kind: 'simulator',
          priority,
          baseUrl: simulatorUrl,
          apiKeySealed: sealer.seal(`sk_${processor}_${randomBytes(12).toString('hex')}`),
        });
      }
      const policy = await insertPolicy(db, tenant, { name: 'demo', rules: RULES });
      const at = new Date();
      await activatePolicy(db, tenant, policy.id, at);
      await recordFact(db, {
        tenant,
        at,
        type: 'organization.seeded',
        actor: 'system:demo-seed',
        subject: toTypeId('org', orgId),
        body: { policy: toTypeId('pol', policy.id), processors: ['alpha', 'beta'] },
        events: [],
      });
      return {
        org_id: toTypeId('org', orgId),
        api_key: access.apiKey,
        client_id: access.clientId,
        client_secret: access.clientSecret,
      };
    });
  } finally {
    await pool.end();
  }
}
