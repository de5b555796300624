import type { Refusal, ReviewVerdict } from '../../domain/messages.ts';
import type { Reason } from '../../domain/types.ts';
import { holdExecution } from '../../store/executions/redecide.ts';
import type { ActivityDeps } from '../deps.ts';
import type { DecidedExecution, ExecutionRef } from '../types.ts';
import {
  denial,
  gatherAgain,
  judgeWithProof,
  keepRequest,
  screenAgain,
  storeVerdict,
  type Rejudged,
} from './rejudge.ts';
import { standing } from './standing.ts';
import { refusal, unlessKeyTaken } from './unless-key-taken.ts';

const DENIED_BY_OPERATOR: Reason = { code: 'policy_denied', category: 'policy', message: 'An operator denied it' };

/** An operator's word on an execution in review. An approval is a proof like any other: what fails now still denies. */
export async function answerReview(
  deps: ActivityDeps,
  ref: ExecutionRef,
  { request, verdict, note }: ReviewVerdict,
): Promise<DecidedExecution> {
  const screening = await screenAgain(deps, ref);
  const { outcome, answer } = await unlessKeyTaken(deps, ref, request, async (db) => {
    const row = await holdExecution(db, ref.tenant, ref.executionId);
    if (!row) throw new Error(`execution ${ref.executionId} is missing`);
    if (row.stage !== 'in_review') {
      const closed = refusal(request.fingerprint, 'review_closed', `The execution is ${row.stage}.`);
      return { outcome: standing(row, deps.now()), answer: closed };
    }
    const about: Rejudged = { ref, row, actor: request.actor, challengeStatus: row.challenge_status };
    const context = { ...(await gatherAgain(db, about, deps.now())), screening };
    const judgement =
      verdict === 'deny'
        ? denial(row, DENIED_BY_OPERATOR, 'denied_by_operator')
        : judgeWithProof(row, context, 'review');
    const stored = await storeVerdict(deps, db, about, judgement, { context, body: { verdict, note } });
    const committed = { fingerprint: request.fingerprint, status: 200, body: stored.answer };
    await keepRequest(db, ref, request, committed);
    return { outcome: stored.decided, answer: committed };
  });
  await deps.replies.announce(deps.pool, ref.tenant, request, answer);
  return answer.status === 409 ? { ...outcome, refused: answer.body as unknown as Refusal } : outcome;
}
