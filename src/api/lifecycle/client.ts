import { type Client, type WorkflowHandle, WorkflowIdReusePolicy, WorkflowNotFoundError } from '@temporalio/client';
import { WorkflowIdConflictPolicy, type TypedSearchAttributes } from '@temporalio/common';
import type pg from 'pg';
import type { Logger } from 'pino';
import { toTypeId } from '../../domain/ids.ts';
import type {
  AuthorizeInput,
  CaptureRequest,
  ChallengeResponse,
  IncrementInput,
  PayRequest,
  RefundInput,
  RequestRef,
  ReviewVerdict,
  VoidRequest,
} from '../../domain/messages.ts';
import type { Tenant } from '../../domain/types.ts';
import { Problem } from '../../domain/errors.ts';
import type { BacktestRef } from '../../store/backtests/drive.ts';
import type { ImportRef } from '../../store/settlement/imports.ts';
import type { Replies } from '../../store/replies.ts';
import { sha256Hex } from '../../trust/canonical.ts';
import type { executionLifecycle, increment, refund } from '../../workflows/index.ts';
import { crlRefreshId, executionWorkflowId, incrementWorkflowId, refundWorkflowId } from '../../workflows/identity.ts';
import {
  captureUpdate,
  certificateRevokedSignal,
  confirmUpdate,
  evidenceSignal,
  payUpdate,
  respondUpdate,
  reviewUpdate,
  settledSignal,
  voteUpdate,
  voidUpdate,
} from '../../workflows/messages.ts';
import { answered, LifecycleEnded, type Answered } from './answered.ts';
import { driveBacktest } from './backtests.ts';
import { explainEnded, explainFrozen } from './explain.ts';
import { driveImport } from './imports.ts';
import { operationAttributes, searchAttributes } from './search-attributes.ts';
import { sendVote, type ReviewToVote } from './reviews.ts';
import { driveStop, type StopToDrive } from './stops.ts';
import { tellWatch } from './watches.ts';

export interface LifecycleClientOptions {
  client: Client;
  pool: pg.Pool;
  replies: Replies;
  log: Logger;
  taskQueue: string;
  namespace: string;
  /** A worker of this queue runs in this process, on the same connection: the first task need not be queued. */
  eager: boolean;
  /** Spacing of two "not found" answers before absence is believed, milliseconds. */
  visibilityLagMs: number;
  /** Bounded wait of a request for its committed answer, milliseconds. */
  answerWaitMs: number;
}

type Update<Request> = { name: string; request: Request & { request: RequestRef } };

/** What the API asks of the lifecycles: starts, updates, signals — and the committed answer to each. */
export class LifecycleClient {
  readonly #o: LifecycleClientOptions;

  constructor(options: LifecycleClientOptions) {
    this.#o = options;
  }

  get processId(): string {
    return this.#o.replies.processId;
  }

  /** Whether the Temporal service answers, within two seconds. */
  async ready(): Promise<boolean> {
    const { client, namespace } = this.#o;
    try {
      await client.withDeadline(Date.now() + 2_000, () => client.workflowService.describeNamespace({ namespace }));
      return true;
    } catch {
      return false;
    }
  }

  async authorize(input: AuthorizeInput): Promise<Answered> {
    const { tenant, executionId, request } = input;
    const workflowId = executionWorkflowId(tenant, executionId);
    return this.#answer(tenant, request, true, () =>
      this.#start<typeof executionLifecycle>('executionLifecycle', workflowId, input, searchAttributes(input), {
        summary: `${input.intent.action} ${input.intent.amountMinor} ${input.intent.currency} → ${input.intent.merchantRef}`,
        // A first step that could not be committed ends as failed, and only then may the key start anew (ADR 0003).
        reuse: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
      }),
    );
  }

  async refund(input: RefundInput): Promise<Answered> {
    const { tenant, request } = input;
    const workflowId = refundWorkflowId(tenant, sha256Hex(`${request.key}|${request.fingerprint}`));
    return this.#answer(tenant, request, true, () =>
      this.#start<typeof refund>('refund', workflowId, input, operationAttributes(input), {
        summary: `refund of ${toTypeId('pay', input.paymentId)}`,
        reuse: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      }),
    );
  }

  async increment(input: IncrementInput): Promise<Answered> {
    const { tenant, request } = input;
    const workflowId = incrementWorkflowId(tenant, sha256Hex(`${request.key}|${request.fingerprint}`));
    return this.#answer(tenant, request, true, () =>
      this.#start<typeof increment>('increment', workflowId, input, operationAttributes(input), {
        summary: `increment of ${toTypeId('pay', input.paymentId)}`,
        reuse: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      }),
    );
  }

  async respond(tenant: Tenant, executionId: string, response: ChallengeResponse): Promise<Answered> {
    return this.#update(tenant, executionId, { name: respondUpdate.name, request: response });
  }

  async review(tenant: Tenant, executionId: string, verdict: ReviewVerdict): Promise<Answered> {
    return this.#update(tenant, executionId, { name: reviewUpdate.name, request: verdict });
  }

  /** A vote on an assessment; on one that is decided, only the answer to an earlier sending is left. */
  async reviewAssessment(review: ReviewToVote, verdict: ReviewVerdict): Promise<Answered> {
    const { status, tenant } = review;
    return this.#answer(tenant, verdict.request, false, async () => {
      if (status !== 'open') throw new WorkflowNotFoundError(`the review is ${status}`, '', undefined);
      return sendVote(this.#o, review, verdict);
    }).catch((error: unknown) => {
      throw error instanceof LifecycleEnded ? new Problem('review_closed', `The review is ${status}.`) : error;
    });
  }

  /** A vote on a refund that waits for a person. */
  async reviewRefund(tenant: Tenant, workflowId: string, verdict: ReviewVerdict): Promise<Answered> {
    const over = new Problem('review_closed', 'The review is over.');
    return this.#tellRefund(tenant, workflowId, { name: voteUpdate.name, request: verdict }, over);
  }

  /** The principal's answer to the challenge of a refund. */
  async respondRefund(tenant: Tenant, workflowId: string, response: ChallengeResponse): Promise<Answered> {
    const over = new Problem('challenge_expired', 'The challenge is over.');
    return this.#tellRefund(tenant, workflowId, { name: confirmUpdate.name, request: response }, over);
  }

  async pay(tenant: Tenant, executionId: string, request: PayRequest): Promise<Answered> {
    return this.#update(tenant, executionId, { name: payUpdate.name, request });
  }

  async capture(tenant: Tenant, executionId: string, request: CaptureRequest): Promise<Answered> {
    return this.#update(tenant, executionId, { name: captureUpdate.name, request });
  }

  async void(tenant: Tenant, executionId: string, request: VoidRequest): Promise<Answered> {
    return this.#update(tenant, executionId, { name: voidUpdate.name, request });
  }

  /**
   * Hands a committed stop to its workflow, which closes, tells and voids; should this fail, a worker finds the row and
   * does it. Never throws: the stop is in force, and the caller's answer says what is not done.
   */
  async drive(stop: StopToDrive): Promise<void> {
    try {
      await driveStop(this.#o, stop, this.processId);
    } catch (error) {
      this.#o.log.warn({ err: error, stop: stop.id }, 'the workflow of a stop did not start; a worker will try again');
    }
  }

  /** Hands a committed settlement file to its workflow; should this fail, a worker finds the row. Never throws. */
  async settlementImport(ref: ImportRef): Promise<void> {
    try {
      await driveImport(this.#o, ref);
    } catch (error) {
      this.#o.log.warn({ err: error, import: ref.id }, 'a settlement file did not start; a worker will try again');
    }
  }

  /** Hands a committed backtest to its workflow; should this fail, a worker finds the row and does it. Never throws. */
  async backtest(ref: BacktestRef): Promise<void> {
    try {
      await driveBacktest(this.#o, ref);
    } catch (error) {
      this.#o.log.warn({ err: error, backtest: ref.id }, 'a backtest did not start; a worker will try again');
    }
  }

  /**
   * Tells the workflows that watch these agents that there is something to look at: it is committed, and should this
   * fail, a worker finds the row and does it. Does not wait, and never throws.
   */
  watch(tenant: Tenant, agentIds: string[]): void {
    for (const agentId of agentIds) {
      tellWatch(this.#o, { tenant, agentId }).catch((error: unknown) =>
        this.#o.log.warn({ err: error, agent: agentId }, 'the watch of an agent was not told; a worker will try again'),
      );
    }
  }

  /** Resolves when a stop is confirmed, or after `ms`. */
  confirmed(tenant: Tenant, stopId: string, ms: number): Promise<unknown> {
    return this.#o.replies.next(tenant, stopId, ms).committed;
  }

  /** A certificate was revoked: lists are signed anew at once, and without this signal a minute later. */
  async certificateRevoked(): Promise<void> {
    await this.#signal(crlRefreshId(this.#o.taskQueue), (handle) => handle.signal(certificateRevokedSignal));
  }

  /** A processor told something about an operation: the lifecycle, or the refund, asks again now. */
  async nudge(workflowId: string, operationId: string): Promise<void> {
    await this.#signal(workflowId, (handle) => handle.signal(evidenceSignal, { operationId }));
  }

  async settled(workflowId: string, complete: boolean): Promise<void> {
    await this.#signal(workflowId, (handle) => handle.signal(settledSignal, { complete }));
  }

  /** Best effort: what must hold stands in the database, and a workflow that has ended needs no signal. */
  async #signal(workflowId: string, tell: (handle: WorkflowHandle) => Promise<void>): Promise<void> {
    try {
      await tell(this.#o.client.workflow.getHandle(workflowId));
    } catch (error) {
      this.#o.log.debug({ err: error, workflowId }, 'signal not delivered');
    }
  }

  #tellRefund<R>(tenant: Tenant, workflowId: string, { name, request }: Update<R>, over: Problem): Promise<Answered> {
    const { key, fingerprint } = request.request;
    return this.#answer(tenant, request.request, false, () =>
      this.#o.client.workflow.getHandle(workflowId).executeUpdate(name, {
        args: [request],
        updateId: `${key}:${fingerprint.slice(0, 16)}`,
      }),
    ).catch((error: unknown) => {
      throw error instanceof LifecycleEnded ? over : error;
    });
  }

  #update<R>(tenant: Tenant, executionId: string, { name, request }: Update<R>): Promise<Answered> {
    const { client, pool } = this.#o;
    const ref = request.request;
    const workflowId = executionWorkflowId(tenant, executionId);
    return this.#answer(tenant, ref, false, () =>
      client.workflow.getHandle(workflowId).executeUpdate(name, {
        args: [request],
        updateId: `${ref.key}:${ref.fingerprint.slice(0, 16)}`,
      }),
    )
      .catch((error: unknown) => explainEnded(pool, { tenant, executionId, name }, error))
      .catch((error: unknown) => explainFrozen(pool, { tenant, executionId, name }, error));
  }

  async #start<W extends typeof executionLifecycle | typeof refund | typeof increment>(
    type: string,
    workflowId: string,
    input: Parameters<W>[0],
    typedSearchAttributes: TypedSearchAttributes,
    { summary, reuse }: { summary: string; reuse: WorkflowIdReusePolicy },
  ): Promise<void> {
    await this.#o.client.workflow.start(type, {
      workflowId,
      taskQueue: this.#o.taskQueue,
      args: [input],
      typedSearchAttributes,
      staticSummary: summary,
      workflowIdReusePolicy: reuse,
      workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
      workflowTaskTimeout: 3_000,
      requestEagerStart: this.#o.eager,
    });
  }

  #answer(tenant: Tenant, request: RequestRef, isStart: boolean, begin: () => Promise<unknown>): Promise<Answered> {
    const { client, answerWaitMs } = this.#o;
    return answered({ ...this.#o, isStart, tenant, request }, () =>
      client.withDeadline(Date.now() + answerWaitMs + 30_000, begin),
    );
  }
}

export type { Answered };
