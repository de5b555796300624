import { NEEDS_PERSON } from '../../domain/freeze.ts';
import { toTypeId } from '../../domain/ids.ts';
import { closeUnder } from '../../store/stops/close-under.ts';
import { countUntold } from '../../store/stops/drive.ts';
import { settleStop } from '../../store/stops/settle.ts';
import type { ActivityDeps } from '../deps.ts';
import type { StopRef, StopReport } from '../types.ts';

/** As many as a person reads in the Temporal UI; the API lists all. */
const SHOWN = 50;

export async function closeStopped(deps: ActivityDeps, { tenant, stopId }: StopRef): Promise<void> {
  await closeUnder(deps.pool, tenant, stopId, () => deps.now());
}

/** How a stop stands now; confirmed, and said to whoever waits, when nothing is dangerous any more. */
export async function reviewStop(
  deps: ActivityDeps,
  { tenant, stopId }: StopRef,
  replyTo: string[],
): Promise<StopReport> {
  const view = await settleStop(deps.pool, tenant, stopId, () => deps.now());
  if (!view) throw new Error(`stop ${stopId} is missing`);
  const { stop, stillDangerous } = view;
  if (stop.status === 'confirmed') {
    const nothing = { fingerprint: '', status: 200, body: {} };
    for (const waiting of replyTo) {
      await deps.replies.announce(deps.pool, tenant, { key: stopId, replyTo: waiting }, nothing);
    }
  }
  const toVoid = stillDangerous.filter(
    ({ why }) => why === 'not_voided_yet' || why === 'void_unknown' || why === 'void_in_flight',
  );
  return {
    status: stop.status,
    lifted: stop.liftedAt !== null,
    stopped: view.stopped,
    voided: view.voided.length,
    openHolds: view.openHolds.length,
    stillDangerous: stillDangerous
      .slice(0, SHOWN)
      .map(({ paymentId, processor, why }) => ({ paymentId: toTypeId('pay', paymentId), processor, why })),
    dangers: stillDangerous.length,
    needsPerson: stillDangerous.some(({ why }) => NEEDS_PERSON.includes(why)),
    midIds: stop.voidOpen && !stop.liftedAt ? [...new Set(toVoid.flatMap(({ midId }) => midId ?? []))] : [],
    untold: await countUntold(deps.pool, stopId),
  };
}
