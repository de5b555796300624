import { Problem } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import { refuseAct } from '../../domain/payment/dispute.ts';
import { hasWaitingAct, insertAct } from '../../store/disputes/acts.ts';
import { findDispute } from '../../store/disputes/read.ts';
import { lockDispute } from '../../store/disputes/tell.ts';
import { recordFact } from '../../store/facts.ts';
import { newId } from '../../trust/new-id.ts';
import { found } from '../not-found.ts';
import type { Reply, RouteContext } from '../route.ts';
import { renderDispute } from './body.ts';

/**
 * Takes what a client does about a dispute: reserved in the transaction of the request, sent by the workflow.
 * @throws Problem `not_found`, `invalid_payment_state`
 */
export async function takeAct(
  { db, tenant, actor }: Pick<RouteContext, 'db' | 'tenant' | 'actor'>,
  disputeId: string,
  { kind, body, note }: { kind: 'evidence' | 'accept'; body: object; note: string | undefined },
): Promise<Reply> {
  const { dispute } = found(await lockDispute(db, tenant, disputeId), 'dispute', 'id');
  const now = new Date();
  const waiting = await hasWaitingAct(db, disputeId);
  const evidenceDueAt = dispute.evidence_due_at === null ? undefined : new Date(dispute.evidence_due_at);
  const late = evidenceDueAt !== undefined && evidenceDueAt <= now;
  const refusal = refuseAct(kind, { status: dispute.status, late, waiting });
  if (refusal) throw new Problem('invalid_payment_state', refusal);
  const id = newId();
  await insertAct(db, tenant, { id, disputeId, kind, body, note, actor, at: now });
  await recordFact(db, {
    tenant,
    at: now,
    type: `payment.dispute_${kind}`,
    actor,
    subject: toTypeId('pay', dispute.payment_id),
    body: { dispute_id: toTypeId('dsp', disputeId), act_id: id, note },
    events: [],
  });
  const after = (await findDispute(db, tenant, disputeId))!;
  return { status: 202, body: renderDispute(after.dispute, after.acts) };
}
