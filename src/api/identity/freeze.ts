import { toTypeId } from '../../domain/ids.ts';
import type { FreezeTargetKind } from '../../domain/freeze.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordFact } from '../../store/facts.ts';
import { existsInTenant } from '../../store/freezes.ts';
import type { Db } from '../../store/pool.ts';
import { alsoVoid, findStopOn, insertStop, liftFreeze, type StopRow } from '../../store/stops/begin.ts';
import { newId } from '../../trust/new-id.ts';
import { targetText } from '../lifecycle/stops.ts';
import { found, notFound } from '../not-found.ts';

export interface FreezeOrder {
  tenant: Tenant;
  targetKind: FreezeTargetKind;
  /** A UUID, the merchant's reference or the processor's name. */
  target: string;
  /** The member of the request that named it. */
  member: string;
  reason: string;
  actor: string;
  voidOpen: boolean;
  at: Date;
}

/**
 * Puts a freeze in force, in the caller's transaction; the one that is in force on the target already is answered
 * instead, and voids from now on if this request asks for it.
 * @throws Problem `not_found`
 */
export async function beginFreeze(db: Db, order: FreezeOrder): Promise<StopRow> {
  const { tenant, targetKind, target, reason, actor, voidOpen, at } = order;
  if (!(await existsInTenant(db, tenant, targetKind, target))) throw notFound(targetKind, order.member);
  const before = await findStopOn(db, tenant, { kind: 'freeze', targetKind, target });
  if (before && (before.voidOpen || !voidOpen)) return before;
  const stop = before
    ? await alsoVoid(db, before.id)
    : await insertStop(db, tenant, { id: newId(), kind: 'freeze', targetKind, target, reason, actor, voidOpen, at });
  const agent = targetKind === 'agent' ? toTypeId('agt', target) : undefined;
  const body = { target: { kind: targetKind, id: targetText(stop) }, reason, void_open_authorizations: voidOpen };
  const freeze_id = toTypeId('frz', stop.id);
  await recordFact(db, {
    tenant,
    at,
    type: before ? 'identity.void_requested' : 'identity.frozen',
    actor,
    subject: freeze_id,
    body,
    events:
      agent && !before
        ? [
            {
              type: 'agent.halted',
              subject: agent,
              agentId: target,
              data: {
                org_id: toTypeId('org', tenant.orgId),
                agent_id: agent,
                freeze_id,
                reason,
                timestamp: at.toISOString(),
              },
            },
          ]
        : [],
  });
  return stop;
}

/** Lifts a freeze; what it has cancelled stays cancelled, and other freezes stay in force. Repeating it changes nothing. */
export async function lift(
  db: Db,
  tenant: Tenant,
  order: { id: string; actor: string; reason: string; at: Date },
): Promise<StopRow> {
  const { stop, now } = found(await liftFreeze(db, tenant, order), 'freeze', 'freeze_id');
  if (now) {
    await recordFact(db, {
      tenant,
      at: order.at,
      type: 'identity.unfrozen',
      actor: order.actor,
      subject: toTypeId('frz', stop.id),
      body: { target: { kind: stop.targetKind, id: targetText(stop) }, reason: order.reason },
      events: [],
    });
  }
  return stop;
}
