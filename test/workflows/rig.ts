import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandleWithFirstExecutionRunId } from '@temporalio/client';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure, WorkflowIdReusePolicy } from '@temporalio/common';
import type { LifecycleActivities } from '../../src/activities/types.ts';
import type {
  AuthorizeInput,
  CaptureRequest,
  IncrementInput,
  LifecycleTimers,
  OperationStep,
  PayRequest,
  RefundInput,
  RequestRef,
  VoidRequest,
} from '../../src/domain/messages.ts';
import { newId } from '../../src/trust/new-id.ts';
import type { executionLifecycle, increment, refund } from '../../src/workflows/index.ts';
import { captureUpdate, payUpdate, respondUpdate, reviewUpdate, voidUpdate } from '../../src/workflows/messages.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** The production defaults, so that tests speak of the durations that people meet. */
export const TIMERS: LifecycleTimers = {
  challengeMs: 10 * MINUTE_MS,
  reviewMs: DAY_MS,
  tokenMs: 15 * MINUTE_MS,
  settlementMs: 3 * DAY_MS,
  unknownDeadlineMs: 10 * MINUTE_MS,
  visibilityLagMs: 2_000,
};

/** One activity as the workflow called it. */
export interface Call {
  name: keyof LifecycleActivities;
  args: unknown[];
  /** Time of the server (which may skip), milliseconds. */
  at: number;
}

export type Fakes = Partial<LifecycleActivities>;

type Followed = typeof executionLifecycle | typeof increment | typeof refund;

/** A workflow that runs with fake activities, and everything that it asked of them. */
export interface Run<W extends Followed = typeof executionLifecycle> {
  id: string;
  handle: WorkflowHandleWithFirstExecutionRunId<W>;
  calls: Call[];
  /** Calls of one activity. */
  of(name: keyof LifecycleActivities): Call[];
}

export interface RunOptions {
  fakes: Fakes;
  timers?: Partial<LifecycleTimers>;
  workflowId?: string;
  /** Do not wait until the engine has recorded the first decision: it does not come, or is watched. */
  undecided?: boolean;
}

/**
 * Workflows of many tests on one worker: the fakes that answer an activity are found by the execution that it is about.
 * What a test does not fake answers as on the approved path of a payment; a fake that must not be called says so itself.
 */
export interface Rig {
  activities: LifecycleActivities;
  lifecycle(options: RunOptions): Promise<Run>;
  increment(options: RunOptions): Promise<Run<typeof increment>>;
  refund(options: RunOptions): Promise<Run<typeof refund>>;
}

export function createRig({
  client,
  taskQueue,
  now = () => Promise.resolve(Date.now()),
}: {
  client: () => Client;
  taskQueue: string;
  /** Time of the server. */
  now?: () => Promise<number>;
}): Rig {
  const runs = new Map<string, { fakes: Fakes; calls: Call[] }>();
  const answering = (name: keyof LifecycleActivities) => async (first: object, second: unknown, third: unknown) => {
    const about = first as { executionId?: string; paymentId?: string };
    const run = runs.get((about.executionId ?? about.paymentId)!);
    if (!run) throw ApplicationFailure.nonRetryable(`${name} of a run that nobody started`);
    run.calls.push({ name, args: [first, second, third], at: await now() });
    const fake = (run.fakes[name] ?? USUAL[name]) as (...args: unknown[]) => Promise<unknown>;
    return fake(first, second, third);
  };
  const activities = Object.fromEntries(
    (Object.keys(USUAL) as (keyof LifecycleActivities)[]).map((name) => [name, answering(name)]),
  ) as unknown as LifecycleActivities;

  async function start<W extends Followed>(
    type: string,
    id: string,
    input: Parameters<W>[0],
    { fakes, workflowId = `test:${id}` }: RunOptions,
  ): Promise<Run<W>> {
    const calls: Call[] = [];
    runs.set(id, { fakes, calls });
    const handle = await client().workflow.start<W>(type, {
      workflowId,
      taskQueue,
      args: [input] as never,
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
      // A message that comes while a local activity runs is delivered with the next heartbeat of the task.
      workflowTaskTimeout: 1_000,
    });
    return { id, handle, calls, of: (name) => calls.filter((call) => call.name === name) };
  }

  return {
    activities,
    async lifecycle(options) {
      const input = authorizeInput({ ...TIMERS, ...options.timers });
      const run = await start<typeof executionLifecycle>('executionLifecycle', input.executionId, input, options);
      // A query is answered after the task that is under way.
      if (!options.undecided) await shownStage(run);
      return run;
    },
    increment(options) {
      const input: IncrementInput = {
        tenant: TENANT,
        request: requestRef(),
        paymentId: newId(),
        operationId: newId(),
        amountMinor: 30_00,
        timers: { ...TIMERS, ...options.timers },
      };
      return start<typeof increment>('increment', input.paymentId, input, options);
    },
    refund(options) {
      const input: RefundInput = {
        tenant: TENANT,
        request: requestRef(),
        paymentId: newId(),
        operationId: newId(),
        timers: { ...TIMERS, ...options.timers },
      };
      return start<typeof refund>('refund', input.paymentId, input, options);
    },
  };
}

const TENANT = { orgId: newId(), mode: 'test' } as const;

function requestRef(): RequestRef {
  return { key: randomUUID(), fingerprint: 'f'.repeat(64), actor: 'api_key:key_test', replyTo: 'test' };
}

function authorizeInput(timers: LifecycleTimers): AuthorizeInput {
  return {
    tenant: TENANT,
    executionId: newId(),
    request: requestRef(),
    agentId: newId(),
    principalId: newId(),
    intent: {
      action: 'payment.authorize',
      amountMinor: 120_00,
      currency: 'EUR',
      merchantRef: 'mrc_1',
      channel: 'chatpay',
    },
    context: {},
    timers,
  };
}

export const SUCCEEDED: OperationStep = { kind: 'succeeded', stage: 'authorized', processor: 'alpha' };
export const CAPTURED: OperationStep = { kind: 'succeeded', stage: 'captured', processor: 'alpha' };
export const VOIDED: OperationStep = { kind: 'succeeded', stage: 'voided', processor: 'alpha' };
export const UNKNOWN: OperationStep = { kind: 'unknown', processor: 'alpha' };
export const UNAVAILABLE: OperationStep = { kind: 'failed', class: 'throttled', code: 'unavailable', failover: true };
export const DECLINED: OperationStep = { kind: 'failed', class: 'hard_decline', code: 'lost_card', failover: false };

/** The hold of an authorization that lasts `ms` from `now` on. */
export const heldFor = (now: number, ms: number): OperationStep => ({
  ...SUCCEEDED,
  authorizationExpiresAt: new Date(now + ms).toISOString(),
});

/** Fake decisions. */
export const decides = {
  approved: (async ({ executionId, timers }) => ({
    executionId,
    decision: 'approved',
    stage: 'approved',
    waitMs: timers.tokenMs,
  })) satisfies LifecycleActivities['evaluatePolicy'],
  challenge: (async ({ executionId, timers }) => ({
    executionId,
    decision: 'challenge',
    stage: 'challenged',
    reasonCode: 'challenge_required',
    waitMs: timers.challengeMs,
  })) satisfies LifecycleActivities['evaluatePolicy'],
  review: (async ({ executionId, timers }) => ({
    executionId,
    decision: 'review',
    stage: 'in_review',
    reasonCode: 'risk_elevated',
    waitMs: timers.reviewMs,
  })) satisfies LifecycleActivities['evaluatePolicy'],
  deny: (async ({ executionId }) => ({
    executionId,
    decision: 'deny',
    stage: 'denied',
    reasonCode: 'policy_denied',
  })) satisfies LifecycleActivities['evaluatePolicy'],
};

const USUAL: LifecycleActivities = {
  assessRisk: async () => ({}),
  evaluatePolicy: decides.approved,
  findDecision: async () => undefined,
  answerChallenge: decides.approved,
  answerReview: decides.approved,
  expireStage: async ({ executionId }, stage) =>
    stage === 'approved'
      ? { executionId, decision: 'approved', stage: 'lapsed' }
      : { executionId, decision: 'deny', stage: 'denied', reasonCode: 'challenge_required' },
  refineReview: async () => undefined,
  authorizePayment: async () => heldFor(Date.now(), 7 * DAY_MS),
  capturePayment: async () => CAPTURED,
  voidPayment: async () => VOIDED,
  giveBack: async () => VOIDED,
  captureAtExpiry: async () => CAPTURED,
  reauthorizeAtExpiry: async () => heldFor(Date.now(), 7 * DAY_MS),
  warnOfExpiry: async () => ({ capture: false }),
  refundStopped: async () => undefined,
  refundPayment: async () => CAPTURED,
  incrementPayment: async () => CAPTURED,
  answerRefundChallenge: async () => ({ status: 'passed' }),
  expireRefundChallenge: async () => ({ status: 'expired' }),
  answerRefundReview: async () => ({ status: 'approved', waitMs: 0, votes: { approvals: 1, quorum: 1 } }),
  expireRefundReview: async () => ({ status: 'expired', waitMs: 0, votes: { approvals: 0, quorum: 1 } }),
  resolveOperation: async () => UNKNOWN,
  escalateOperation: async () => undefined,
  expireHold: async () => ({ stage: 'expired' }),
  standingOfPayment: async () => ({ stage: 'authorized', open: [], settled: false }),
  flagOverdueSettlement: async () => undefined,
};

/** The requests of a client. Each resolves with the step, or rejects with what a validator refused. */
export const ask = {
  pay: ({ handle }: Run) => {
    const request: PayRequest = {
      request: requestRef(),
      operationId: newId(),
      sealedMethod: 'sealed',
      capture: 'manual',
    };
    return handle.executeUpdate(payUpdate, { args: [request] });
  },
  capture: ({ handle }: Run) => {
    const request: CaptureRequest = { request: requestRef(), operationId: newId(), final: false };
    return handle.executeUpdate(captureUpdate, { args: [request] });
  },
  void: ({ handle }: Run) => {
    const request: VoidRequest = { request: requestRef(), operationId: newId() };
    return handle.executeUpdate(voidUpdate, { args: [request] });
  },
  respond: ({ handle }: Run) =>
    handle.executeUpdate(respondUpdate, {
      args: [{ request: requestRef(), method: 'totp', sealedResponse: 'sealed' }],
    }),
  review: ({ handle }: Run) =>
    handle.executeUpdate(reviewUpdate, { args: [{ request: requestRef(), verdict: 'approve', note: 'looked at it' }] }),
};

/** The code that a validator refused with, or `accepted`. */
export async function verdictOn(asked: Promise<unknown>): Promise<string> {
  try {
    await asked;
    return 'accepted';
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) {
      return error.cause.type ?? 'untyped';
    }
    throw error;
  }
}

/** A fake that answers each call with the next of `steps`, and the last one ever after. */
export function oneAfterAnother(...steps: OperationStep[]): () => Promise<OperationStep> {
  let next = 0;
  return async () => steps[Math.min(next++, steps.length - 1)]!;
}

/** The details as the Temporal UI shows them. */
export async function shownDetails({ handle }: Run): Promise<string> {
  const { currentDetails } = await handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
  return currentDetails ?? '';
}

/** The stage as the Temporal UI shows it. */
export async function shownStage(run: Run): Promise<string | undefined> {
  return /^### (\w+)/.exec(await shownDetails(run))?.[1];
}

/** Something that a test lets happen when it wants. */
export function gate(): { opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open: () => open() };
}

/** Asks until it holds, for at most ten seconds. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 10_000; !(await holds());) {
    if (Date.now() > deadline) throw new Error('it did not come true within ten seconds');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
