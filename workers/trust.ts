import type { Pool } from 'pg';
import type { Logger } from 'pino';
import { toTypeId } from '../src/domain/ids.ts';
import { initialTrust, learn } from '../src/domain/trust-score.ts';
import {
  findTrustDue,
  forgetOldCounts,
  storeTrust,
  takeOutcomes,
  type TrustSubject,
} from '../src/store/agent-trust.ts';
import { recordFact } from '../src/store/facts.ts';
import { inTransaction } from '../src/store/pool.ts';

const EVERY_MS = 500;
const AGENTS_AT_ONCE = 50;
const OUTCOMES_AT_ONCE = 200;
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
    for (const subject of due) await keepTrust(pool, subject, now);
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

/** Learns from the outcomes of one agent, and tells of another tier. */
export async function keepTrust(pool: Pool, subject: TrustSubject, now: Date): Promise<void> {
  const { tenant, agentId } = subject;
  await inTransaction(pool, async (db) => {
    const { state, outcomes } = await takeOutcomes(db, subject, initialTrust(now.getTime()), OUTCOMES_AT_ONCE);
    const learnt = learn(state, outcomes, now.getTime());
    await storeTrust(db, agentId, learnt, now);
    if (learnt.tier === state.tier) return;
    const agent = toTypeId('agt', agentId);
    const change = { tier: learnt.tier, previous_tier: state.tier, score: Math.round(learnt.score * 10) / 10 };
    await recordFact(db, {
      tenant,
      at: now,
      type: 'agent.trust_changed',
      actor: 'system:trust',
      subject: agent,
      body: { ...change, outcomes: countByKind(outcomes) },
      events: [
        {
          type: 'agent.trust_changed',
          subject: agent,
          agentId,
          data: {
            org_id: toTypeId('org', tenant.orgId),
            agent_id: agent,
            ...change,
            timestamp: now.toISOString(),
          },
        },
      ],
    });
  });
}

function countByKind(outcomes: { kind: string }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of outcomes) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
