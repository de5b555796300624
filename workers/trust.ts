import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { toTypeId } from '../src/domain/ids.ts';
import { initialTrust, learn, type Outcome, type TrustState } from '../src/domain/trust-score.ts';
import type { Tenant } from '../src/domain/types.ts';
import {
  findTrustDue,
  forgetOldCounts,
  storeTrust,
  takeOutcomes,
  type TrustSubject,
} from '../src/store/agent-trust.ts';
import { recordFact } from '../src/store/facts.ts';
import { inTransaction, type Db } from '../src/store/pool.ts';

const EVERY_MS = 1_000;
const AGENTS_AT_ONCE = 100;
const OUTCOMES_AT_ONCE = 500;
const FORGET_EVERY_MS = 600_000;
const FORGET_AT_ONCE = 5_000;

export interface TrustKeeperOptions {
  pool: Pool;
  log: Logger;
  /** Milliseconds between two looks while there is nothing to do. */
  everyMs?: number;
}

/**
 * Takes in what became of the agents' intents. The rows are the outbox of the facts: they were written in the
 * transactions of the facts, and go in the transaction that learns from them, so that each counts once, whoever dies.
 */
export function startTrustKeeper({ pool, log, everyMs = EVERY_MS }: TrustKeeperOptions): { stop(): Promise<void> } {
  const state = { stopping: false, forgotten: 0 };
  let wake = () => {};
  const round = async (): Promise<boolean> => {
    const now = new Date();
    const due = await findTrustDue(pool, now, AGENTS_AT_ONCE);
    for (const { tenant, agentIds } of byTenant(due)) await keepTrust(pool, tenant, agentIds, now);
    if (now.getTime() - state.forgotten > FORGET_EVERY_MS) {
      if ((await forgetOldCounts(pool, now, FORGET_AT_ONCE)) < FORGET_AT_ONCE) state.forgotten = now.getTime();
    }
    return due.length === AGENTS_AT_ONCE;
  };
  const run = async () => {
    while (!state.stopping) {
      const more = await round().catch((error: unknown) => {
        log.warn({ err: error }, 'the trust of an agent was not kept; trying again');
        return false;
      });
      if (more) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, everyMs);
        wake = () => (clearTimeout(timer), resolve());
        if (state.stopping) wake();
      });
    }
  };
  const running = run();
  return {
    async stop() {
      state.stopping = true;
      wake();
      await running;
    },
  };
}

/** Learns from the outcomes of agents of one tenant, in one transaction, and tells of other tiers. */
export async function keepTrust(pool: Pool, tenant: Tenant, agentIds: string[], now: Date): Promise<void> {
  await inTransaction(pool, async (db) => {
    const fresh = initialTrust(now.getTime());
    const taken = await takeOutcomes(db, { tenant, agentIds, fresh }, OUTCOMES_AT_ONCE);
    const learnt = [...taken].map(([agentId, { state, outcomes }]) => ({
      agentId,
      before: state,
      outcomes,
      after: learn(state, outcomes, now.getTime()),
    }));
    await storeTrust(
      db,
      learnt.map(({ agentId, after }) => ({ agentId, ...after })),
      now,
    );
    for (const one of learnt) if (one.after.tier !== one.before.tier) await tell(db, tenant, one, now);
  });
}

interface Learnt {
  agentId: string;
  before: TrustState;
  outcomes: Outcome[];
  after: TrustState;
}

async function tell(db: Db, tenant: Tenant, { agentId, before, outcomes, after }: Learnt, now: Date): Promise<void> {
  const agent = toTypeId('agt', agentId);
  const change = { tier: after.tier, previous_tier: before.tier, score: Math.round(after.score * 10) / 10 };
  const org_id = toTypeId('org', tenant.orgId);
  const data = { org_id, agent_id: agent, ...change, timestamp: now.toISOString() };
  await recordFact(db, {
    tenant,
    at: now,
    type: 'agent.trust_changed',
    actor: 'system:trust',
    subject: agent,
    body: { ...change, outcomes: countByKind(outcomes) },
    events: [{ type: 'agent.trust_changed', subject: agent, agentId, data }],
  });
}

function byTenant(due: TrustSubject[]): { tenant: Tenant; agentIds: string[] }[] {
  const groups = new Map<string, { tenant: Tenant; agentIds: string[] }>();
  for (const { tenant, agentId } of due) {
    const key = `${tenant.orgId} ${tenant.mode}`;
    groups.set(key, { tenant, agentIds: [...(groups.get(key)?.agentIds ?? []), agentId] });
  }
  return [...groups.values()];
}

function countByKind(outcomes: { kind: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of outcomes) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
