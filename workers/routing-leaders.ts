import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { contendersOf, nextLeader } from '../src/domain/routing/success.ts';
import type { Tenant } from '../src/domain/types.ts';
import { listLedRules, passLead, readStandings } from '../src/store/routing/leaders.ts';
import { repeatEvery } from './stops.ts';

const EVERY_MS = 10_000;

/**
 * Passes the lead on under rules that go by success. Outside the hot path, and in one place: whoever plans reads who
 * leads, so that all processes agree, and two accounts that are about as good do not take turns.
 */
export function startLeaderKeeper({ pool, log }: { pool: Pool; log: Logger }): { stop(): Promise<void> } {
  return repeatEvery(EVERY_MS, async () => {
    try {
      for (const { tenant } of await listLedRules(pool)) await keepLeaders(pool, tenant, new Date());
    } catch (error) {
      log.warn({ err: error }, 'who leads in routing was not looked at; trying again');
    }
  });
}

/** Looks once at every rule of a tenant that goes by success. */
export async function keepLeaders(pool: Pool, tenant: Tenant, at: Date): Promise<void> {
  const { mids, routing, leaders } = await readStandings(pool, tenant, at);
  for (const rule of routing?.rules ?? []) {
    if (rule.strategy !== 'success_rate') continue;
    const current = leaders.find((lead) => lead.rule === rule.name);
    const to = nextLeader(contendersOf(rule, mids), current, at.getTime());
    if (to === undefined || to === current?.midId) continue;
    await passLead(pool, tenant, { rulesId: routing!.id, rule: rule.name, from: current?.midId, to, at });
  }
}
