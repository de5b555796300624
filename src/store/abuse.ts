import type { Logger } from 'pino';
import { toTypeId } from '../domain/ids.ts';
import type { Tenant } from '../domain/types.ts';
import { recordFact } from './facts.ts';
import type { Db } from './pool.ts';

/** One entry per organization, actor and code in this time: whoever attacks must not be able to fill the audit trail. */
const QUIET_MS = 60_000;
const REMEMBERED_LIMIT = 10_000;

export interface Abuse {
  tenant: Tenant;
  /** Whose credential it was: `api_key:key_…`, `client:…`. */
  actor: string;
  /** Stable: what was tried, such as `nonce_reused`, `alg_none`, `wrong_audience`. */
  code: string;
  detail: string;
  /** TypeID of what it was tried on; the organization when there is nothing narrower. */
  subject?: string;
  at: Date;
}

const recent = new Map<string, number>();

/**
 * Writes what smells of abuse into the audit trail (`security.abuse`), outside of the refused request's transaction,
 * which is rolled back. Never throws: a refusal stays a refusal when it cannot be recorded.
 */
export async function recordAbuse(db: Db, log: Logger, abuse: Abuse): Promise<void> {
  const { tenant, actor, code, at } = abuse;
  const name = `${tenant.orgId}:${tenant.mode}:${actor}:${code}`;
  if ((recent.get(name) ?? 0) > at.getTime() - QUIET_MS) return;
  if (recent.size >= REMEMBERED_LIMIT) recent.clear();
  recent.set(name, at.getTime());
  try {
    await recordFact(db, {
      tenant,
      at,
      type: 'security.abuse',
      actor,
      subject: abuse.subject ?? toTypeId('org', tenant.orgId),
      body: { code, detail: abuse.detail },
      events: [],
    });
  } catch (error) {
    recent.delete(name);
    log.warn({ err: error, code }, 'abuse could not be recorded');
  }
}
