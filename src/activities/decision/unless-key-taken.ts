import type { CommittedAnswer, RequestRef } from '../../domain/messages.ts';
import { DecisionRaced } from '../../store/executions/commit-decision.ts';
import { findExecution } from '../../store/executions/read.ts';
import { inTransaction, type Db } from '../../store/pool.ts';
import { holdStanding } from '../../store/stops/begin.ts';
import type { ActivityDeps } from '../deps.ts';
import { isKeyTaken } from '../money/refuse.ts';
import type { DecidedExecution, ExecutionRef } from '../types.ts';
import { standing } from './standing.ts';

/** What a re-decision says to the workflow, and to whoever waits for it. */
interface Redecided {
  outcome: DecidedExecution;
  answer: CommittedAnswer;
}

/**
 * Runs a re-decision in one transaction, anew when it was overtaken. When its key turns out to be another request's, nothing of it remains and the
 * request is told of the conflict: the key will never be free, so that trying again would only hold the lifecycle up.
 */
export async function unlessKeyTaken(
  deps: ActivityDeps,
  ref: ExecutionRef,
  request: RequestRef,
  decide: (db: Db) => Promise<Redecided>,
): Promise<Redecided> {
  try {
    return await inTransaction(deps.pool, async (db) => {
      // Before the execution is locked: no freeze and no revocation commits between our looking and our commit.
      await holdStanding(db, ref.tenant);
      return decide(db);
    });
  } catch (error) {
    if (error instanceof DecisionRaced) return unlessKeyTaken(deps, ref, request, decide);
    if (!isKeyTaken(error)) throw error;
    const row = await findExecution(deps.pool, ref.tenant, ref.executionId);
    const answer = refusal(request.fingerprint, 'idempotency_conflict', 'The key was used for another request.');
    return { outcome: standing(row!, deps.now()), answer };
  }
}

/** A refusal as it is announced; nothing is kept of it. */
export function refusal(
  fingerprint: string,
  code: string,
  detail: string,
  members: Record<string, unknown> = {},
): CommittedAnswer {
  return { fingerprint, status: 409, body: { code, detail, members } };
}
