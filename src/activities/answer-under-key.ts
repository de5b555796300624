import { PROBLEMS, type ProblemCode } from '../domain/errors.ts';
import type { CommittedAnswer, Refusal, RequestRef } from '../domain/messages.ts';
import type { Tenant } from '../domain/types.ts';
import { DecisionRaced } from '../store/executions/commit-decision.ts';
import { isKeyTaken } from '../store/idempotency.ts';
import { inTransaction, type Db } from '../store/pool.ts';
import { holdStanding } from '../store/stops/begin.ts';
import type { ActivityDeps } from './deps.ts';

/** What an answer to something that waits for somebody came to: for its workflow, and for whoever gave the answer. */
export interface Answered<Standing> {
  standing: Standing;
  answer: CommittedAnswer;
}

/**
 * Hears an answer (to a challenge, to a review) in one transaction, anew when it was overtaken, and tells whoever gave it.
 * When its key turns out to be another request's, nothing of it remains and it is told of the conflict: the key will never
 * be free, so that trying again would only hold the workflow up.
 * @param asItStands what the workflow is told then
 */
export async function answerUnderKey<Standing extends object>(
  deps: ActivityDeps,
  tenant: Tenant,
  request: RequestRef,
  hear: (db: Db) => Promise<Answered<Standing>>,
  asItStands: () => Promise<Standing>,
): Promise<Standing & { refused?: Refusal }> {
  const { standing, answer } = await heard(deps, tenant, hear).catch(async (error: unknown) => {
    if (!isKeyTaken(error)) throw error;
    return { standing: await asItStands(), answer: refusal(request, 'idempotency_conflict', KEY_TAKEN) };
  });
  await deps.replies.announce(deps.pool, tenant, request, answer);
  return answer.status >= 400 ? { ...standing, refused: answer.body as unknown as Refusal } : standing;
}

async function heard<Standing>(
  deps: ActivityDeps,
  tenant: Tenant,
  hear: (db: Db) => Promise<Answered<Standing>>,
): Promise<Answered<Standing>> {
  for (;;) {
    try {
      return await inTransaction(deps.pool, async (db) => {
        // Before any row is locked: no freeze and no revocation commits between our looking and our commit.
        await holdStanding(db, tenant);
        return hear(db);
      });
    } catch (error) {
      if (!(error instanceof DecisionRaced)) throw error;
    }
  }
}

export const KEY_TAKEN = 'The key was used for another request.';

/** A refusal as it is announced; nothing is kept of it. */
export function refusal(
  { fingerprint }: Pick<RequestRef, 'fingerprint'>,
  code: ProblemCode,
  detail: string,
  members: Record<string, unknown> = {},
): CommittedAnswer {
  return { fingerprint, status: PROBLEMS[code].status, body: { code, detail, members } };
}
