import {
  allHandlersFinished,
  condition,
  log,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { DecidedExecution, ExecutionRef, OperationRef } from '../activities/types.ts';
import { operationIdOfAttempt, toTypeId } from '../domain/ids.ts';
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
import { resolveOperation, type Nudges, type ResolvedStep } from './resolution.ts';
import { attributes } from './visibility.ts';

/** Seven days: the shortest hold that networks grant to online payments with a cardholder present. */
const USUAL_HOLD_MS = 7 * 86_400_000;

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
  /** Settlement lines came; whoever waits looks whether they tell of captures that this run has not heard of. */
  let settlementNews = false;

  // Handlers first, all of them: a message may arrive before the first step is done.
  setHandler(respondUpdate, respond, {
    description: 'The principal answers the step-up challenge',
    validator: (_: ChallengeResponse) => admit.respond(state),
  });
  setHandler(reviewUpdate, review, {
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
  setHandler(settledSignal, onSettled, {
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
          else if (state.stage === stage) await hearOfSettlement();
          break;
        case 'authorizing':
          // Spent, but not by a payment that this run drives: a worker died between its commit and our hearing of it.
          if (state.openOperations === 0) await takeOverPayment();
          else await condition(() => state.stage !== stage || state.openOperations === 0);
          break;
        case 'deciding':
        case 'auth_unknown':
        case 'needs_review':
          await condition(() => state.stage !== stage);
          break;
        case 'authorized':
        case 'partially_captured':
          if (!(await left(stage, waitUntil - Date.now()))) await expireHold();
          else if (state.stage === stage) await hearOfSettlement();
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
    return (
      ms > 0 &&
      condition(() => state.stage !== stage || settlementNews, ms, {
        summary: `${stage}: wait is limited`,
      })
    );
  }

  function onSettled({ complete }: { complete: boolean }): void {
    fullySettled = complete;
    settlementNews = true;
  }

  async function hearOfSettlement(): Promise<void> {
    settlementNews = false;
    if (fullySettled) await takeOverPayment();
  }

  /** Follows the payment as the database has it, and stays with whatever is open there. */
  async function takeOverPayment(): Promise<void> {
    const standing = await evidence.standingOfPayment(ref);
    fullySettled = standing.settled;
    holdUntil(standing.authorizationExpiresAt);
    enter(standing.stage);
    for (const operationId of standing.open) stayWith(resolve(operationId));
  }

  /** The hold's end as the processor dated it; undated holds get what the card networks usually grant. */
  function holdUntil(date: string | undefined): void {
    waitUntil = date ? Date.parse(date) : Date.now() + USUAL_HOLD_MS;
  }

  function stayWith(late: Promise<ResolvedStep>): void {
    void track(late).then((step) => {
      if (step.kind === 'succeeded') onAuthorized(step);
      else if (step.kind === 'failed' && isOpen(state.stage)) enter('failed');
    });
  }

  function isOpen(stage: Stage): boolean {
    return stage === 'auth_unknown' || stage === 'needs_review';
  }

  /** Takes over what the database says was decided. */
  function follow(verdict: DecidedExecution): DecidedExecution {
    state.reasonCode = verdict.reasonCode;
    if (verdict.waitMs !== undefined) waitUntil = Date.now() + verdict.waitMs;
    enter(verdict.stage, [{ key: attributes.decision, value: verdict.decision }]);
    return verdict;
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
    if (state.stage === 'deciding') await decided();
    admit.pay(state);
    const before = { stage: state.stage, waitUntil };
    // No upsert: it would be sent together with the outcome, when this task completes.
    state.stage = 'authorizing';
    let first: OperationStep | undefined;
    const drive = async () => {
      for (let attempt = 1; ; attempt++) {
        const operationId = operationIdOfAttempt(request.operationId, attempt);
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
    holdUntil(step.authorizationExpiresAt);
    enter(step.stage, [
      { key: attributes.processor, value: step.processor ?? '' },
      { key: attributes.payment, value: toTypeId('pay', input.executionId) },
    ]);
  }

  async function respond(response: ChallengeResponse): Promise<DecidedExecution> {
    if (state.stage === 'deciding') await decided();
    admit.respond(state);
    return follow(await decision.answerChallenge(ref, response));
  }

  async function review(verdict: ReviewVerdict): Promise<DecidedExecution> {
    if (state.stage === 'deciding') await decided();
    admit.review(state);
    return follow(await decision.answerReview(ref, verdict));
  }

  /**
   * A message that came while the first decision was on its way waits for it. Every handler then checks again, with no
   * await before it acts: of two messages in one task, the second sees what the first has done.
   */
  async function decided(): Promise<void> {
    await condition(() => state.stage !== 'deciding');
  }

  async function capture(request: CaptureRequest): Promise<OperationStep> {
    if (state.stage === 'deciding') await decided();
    admit.capture(state);
    fullySettled = false;
    return operate(request.operationId, request.request, () => money.capturePayment(ref, request));
  }

  async function release(request: VoidRequest): Promise<OperationStep> {
    if (state.stage === 'deciding') await decided();
    admit.release(state);
    return operate(request.operationId, request.request, () => money.voidPayment(ref, request));
  }

  /** One operation on held funds; its amount stays reserved while the outcome is open. */
  async function operate(
    operationId: string,
    request: RequestRef,
    run: () => Promise<OperationStep>,
  ): Promise<OperationStep> {
    const step = await run();
    if (step.kind === 'succeeded') {
      holdUntil(step.authorizationExpiresAt);
      enter(step.stage);
    }
    if (step.kind === 'unknown' || step.kind === 'pending') {
      void track(resolve(operationId, request)).then((late) => late.kind === 'succeeded' && enter(late.stage));
    }
    return step;
  }

  async function resolve(operationId: string, request?: RequestRef): Promise<ResolvedStep> {
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
}
