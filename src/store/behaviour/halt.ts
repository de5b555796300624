import type { HighEvent } from '../../domain/behaviour/window.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { Tenant } from '../../domain/types.ts';
import { newId } from '../../trust/new-id.ts';
import { setAgentSuspended, type AgentRow } from '../agents.ts';
import { recordEndOf, revokeCertificateOf } from '../certificates/revoke.ts';
import { recordFact } from '../facts.ts';
import type { Db } from '../pool.ts';
import { alsoVoid, findStopOn, insertStop, liftFreeze, type StopRow } from '../stops/begin.ts';
import { holdWatch, markHalted, markResumed } from './watch.ts';

export interface HaltOrder {
  tenant: Tenant;
  agentId: string;
  reason: string;
  actor: string;
  voidOpen: boolean;
  at: Date;
  /** The events that ended the agent's authority; absent when a person halts it. */
  trip?: HighEvent[];
}

export interface Halted {
  agent: AgentRow;
  stop: StopRow;
  /** Whether this call halted it. */
  now: boolean;
}

/**
 * Halts an agent, in the caller's transaction, which stands alone (`standAlone`): suspended, and a freeze on it in force,
 * so that nothing under it or under what it delegated on begins any more, and what waits is closed as for any freeze.
 * When its own behaviour ended it, its certificate is taken away in the same act. Repeating it changes nothing, except
 * that it may ask to void holds as well.
 * @returns `undefined` when the tenant has no such agent; a retired agent is answered as it is, without a stop
 */
export async function haltAgent(
  db: Db,
  order: HaltOrder,
): Promise<Halted | { agent: AgentRow; stop: undefined } | undefined> {
  const { tenant, agentId, reason, actor, voidOpen, at, trip } = order;
  const change = await setAgentSuspended(db, tenant, agentId, true);
  if (!change) return undefined;
  if (change.row.status === 'retired') return { agent: change.row, stop: undefined };
  // Before the stop, as by whoever lifts a halt.
  const watch = await holdWatch(db, tenant, agentId);
  const before = await findStopOn(db, tenant, { kind: 'freeze', targetKind: 'agent', target: agentId });
  const stop = await stopFor(db, order, before);
  if (watch.haltedAt !== null && (trip === undefined || watch.trip !== null))
    return { agent: change.row, stop, now: false };
  await markHalted(db, tenant, agentId, { at, by: actor, reason, stopId: before ? null : stop.id, trip: trip ?? null });
  const revoked =
    trip && (await revokeCertificateOf(db, agentId, { tenant, reason, reasonCode: 'privilegeWithdrawn', actor, at }));
  if (revoked) await recordEndOf(db, order, revoked, {});
  const subject = toTypeId('agt', agentId);
  const freeze_id = toTypeId('frz', stop.id);
  const common = {
    org_id: toTypeId('org', tenant.orgId),
    agent_id: subject,
    freeze_id,
    reason,
    timestamp: at.toISOString(),
  };
  await recordFact(db, {
    tenant,
    at,
    type: trip ? 'agent.revoked_for_behaviour' : 'agent.halted',
    actor,
    subject,
    body: {
      reason,
      freeze_id,
      void_open_authorizations: voidOpen,
      ...(trip && { events: trip.map(printed) }),
      certificates: revoked ? [toTypeId('crt', revoked.id)] : [],
    },
    events: [
      {
        type: 'agent.halted',
        subject,
        agentId,
        data: { ...common, cause: trip ? 'behaviour' : 'operator', ...(trip && { events: trip.map(printed) }) },
      },
    ],
  });
  return { agent: change.row, stop, now: true };
}

/** Ends a halt, in the caller's transaction: lifts the freeze that it had put in force. @returns that freeze */
export async function liftHalt(
  db: Db,
  { tenant, agentId, reason, actor, at }: Omit<HaltOrder, 'voidOpen' | 'trip'>,
): Promise<{ stop: StopRow | undefined } | undefined> {
  const resumed = await markResumed(db, tenant, agentId, at);
  if (!resumed) return undefined;
  const lifted =
    resumed.stopId === null ? undefined : await liftFreeze(db, tenant, { id: resumed.stopId, actor, reason, at });
  return { stop: lifted?.stop };
}

async function stopFor(db: Db, order: HaltOrder, before: StopRow | undefined): Promise<StopRow> {
  const { tenant, agentId, reason, actor, voidOpen, at } = order;
  if (before) return voidOpen && !before.voidOpen ? alsoVoid(db, before.id) : before;
  return insertStop(db, tenant, {
    id: newId(),
    kind: 'freeze',
    targetKind: 'agent',
    target: agentId,
    reason,
    actor,
    voidOpen,
    at,
  });
}

function printed({ id, occurredAtMs, points }: HighEvent) {
  return { id, occurred_at: new Date(occurredAtMs).toISOString(), risk_score: points / 100 };
}
