import {
  allHandlersFinished,
  condition,
  log,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
  uuid4,
} from '@temporalio/workflow';
import type { DecidedExecution, ExecutionRef, OperationRef } from '../activities/types.ts';
import { random74FromHex, toTypeId, uuidV7 } from '../domain/ids.ts';
import type {
  AuthorizeInput,
  CaptureRequest,
  ChallengeResponse,
  OperationStep,
  PayRequest,
  RequestRef,
  ReviewVerdict,
  VoidRequest,
} from '../domain/messages.ts';
import type { Stage } from '../domain/lifecycle.ts';
import { decision, evidence, money } from './activities.ts';
import { decideFirst } from './first-decision.ts';
import * as admit from './admission.ts';
import { describeLifecycle } from './details.ts';
import {
  captureUpdate,
  evidenceSignal,
  payUpdate,
  respondUpdate,
  reviewUpdate,
  revokedSignal,
  settledSignal,
  voidUpdate,
} from './messages.ts';
import { resolveOperation, type Nudges } from './resolution.ts';
import { attributes } from './visibility.ts';

/** What the finished lifecycle reports. */
export interface LifecycleResult {
  stage: Stage;
}

/**
 * One payment that an agent wants to make, from the decision to its settlement. The order of steps and the waits are
 * here; every effect is an activity, and PostgreSQL decides every race: an activity's answer says which stage really
 * holds, and this code follows it.
 */
export async function executionLifecycle(input: AuthorizeInput): Promise<LifecycleResult> {
  const { timers } = input;
  const ref: ExecutionRef = { tenant: input.tenant, executionId: input.executionId, timers };
  const nudges: Nudges = new Set();
  const state: admit.LifecycleState = { stage: 'deciding', openOperations: 0 };
  /** When the wait of the present stage ends, in workflow time. */
  let waitUntil = 0;
  let fullySettled = false;

  // Handlers first, all of them: a message may arrive before the first step is done.
  setHandler(respondUpdate, async (response) => follow(await decision.answerChallenge(ref, response)), {
    description: 'The principal answers the step-up challenge',
    validator: (_: ChallengeResponse) => admit.respond(state),
  });
  setHandler(reviewUpdate, async (verdict) => follow(await decision.answerReview(ref, verdict)), {
    description: 'An operator approves or denies',
    validator: (_: ReviewVerdict) => admit.review(state),
  });
  setHandler(payUpdate, pay, {
    description: 'Spend the approval: authorize at a processor',
    validator: (_: PayRequest) => admit.pay(state),
  });
  setHandler(captureUpdate, capture, {
    description: 'Capture held funds',
    validator: (_: CaptureRequest) => admit.capture(state),
  });
  setHandler(voidUpdate, release, {
    description: 'Void what was not captured',
    validator: (_: VoidRequest) => admit.release(state),
  });
  setHandler(revokedSignal, onRevoked, { description: 'Authority was withdrawn' });
  setHandler(evidenceSignal, ({ operationId }) => void nudges.add(operationId), {
    description: 'A processor told something about an operation',
  });
  setHandler(settledSignal, ({ complete }) => void (fullySettled ||= complete), {
    description: 'Settlement lines were stored',
  });

  follow(await decideFirst(input));
  await live();
  await condition(() => allHandlersFinished() && state.openOperations === 0);
  return { stage: state.stage };

  /** Waits out each stage until the money is settled or nothing more can happen. */
  async function live(): Promise<void> {
    for (;;) {
      const stage = state.stage;
      switch (stage) {
        case 'challenged':
        case 'in_review':
        case 'approved':
          if (!(await left(stage, waitUntil - Date.now()))) follow(await decision.expireStage(ref, stage));
          break;
        case 'deciding':
        case 'authorizing':
        case 'auth_unknown':
        case 'needs_review':
          await condition(() => state.stage !== stage);
          break;
        case 'authorized':
        case 'partially_captured':
          if (!(await left(stage, waitUntil - Date.now()))) await expireHold();
          break;
        case 'captured':
          await settlement();
          return;
        case 'denied':
        case 'lapsed':
        case 'voided':
        case 'expired':
        case 'failed':
        case 'settled':
          return;
      }
    }
  }

  /** True when the stage was left in time, false when its wait is over. */
  async function left(stage: Stage, ms: number): Promise<boolean> {
    return ms > 0 && condition(() => state.stage !== stage, ms, { summary: `${stage}: wait is limited` });
  }

  /** Takes over what the database says was decided. */
  function follow(decided: DecidedExecution): DecidedExecution {
    state.reasonCode = decided.reasonCode;
    if (decided.waitMs !== undefined) waitUntil = Date.now() + decided.waitMs;
    enter(decided.stage, [{ key: attributes.decision, value: decided.decision }]);
    return decided;
  }

  function enter(stage: Stage, more: Parameters<typeof upsertSearchAttributes>[0] = []): void {
    if (stage === state.stage) return;
    state.stage = stage;
    upsertSearchAttributes([{ key: attributes.stage, value: stage }, ...(more as [])]);
    setCurrentDetails(describeLifecycle(input, state));
  }

  /**
   * Attempts go on, one processor after another, only while the outcome of each is known. The update answers with the
   * first thing known; an unknown outcome is resolved afterwards, in the background.
   */
  async function pay(request: PayRequest): Promise<OperationStep> {
    const before = { stage: state.stage, waitUntil };
    // No upsert: it would be sent together with the outcome, when this task completes.
    state.stage = 'authorizing';
    let first: OperationStep | undefined;
    const drive = async () => {
      for (let attempt = 1; ; attempt++) {
        const operationId = attempt === 1 ? request.operationId : newOperationId();
        let step: OperationStep = await money.authorizePayment(ref, { ...request, operationId }, attempt);
        if (step.kind === 'unknown' || step.kind === 'pending') {
          first ??= step;
          enter('auth_unknown');
          step = await resolve(operationId, request.request);
        }
        if (step.kind === 'failed' && step.failover) continue;
        if (step.kind === 'succeeded') onAuthorized(step);
        else if (step.kind === 'failed') enter('failed');
        else if (step.kind === 'refused') returnTo(before);
        return step;
      }
    };
    void track(drive()).then((step) => (first ??= step));
    await condition(() => first !== undefined);
    return first!;
  }

  /** Our own rules refused before anything was sent: the approval stands as it stood, if it still does. */
  function returnTo(before: { stage: Stage; waitUntil: number }): void {
    waitUntil = before.waitUntil;
    enter(before.stage);
  }

  function onAuthorized(step: Extract<OperationStep, { kind: 'succeeded' }>): void {
    if (step.authorizationExpiresAt) waitUntil = Date.parse(step.authorizationExpiresAt);
    enter(step.stage, [
      { key: attributes.processor, value: step.processor ?? '' },
      { key: attributes.payment, value: toTypeId('pay', input.executionId) },
    ]);
  }

  async function capture(request: CaptureRequest): Promise<OperationStep> {
    return operate(request.operationId, request.request, () => money.capturePayment(ref, request));
  }

  async function release(request: VoidRequest): Promise<OperationStep> {
    return operate(request.operationId, request.request, () => money.voidPayment(ref, request));
  }

  /** One operation on held funds; its amount stays reserved while the outcome is open. */
  async function operate(
    operationId: string,
    request: RequestRef,
    run: () => Promise<OperationStep>,
  ): Promise<OperationStep> {
    const step = await run();
    if (step.kind === 'succeeded') enter(step.stage);
    if (step.kind === 'unknown' || step.kind === 'pending') {
      void track(resolve(operationId, request)).then((late) => late.kind === 'succeeded' && enter(late.stage));
    }
    return step;
  }

  async function resolve(operationId: string, request: RequestRef) {
    const operation: OperationRef = {
      tenant: input.tenant,
      paymentId: input.executionId,
      operationId,
      visibilityLagMs: timers.visibilityLagMs,
      reply: request,
    };
    return resolveOperation(operation, timers, nudges, () => {
      if (state.stage === 'auth_unknown') enter('needs_review', [{ key: attributes.needsAttention, value: true }]);
      else upsertSearchAttributes([{ key: attributes.needsAttention, value: true }]);
    });
  }

  async function expireHold(): Promise<void> {
    if (state.openOperations > 0) {
      await condition(() => state.openOperations === 0);
      return;
    }
    const { stage } = await evidence.expireHold(ref);
    if (stage === state.stage) waitUntil = Date.now() + timers.visibilityLagMs;
    else enter(stage);
  }

  async function settlement(): Promise<void> {
    // Not `condition` with a timeout: it would cancel its timer, one more event, when the workflow ends anyway.
    await Promise.race([
      condition(() => fullySettled),
      sleep(timers.settlementMs, { summary: 'settlement is expected' }),
    ]);
    if (fullySettled) enter('settled');
    else await evidence.flagOverdueSettlement(ref);
  }

  function onRevoked({ reason }: { reason: string }): void {
    log.info('authority withdrawn', { reason });
    if (state.stage === 'approved') enter('lapsed');
    else if (state.stage === 'challenged' || state.stage === 'in_review') enter('denied');
  }

  async function track<T>(work: Promise<T>): Promise<T> {
    state.openOperations++;
    try {
      return await work;
    } finally {
      state.openOperations--;
    }
  }

  function newOperationId(): string {
    return uuidV7(Date.now(), random74FromHex(uuid4().replaceAll('-', '')));
  }
}
