import type { FreezeTargetKind } from '../domain/freeze.ts';
import type { Tenant } from '../domain/types.ts';
import type { Db } from './pool.ts';

/** `$1`, `$2` the tenant, `$3` the target. A merchant is whatever an intent names: it need not be known before. */
const KNOWN: Record<Exclude<FreezeTargetKind, 'organization' | 'merchant'>, string> = {
  principal: 'SELECT 1 FROM principals WHERE org_id = $1 AND mode = $2 AND id = $3',
  agent: 'SELECT 1 FROM agents WHERE org_id = $1 AND mode = $2 AND id = $3',
  processor: 'SELECT 1 FROM mids WHERE org_id = $1 AND mode = $2 AND processor = $3 LIMIT 1',
};

/** Whether the tenant has what is to be frozen. */
export async function existsInTenant(db: Db, tenant: Tenant, kind: FreezeTargetKind, target: string): Promise<boolean> {
  if (kind === 'organization' || kind === 'merchant') return true;
  const { rowCount } = await db.query(KNOWN[kind], [tenant.orgId, tenant.mode, target]);
  return rowCount !== 0;
}
