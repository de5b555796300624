import { generateKeyPairSync } from 'node:crypto';
import { sealAudit, type SealDeps } from '../../src/activities/audit/seal.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import type { Mode, Tenant } from '../../src/domain/types.ts';
import { recordFact } from '../../src/store/facts.ts';
import { createOrganization } from '../../src/store/organizations.ts';
import { listAudit, trailEntry, type SealingKeys } from '../../src/store/audit.ts';
import { entryHash } from '../../src/trust/audit-entry.ts';
import { sealingKeys } from '../../src/trust/checkpoint.ts';
import { createSigner, type Signer } from '../../src/trust/signing.ts';
import { createTestDatabase, type TestDatabase } from '../setup/database.ts';

/** @param former keys that only verify */
export const newSigner = (...former: Signer[]): Promise<Signer> => {
  const own = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  return createSigner(JSON.stringify({ keys: [own, ...former.map(({ publicJwk }) => publicJwk)] }));
};

export const keysOf = (...signers: Signer[]): SealingKeys =>
  new Map(signers.flatMap((signer) => [...sealingKeys(signer)]));

export interface TrailRig {
  database: TestDatabase;
  signer: Signer;
  sealer: SealDeps;
  organization(mode?: Mode): Promise<Tenant>;
  /** Records so many facts. */
  grow(tenant: Tenant, count: number): Promise<void>;
  seal(): ReturnType<typeof sealAudit>;
  /** As somebody with every right in the database: no trigger runs. */
  tamper(...statements: string[]): Promise<void>;
}

/** Audit trails on a real database, with a sealer that is called by hand. */
export async function createTrailRig(): Promise<TrailRig> {
  const database = await createTestDatabase();
  const signer = await newSigner();
  const { pool } = database;
  const sealer: SealDeps = { pool, signer, publicUrl: 'https://api.example', now: () => new Date() };
  return {
    database,
    signer,
    sealer,
    organization: async (mode = 'test') => ({ orgId: await createOrganization(pool, { name: 'Trail' }), mode }),
    async grow(tenant, count) {
      for (let i = 0; i < count; i++) {
        await recordFact(pool, {
          tenant,
          at: new Date(),
          type: 'test.happened',
          actor: 'api_key:key_test',
          subject: toTypeId('org', tenant.orgId),
          body: { i, text: 'naïve ☂', nested: { b: 1, a: [1.5, null] } },
          events: [],
        });
      }
    },
    seal: () => sealAudit(sealer),
    async tamper(...statements) {
      const client = await pool.connect();
      try {
        await client.query('BEGIN');
        await client.query('SET LOCAL session_replication_role = replica');
        for (const statement of statements) await client.query(statement);
        await client.query('COMMIT');
      } finally {
        client.release();
      }
    },
  };
}

/** Rewrites the chain from an entry on so that every hash and link holds again, the head included: the work of an insider. */
export async function rewriteChain(rig: TrailRig, { orgId, mode }: Tenant, from: number): Promise<void> {
  const tenant = { orgId, mode };
  const rows = await listAudit(rig.database.pool, tenant, { order: 'asc', after: from - 2, limit: 10_000 });
  const where = `org_id = '${orgId}' AND mode = '${mode}'`;
  let previous = from === 1 ? '0'.repeat(64) : rows.shift()!.entryHash;
  const statements: string[] = [];
  for (const row of rows) {
    const { sequence: seq, ...entry } = trailEntry(row, toTypeId('org', orgId));
    const hash = entryHash({ ...entry, seq, prev_hash: previous });
    statements.push(
      `UPDATE audit_entries SET prev_hash = '${previous}', entry_hash = '${hash}' WHERE ${where} AND seq = ${seq}`,
    );
    previous = hash;
  }
  statements.push(`UPDATE audit_heads SET hash = '${previous}', seq = ${rows.at(-1)!.seq} WHERE ${where}`);
  await rig.tamper(...statements);
}
