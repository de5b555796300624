import { toTypeId } from '../../domain/ids.ts';
import { compactEvents, tenantsWithOldEvents } from '../../store/behaviour/compact.ts';
import { recordFact } from '../../store/facts.ts';
import { inTransaction } from '../../store/pool.ts';
import type { ActivityDeps } from '../deps.ts';
import type { CompactPass } from './types.ts';

/** Events of one transaction: some hundred milliseconds, within the bound on statements. */
const CHUNK = 2_000;
/** Transactions of one pass and tenant, so that no tenant waits long for another. */
const CHUNKS = 20;
const EVERY_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** Whole days only: a day is either kept event by event or compacted, except for what arrives late. */
export async function compactBehaviour(deps: ActivityDeps): Promise<CompactPass> {
  const { pool, behaviourRetentionDays: retentionDays = 0 } = deps;
  const pass: CompactPass = { events: 0, days: 0, more: false, nextInMs: EVERY_MS, retentionDays };
  if (retentionDays === 0) return pass;
  const before = new Date(Math.floor(deps.now().getTime() / DAY_MS) * DAY_MS - retentionDays * DAY_MS);
  for (const tenant of await tenantsWithOldEvents(pool, before)) {
    let last = CHUNK;
    for (let chunk = 0; chunk < CHUNKS && last === CHUNK; chunk++) {
      last = await inTransaction(pool, async (db) => {
        const done = await compactEvents(db, tenant, before, CHUNK);
        if (done.events > 0) {
          await recordFact(db, {
            tenant,
            at: deps.now(),
            type: 'behaviour.compacted',
            actor: 'system:behaviour-compactor',
            subject: toTypeId('org', tenant.orgId),
            body: { events: done.events, occurred_before: before.toISOString() },
            events: [],
          });
        }
        pass.events += done.events;
        pass.days += done.days;
        return done.events;
      });
    }
    if (last === CHUNK) pass.more = true;
  }
  return pass;
}
