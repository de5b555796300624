import { findTrip, quietIn, TRIP_COUNT, type HighEvent } from '../../domain/behaviour/window.ts';
import { toTypeId } from '../../domain/ids.ts';
import { findAgent } from '../../store/agents.ts';
import { haltAgent } from '../../store/behaviour/halt.ts';
import { beginLook, findWatch, highEvents, holdWatch } from '../../store/behaviour/watch.ts';
import { inTransaction } from '../../store/pool.ts';
import { standAlone } from '../../store/stops/begin.ts';
import { closeUnder } from '../../store/stops/close-under.ts';
import type { ActivityDeps } from '../deps.ts';
import type { WatchRef, WatchReport } from './types.ts';

/** As many as a person reads in the Temporal UI; the API lists all. */
const SHOWN = 20;
const ACTOR = 'system:agent-watch';

export async function reviewWatch(deps: ActivityDeps, ref: WatchRef): Promise<WatchReport> {
  // First of all: an event that is committed after this asks for another look.
  await beginLook(deps.pool, ref.tenant, ref.agentId);
  return report(deps, ref);
}

/**
 * Looks again alone among decisions, reservations and halts, and acts on what it sees then: of however many that are told
 * to do it, the first does. What waits under the agent is closed before this returns; its workflows are told, and holds
 * looked at, by the freeze that it has put in force.
 */
export async function haltForBehaviour(deps: ActivityDeps, ref: WatchRef): Promise<WatchReport> {
  const { tenant, agentId } = ref;
  const stop = await inTransaction(deps.pool, async (db) => {
    await standAlone(db, tenant);
    const watch = await holdWatch(db, tenant, agentId);
    if (watch.trip !== null) return undefined;
    const trip = findTrip(await highEvents(db, tenant, agentId));
    if (!trip) return undefined;
    const reason = `${TRIP_COUNT} events with a risk of 0.85 or more within 15 minutes`;
    const order = {
      tenant,
      agentId,
      reason,
      actor: ACTOR,
      voidOpen: false,
      at: deps.now(),
      trip: trip.slice(0, SHOWN),
    };
    return (await haltAgent(db, order))?.stop;
  });
  const freeze = stop?.id ?? (await findWatch(deps.pool, tenant, agentId))?.stopId;
  if (freeze) {
    await closeUnder(deps.pool, tenant, freeze, () => deps.now());
    await deps.driveStop?.({ tenant, id: freeze });
    await deps.listsChanged?.();
  }
  return report(deps, ref);
}

async function report(deps: ActivityDeps, { tenant, agentId }: WatchRef): Promise<WatchReport> {
  const { pool } = deps;
  const [watch, events, agent] = await Promise.all([
    findWatch(pool, tenant, agentId),
    highEvents(pool, tenant, agentId),
    findAgent(pool, tenant, agentId),
  ]);
  const quietInMs = quietIn(events, deps.now().getTime());
  const trip = watch?.trip ?? findTrip(events) ?? [];
  const agentStatus = agent?.status ?? 'retired';
  return {
    standing: standingOf(),
    agentStatus,
    events: events.slice(0, SHOWN).map(shown),
    highEvents: events.length,
    trip: trip.slice(0, SHOWN).map(shown),
    ...(watch?.haltedAt && {
      haltedAt: watch.haltedAt.toISOString(),
      haltedBy: watch.haltedBy ?? undefined,
      haltReason: watch.haltReason ?? undefined,
    }),
    ...(watch?.stopId && { freezeId: toTypeId('frz', watch.stopId) }),
    quietInMs,
  };

  function standingOf(): WatchReport['standing'] {
    // A retired agent has lost more than a halt could take.
    if (agentStatus === 'retired') return 'quiet';
    if (trip.length > 0 && !watch?.trip) return 'tripped';
    if (watch?.haltedAt) return 'halted';
    return quietInMs > 0 ? 'watching' : 'quiet';
  }
}

function shown({ id, occurredAtMs, points }: HighEvent) {
  return { id, occurredAt: new Date(occurredAtMs).toISOString(), score: points / 100 };
}
