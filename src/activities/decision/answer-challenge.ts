import type { ChallengeResponse, Refusal } from '../../domain/messages.ts';
import type { Reason } from '../../domain/types.ts';
import { holdExecution, spendAttempt } from '../../store/executions/redecide.ts';
import { recordFact } from '../../store/facts.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { ActivityDeps } from '../deps.ts';
import type { DecidedExecution, ExecutionRef } from '../types.ts';
import {
  gatherAgain,
  judgeWithProof,
  keepRequest,
  denial,
  screenAgain,
  storeVerdict,
  type Rejudged,
} from './rejudge.ts';
import { standing } from './standing.ts';
import { judgeAnswer } from './step-up-proof.ts';
import { refusal, unlessKeyTaken } from './unless-key-taken.ts';

/**
 * The principal's answer to a challenge. A correct one decides again with the proof, a no denies; a wrong one costs an
 * attempt, the last wrong one denies. Everything under a lock on the execution, so that an answer, a timer and a revocation cannot
 * all win.
 */
export async function answerChallenge(
  deps: ActivityDeps,
  ref: ExecutionRef,
  response: ChallengeResponse,
): Promise<DecidedExecution> {
  const { request } = response;
  const screening = await screenAgain(deps, ref);
  const { outcome, answer } = await unlessKeyTaken(deps, ref, request, async (db) => {
    const row = await holdExecution(db, ref.tenant, ref.executionId);
    if (!row) throw new Error(`execution ${ref.executionId} is missing`);
    const now = deps.now();
    if (row.stage !== 'challenged' || now >= new Date(row.challenge_expires_at!)) {
      return {
        outcome: standing(row, now),
        answer: refusal(request.fingerprint, 'challenge_expired', 'The challenge is over.'),
      };
    }
    const about: Rejudged = { ref, row, actor: request.actor, challengeStatus: 'passed' };
    const verdict = await judgeAnswer(deps, db, { ref, row, now }, response);
    if (verdict === 'declined') {
      const declined = { ...about, challengeStatus: 'failed' as const };
      const stored = await storeVerdict(deps, db, declined, denial(row, DECLINED, 'declined_by_principal'));
      const committed = { fingerprint: request.fingerprint, status: 200, body: stored.answer };
      await keepRequest(db, ref, request, committed);
      return { outcome: stored.decided, answer: committed };
    }
    if (verdict === 'proved') {
      const context = { ...(await gatherAgain(db, about, now)), screening };
      const stored = await storeVerdict(deps, db, about, judgeWithProof(row, context, 'challenge'), { context });
      const committed = { fingerprint: request.fingerprint, status: 200, body: stored.answer };
      await keepRequest(db, ref, request, committed);
      return { outcome: stored.decided, answer: committed };
    }
    const left = await spendAttempt(db, row.id, now);
    const wrong = refusal(request.fingerprint, 'challenge_failed', 'The response is wrong.', { attempts_left: left });
    if (left > 0) {
      await recordFact(db, {
        tenant: ref.tenant,
        at: now,
        type: 'execution.challenge_failed',
        actor: request.actor,
        subject: toTypeId('exec', row.id),
        body: { method: response.method, attempts_left: left },
        events: [],
      });
      return { outcome: standing(row, now), answer: wrong };
    }
    const failed = { ...about, challengeStatus: 'failed' as const };
    const stored = await storeVerdict(deps, db, failed, denial(row, ATTEMPTS_USED, 'attempts_used'));
    return { outcome: stored.decided, answer: wrong };
  });
  await deps.replies.announce(deps.pool, ref.tenant, request, answer);
  return answer.status === 409 ? { ...outcome, refused: answer.body as unknown as Refusal } : outcome;
}

const DECLINED: Reason = {
  code: 'challenge_required',
  category: 'identity',
  message: 'The principal was asked, and declined',
};

const ATTEMPTS_USED: Reason = {
  code: 'challenge_required',
  category: 'identity',
  message: 'The challenge was answered wrongly too often',
};
