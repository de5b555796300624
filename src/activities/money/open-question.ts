import type { CommittedAnswer, RefundInput, RefundStep } from '../../domain/messages.ts';
import { inTransaction, type Db } from '../../store/pool.ts';
import { holdStanding } from '../../store/stops/begin.ts';
import { freezeOnExecution } from '../../store/stops/read.ts';
import type { ActivityDeps } from '../deps.ts';
import { refuse } from './refuse.ts';

/**
 * Asks somebody whether a refund may be made: what is kept and answered 202, and nothing reserved. A freeze cannot pass
 * it by: one that was committed before refuses the question, one that comes after finds it and ends it.
 * @param keep writes the question and the answer of its request
 */
export async function openQuestion(
  deps: ActivityDeps,
  { tenant, request, paymentId }: RefundInput,
  answer: CommittedAnswer,
  keep: (db: Db) => Promise<void>,
): Promise<Extract<RefundStep, { kind: 'refused' }> | undefined> {
  const frozen = await inTransaction(deps.pool, async (db) => {
    await holdStanding(db, tenant);
    const kind = await freezeOnExecution(db, tenant, paymentId);
    if (kind === undefined) await keep(db);
    return kind;
  });
  if (frozen !== undefined) return refuse(deps, tenant, request, 'frozen', `Frozen: the ${frozen}. No refund is sent.`);
  await deps.replies.announce(deps.pool, tenant, request, answer);
  return undefined;
}
