import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { isProblemCode, Problem, type ProblemCode } from '../../domain/errors.ts';
import type { CommittedAnswer, Refusal, RequestRef } from '../../domain/messages.ts';
import type { Tenant } from '../../domain/types.ts';
import { findKey } from '../../store/executions/read.ts';
import type { Replies } from '../../store/replies.ts';

/** A committed answer, and whether an earlier request under the same key had caused it. */
export interface Answered extends CommittedAnswer {
  replayed: boolean;
}

interface Asking {
  pool: pg.Pool;
  replies: Replies;
  log: Logger;
  tenant: Tenant;
  request: RequestRef;
  /** The request starts a workflow, as against updating one. */
  isStart: boolean;
  answerWaitMs: number;
}

/** The workflow that a request is for does not run (any more); why, its payment tells. */
export class LifecycleEnded extends Error {
  override readonly name = 'LifecycleEnded';
}

/** How the engine took the request. */
type Begun =
  | { taken: 'accepted' | 'repeated' | 'gone' }
  | { refused: ProblemCode; detail: string; members?: Record<string, unknown> }
  | { broken: unknown };

/** Commits are announced; the row is polled only in case an announcement was lost. */
const POLL_MS = 1_000;
/** Another request under the key may be answered by a process that does not know of this one: polled sooner. */
const REPEAT_POLL_MS = 100;
const LONGEST_POLL_MS = 2_000;
/** A 202 is held back this long, in case the outcome turns up. */
const OPEN_OUTCOME_WAIT_MS = 4_000;

/**
 * Begins a step of a lifecycle and waits for what is committed under its key. The answer is the committed row: it is
 * given as soon as the commit is known here, which is before the engine has recorded the step.
 * @throws Problem the refusal of a validator, `idempotency_conflict`, or `service_unavailable` after the bounded wait
 */
export async function answered(asking: Asking, begin: () => Promise<unknown>): Promise<Answered> {
  const { tenant, request, replies, answerWaitMs } = asking;
  const receivedAt = Date.now();
  const deadline = receivedAt + answerWaitMs;
  let waiting = replies.next(tenant, request.key, answerWaitMs);
  const begun = begin().then(refusedIn, classify);
  let unsettled: Promise<Begun> | undefined = begun;
  let open: Answered | undefined;
  let pause = POLL_MS;
  try {
    for (;;) {
      const limit = open ? Math.min(deadline, receivedAt + OPEN_OUTCOME_WAIT_MS) : deadline;
      const first = await Promise.race([
        waiting.committed.then((answer) => ({ answer })),
        ...(unsettled ? [unsettled.then((how) => ({ how }))] : []),
        elapsed(Math.min(pause, Math.max(1, limit - Date.now()))),
      ]);
      // Word of another request under the same key is no answer to this one: the row says then whose key it is.
      if ('answer' in first && first.answer && isFor(request, first.answer)) {
        // Whatever was begun may still fail or time out; the commit is what counts.
        unsettled?.catch(() => undefined);
        const committed = unlessRefused(first.answer);
        if (!isOpen(committed)) return { ...committed, replayed: false };
        open = { ...committed, replayed: false };
        waiting = replies.next(tenant, request.key, Math.max(1, deadline - Date.now()));
        continue;
      }
      const how = 'how' in first ? first.how : undefined;
      if (how) {
        unsettled = undefined;
        if ('taken' in how && how.taken === 'repeated') pause = REPEAT_POLL_MS;
        // A start that was taken says nothing of the answer yet; an update that ended was answered.
        if (asking.isStart && 'taken' in how && how.taken === 'accepted') continue;
        if ('broken' in how && !open)
          asking.log.warn({ err: how.broken, key: request.key }, 'the engine did not take it');
      }
      const stored = await read(asking, receivedAt);
      if (stored && !isOpen(stored)) return stored;
      if (stored) open = stored;
      if (how && 'refused' in how && !stored) throw new Problem(how.refused, how.detail, { members: how.members });
      if (how && 'taken' in how && how.taken === 'gone' && !stored) throw new LifecycleEnded('the workflow has ended');
      if (Date.now() >= limit) {
        if (open) return open;
        throw unavailable();
      }
      if (how && 'broken' in how && !stored) throw unavailable(how.broken);
      if ('answer' in first) waiting = replies.next(tenant, request.key, Math.max(1, deadline - Date.now()));
      pause = Math.min(pause * 2, LONGEST_POLL_MS);
    }
  } finally {
    waiting.cancel();
  }
}

async function read(asking: Asking, receivedAt: number): Promise<Answered | undefined> {
  const { pool, tenant, request } = asking;
  const row = await findKey(pool, tenant, request.key);
  if (!row) return undefined;
  if (row.fingerprint !== request.fingerprint) throw conflict();
  const body = (row.response ?? row.answer) as Record<string, unknown> | null;
  if (row.status === null || body === null) return undefined;
  // A row that was there before we were asked was caused by an earlier sending.
  const ours = row.created_at.getTime() >= receivedAt;
  return { fingerprint: row.fingerprint, status: row.status, body, replayed: !ours };
}

/** An outcome may still turn up. What waits for a person is answered at once. */
function isOpen({ status, body }: CommittedAnswer): boolean {
  return status === 202 && !('waiting' in body);
}

function isFor(request: RequestRef, { fingerprint }: CommittedAnswer): boolean {
  return fingerprint === '' || fingerprint === request.fingerprint;
}

/** @throws Problem when the answer is a refusal */
function unlessRefused(answer: CommittedAnswer): CommittedAnswer {
  const { code, detail, members } = answer.body as {
    code?: unknown;
    detail?: string;
    members?: Record<string, unknown>;
  };
  if (isProblemCode(code)) throw new Problem(code, detail ?? '', { members });
  return answer;
}

/** An update may end by refusing; its result says so, also to a repeat of it that nothing is announced to. */
function refusedIn(result: unknown): Begun {
  const step = (result ?? {}) as { kind?: string; code?: unknown; detail?: string; refused?: Refusal };
  const refused = step.kind === 'refused' ? step : step.refused;
  if (!refused || !isProblemCode(refused.code)) return { taken: 'accepted' };
  return { refused: refused.code, detail: refused.detail ?? '', members: (refused as Refusal).members };
}

function classify(error: unknown): Begun {
  if (error instanceof WorkflowExecutionAlreadyStartedError) return { taken: 'repeated' };
  if (error instanceof WorkflowNotFoundError) return { taken: 'gone' };
  if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) {
    const { type, message } = error.cause;
    if (isProblemCode(type)) return { refused: type, detail: message };
  }
  return { broken: error };
}

function elapsed(ms: number): Promise<{ elapsed: true }> {
  return new Promise((resolve) => setTimeout(resolve, ms, { elapsed: true }));
}

function conflict(): Problem {
  return new Problem('idempotency_conflict', 'The Idempotency-Key was used with another request.');
}

function unavailable(cause?: unknown): Problem {
  return new Problem('service_unavailable', 'No answer was committed in time. Retry with the same Idempotency-Key.', {
    cause,
  });
}
