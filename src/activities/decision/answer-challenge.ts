import type { ChallengeResponse } from '../../domain/messages.ts';
import type { Reason } from '../../domain/types.ts';
import { holdExecution, spendAttempt } from '../../store/executions/redecide.ts';
import { recordFact } from '../../store/facts.ts';
import { keepNewAnswer } from '../../store/idempotency.ts';
import type { Db } from '../../store/pool.ts';
import type { Screening } from '../../domain/screening.ts';
import { toTypeId } from '../../domain/ids.ts';
import { answerUnderKey, refusal, type Answered } from '../answer-under-key.ts';
import type { ActivityDeps } from '../deps.ts';
import type { DecidedExecution, ExecutionRef } from '../types.ts';
import { gatherAgain, judgeWithProof, denial, screenAgain, storeVerdict, type Rejudged } from './rejudge.ts';
import { standing, standingOf } from './standing.ts';
import { judgeAnswer } from './step-up-proof.ts';

/**
 * The principal's answer to a challenge. A correct one decides again with the proof, a no denies; a wrong one costs an
 * attempt, the last wrong one denies. Everything under a lock on the execution, so that an answer, a timer and a revocation
 * cannot all win.
 */
export async function answerChallenge(
  deps: ActivityDeps,
  ref: ExecutionRef,
  response: ChallengeResponse,
): Promise<DecidedExecution> {
  const screening = await screenAgain(deps, ref);
  return answerUnderKey(
    deps,
    ref.tenant,
    response.request,
    (db) => hear(deps, db, ref, { ...response, screening }),
    () => standingOf(deps, ref),
  );
}

async function hear(
  deps: ActivityDeps,
  db: Db,
  ref: ExecutionRef,
  { screening, ...response }: ChallengeResponse & { screening: Screening | undefined },
): Promise<Answered<DecidedExecution>> {
  const { request } = response;
  const row = await holdExecution(db, ref.tenant, ref.executionId);
  if (!row) throw new Error(`execution ${ref.executionId} is missing`);
  const now = deps.now();
  if (row.stage !== 'challenged' || now >= new Date(row.challenge_expires_at!)) {
    return { standing: standing(row, now), answer: refusal(request, 'challenge_expired', 'The challenge is over.') };
  }
  const about: Rejudged = { ref, row, actor: request.actor, challengeStatus: 'passed' };
  const failed: Rejudged = { ...about, challengeStatus: 'failed' };
  const keep = async ({ decided, answer: body }: Awaited<ReturnType<typeof storeVerdict>>) => {
    const answer = { fingerprint: request.fingerprint, status: 200, body };
    await keepNewAnswer(db, ref.tenant, request, answer, ref.executionId);
    return { standing: decided, answer };
  };
  const verdict = await judgeAnswer(deps, db, { ref, row, now }, response);
  if (verdict === 'declined') {
    return keep(await storeVerdict(deps, db, failed, denial(row, DECLINED, 'declined_by_principal')));
  }
  if (verdict === 'proved') {
    const context = { ...(await gatherAgain(db, about, now)), screening };
    return keep(await storeVerdict(deps, db, about, judgeWithProof(row, context, 'challenge'), { context }));
  }
  const left = await spendAttempt(db, row.id, now);
  const wrong = refusal(request, 'challenge_failed', 'The response is wrong.', { attempts_left: left });
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
    return { standing: standing(row, now), answer: wrong };
  }
  const { decided } = await storeVerdict(deps, db, failed, denial(row, ATTEMPTS_USED, 'attempts_used'));
  return { standing: decided, answer: wrong };
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
