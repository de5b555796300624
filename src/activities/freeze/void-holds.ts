import { isNotDone } from '../../domain/failures.ts';
import type { OperationStep } from '../../domain/messages.ts';
import { toTypeId } from '../../domain/ids.ts';
import { findOperation } from '../../store/payments/read.ts';
import { reserveFollowUp } from '../../store/payments/reserve.ts';
import { findStop, type StopRow } from '../../store/stops/begin.ts';
import { findHolds, type HoldToVoid } from '../../store/stops/drive.ts';
import { newId } from '../../trust/new-id.ts';
import type { ActivityDeps } from '../deps.ts';
import { perform } from '../money/perform.ts';
import { resolveOperation } from '../money/resolve.ts';
import type { LaneReport, StopRef } from '../types.ts';
import { beating, parallel } from './parallel.ts';

/**
 * Calls to one account at once: fewer than connections to the database, which others need as well. Each account has a lane
 * of its own: one that hangs holds up no other.
 */
const WIDTH = 6;
const BATCH = 200;

/**
 * Voids the holds of a stop at one account, directly and not through their lifecycles: reserve, send, record, as every
 * operation. A void whose outcome is unknown is asked about, never sent as another one. The pass ends at the first call
 * that is not answered: the account hangs, and the others would only wait as well.
 */
export async function voidHolds(
  deps: ActivityDeps,
  ref: StopRef,
  midId: string,
  probing: boolean,
): Promise<LaneReport> {
  const { tenant, stopId } = ref;
  const stop = await findStop(deps.pool, tenant, stopId);
  if (!stop) throw new Error(`stop ${stopId} is missing`);
  // Longer ago than a sender takes for the call and its question afterwards: nobody will record it any more.
  const sentBefore = new Date(deps.now().getTime() - 3 * deps.processorTimeoutMs);
  const report: LaneReport = { tried: 0, stuck: false, absent: false };
  await beating(async () => {
    const holds = await findHolds(deps.pool, stopId, midId, { sentBefore, probing, limit: probing ? 1 : BATCH });
    await parallel(
      holds,
      WIDTH,
      async (hold) => {
        const how = hold.operationId
          ? await askAbout(deps, ref, hold.paymentId, hold.operationId)
          : await voidHold(deps, ref, stop, hold);
        report.tried++;
        report.stuck ||= how === 'unanswered';
        report.absent ||= how === 'absent';
      },
      () => report.stuck,
    );
  });
  return report;
}

type How = 'known' | 'absent' | 'unanswered';

/** A void whose outcome is open: asked about once, and what is said is recorded. */
async function askAbout(
  deps: ActivityDeps,
  { tenant, visibilityLagMs }: StopRef,
  paymentId: string,
  operationId: string,
): Promise<How> {
  const step = await resolveOperation(deps, { tenant, paymentId, operationId, visibilityLagMs });
  if (!isOpen(step)) return 'known';
  const view = await findOperation(deps.pool, tenant, operationId);
  return view?.operation.absent_since == null ? 'unanswered' : 'absent';
}

/** A hold that nobody is voiding. One that cannot be voided any more, or not now, is left to the next look. */
async function voidHold(
  deps: ActivityDeps,
  { tenant }: StopRef,
  stop: StopRow,
  { paymentId }: HoldToVoid,
): Promise<How> {
  const operationId = newId();
  const at = deps.now();
  const reserved = await reserveFollowUp(deps.pool, 'void', {
    tenant,
    paymentId,
    operationId,
    amountMinor: null,
    final: true,
    // Nobody waits under a key; it names the request in the payment's own books.
    key: newId(),
    fingerprint: `void of ${toTypeId('pay', paymentId)}`,
    at,
  });
  if (!reserved) return 'known';
  const step = await perform(deps, {
    tenant,
    payment: reserved.payment,
    account: reserved.account,
    id: operationId,
    type: 'void',
    amountMinor: reserved.amountMinor,
    attempt: 1,
    final: true,
    sentAt: at,
    actor: stop.actor,
  });
  const notDone = step.kind === 'failed' && isNotDone(step.class);
  return notDone || isOpen(step) ? 'unanswered' : 'known';
}

function isOpen({ kind }: OperationStep): boolean {
  return kind === 'unknown' || kind === 'pending';
}
