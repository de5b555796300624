import { toTypeId } from '../../domain/ids.ts';
import { isDisputeOver } from '../../domain/payment/dispute.ts';
import type { DisputeOutcome } from '../../processors/port.ts';
import { endAct, hasWaitingAct } from '../../store/disputes/acts.ts';
import { holdMore, moveDispute } from '../../store/disputes/move.ts';
import { findDispute, type DisputeView } from '../../store/disputes/read.ts';
import type { ActRow, DisputeRow } from '../../store/disputes/row.ts';
import { lockDispute, tellDispute } from '../../store/disputes/tell.ts';
import { recordFact } from '../../store/facts.ts';
import { inTransaction } from '../../store/pool.ts';
import type { ActivityDeps } from '../deps.ts';
import { openedAccount } from '../money/send.ts';
import type { DisputeRef, DisputeStanding } from './types.ts';

/**
 * One look at a dispute: whatever waits for its processor is sent under its own key, so that it may be sent again; then
 * the deadline is looked at, which ends what nobody has answered. The row says how it stands.
 */
export async function followDispute(deps: ActivityDeps, ref: DisputeRef): Promise<DisputeStanding> {
  const view = await findDispute(deps.pool, ref.tenant, ref.disputeId);
  if (!view) throw new Error(`dispute ${ref.disputeId} is missing`);
  const act = view.acts.find(({ status }) => status === 'waiting');
  if (act) await settleAct(deps, view, act, await sendAct(deps, view, act));
  return lookAgain(deps, ref);
}

async function sendAct(deps: ActivityDeps, { dispute, account }: DisputeView, act: ActRow): Promise<DisputeOutcome> {
  const port = deps.processors[account.kind]?.disputes;
  if (!port) return { status: 'refused', code: 'at_the_processor_only' };
  const request = {
    account: openedAccount(deps, account),
    processorDisputeId: dispute.processor_dispute_id,
    actId: act.id,
    timeoutMs: deps.processorTimeoutMs,
  };
  return act.kind === 'accept' ? port.accept(request) : port.submitEvidence({ ...request, evidence: act.body });
}

/** Records what the processor said to an act, and follows the dispute as it told it to be now. */
async function settleAct(
  deps: ActivityDeps,
  { dispute }: DisputeView,
  act: ActRow,
  said: DisputeOutcome,
): Promise<void> {
  if (said.status === 'unanswered') return;
  const at = deps.now();
  const tenant = { orgId: dispute.org_id, mode: dispute.mode };
  await inTransaction(deps.pool, async (db) => {
    await lockDispute(db, tenant, dispute.id);
    const [status, answer] = said.status === 'taken' ? ['taken' as const, null] : ['refused' as const, said.code];
    if (!(await endAct(db, act.id, status, answer, at))) return;
    await recordFact(db, {
      tenant,
      at,
      type: `payment.dispute_${act.kind}_${status}`,
      actor: act.actor,
      subject: toTypeId('pay', dispute.payment_id),
      body: { dispute_id: toTypeId('dsp', dispute.id), act_id: act.id, answer },
      events: [],
    });
    if (said.status !== 'taken') return;
    const { status: now, reason, amountMinor, currency, evidenceDueAt } = said.dispute;
    const news = {
      processorDisputeId: dispute.processor_dispute_id,
      paymentId: dispute.payment_id,
      processor: dispute.processor,
      status: now,
      reason,
      amountMinor,
      currency,
      evidenceDueAt: evidenceDueAt === undefined ? undefined : new Date(evidenceDueAt),
    };
    await tellDispute(db, news, at);
  });
}

async function lookAgain(deps: ActivityDeps, { tenant, disputeId }: DisputeRef): Promise<DisputeStanding> {
  return inTransaction(deps.pool, async (db) => {
    const locked = (await lockDispute(db, tenant, disputeId))!;
    const at = deps.now();
    const waiting = await hasWaitingAct(db, disputeId);
    let dispute = await holdMore(db, locked.dispute, locked.payment, at);
    const due = endsAt(dispute);
    // What was sent in time and not answered is asked for until it is.
    if (due !== undefined && due <= at.getTime() && !waiting) {
      const change = { to: 'expired' as const, at, actor: 'system:timer', why: 'no evidence before the deadline' };
      ({ dispute } = await moveDispute(db, dispute, locked.payment, change));
    }
    const over = isDisputeOver(dispute.status);
    return {
      status: dispute.status,
      over,
      waiting: waiting && !over,
      ...(due === undefined || over ? {} : { dueInMs: Math.max(0, due - at.getTime()) }),
      amountMinor: dispute.amount_minor,
      heldMinor: dispute.held_minor,
      currency: dispute.currency,
      needsAttention: dispute.needs_attention !== null,
    };
  });
}

function endsAt({ status, evidence_due_at }: DisputeRow): number | undefined {
  return status === 'opened' && evidence_due_at !== null ? Date.parse(evidence_due_at) : undefined;
}
