import { condition, patched, sleep, upsertSearchAttributes } from '@temporalio/workflow';
import type { OperationRef } from '../activities/types.ts';
import { operationIdOfAttempt, toTypeId } from '../domain/ids.ts';
import type { CaptureRequest, OperationStep, PayRequest, RequestRef, VoidRequest } from '../domain/messages.ts';
import type { Stage } from '../domain/lifecycle.ts';
import { evidence, money } from './activities.ts';
import * as admit from './admission.ts';
import { holdOf } from './hold.ts';
import { ATTENTION_ENDS, resolveOperation, type ResolvedStep } from './resolution.ts';
import { isWithdrawn, type LifecycleRun } from './run.ts';
import { attributes } from './visibility.ts';

type Succeeded = Extract<OperationStep, { kind: 'succeeded' }>;

/** The second half of a lifecycle: from the spent approval to the settled money. */
export function paymentOf(run: LifecycleRun) {
  const { input, ref, state } = run;
  const { timers } = input;
  /** Operations that this run drives or whose outcome it awaits. */
  const followed = new Set<string>();
  /** Operations that a person was asked about and whose outcome is open. */
  let awaited = 0;
  const hold = holdOf(run, { operate: (operationId, act) => operate(operationId, undefined, act), expire: expireHold });
  return { pay, capture, release, takeOver, hearNews, hold, settlement };

  /** Follows the payment as the database has it, and stays with whatever is open there. */
  async function takeOver(): Promise<void> {
    const standing = await evidence.standingOfPayment(ref);
    run.fullySettled = standing.settled;
    hold.dated(standing.authorizationExpiresAt);
    run.enter(standing.stage);
    for (const operationId of standing.open) if (!followed.has(operationId)) stayWith(operationId);
  }

  async function hearNews(): Promise<void> {
    const { look } = run;
    run.news = false;
    run.look = false;
    if (run.fullySettled || look) await takeOver();
  }

  async function following<T>(operationId: string, work: Promise<T>): Promise<T> {
    followed.add(operationId);
    try {
      return await work;
    } finally {
      followed.delete(operationId);
    }
  }

  function stayWith(operationId: string): void {
    void run.track(following(operationId, resolve(operationId))).then((step) => {
      if (step.kind === 'succeeded') {
        onAuthorized(step);
        giveBackRest(step);
      } else if (step.kind === 'failed' && isOpen(state.stage)) run.enter('failed');
    });
  }

  /** The outcome has reserved another operation. */
  function giveBackRest({ giveBack }: Succeeded): void {
    if (giveBack && !followed.has(giveBack)) stayWith(giveBack);
  }

  function isOpen(stage: Stage): boolean {
    return stage === 'auth_unknown' || stage === 'needs_review';
  }

  /**
   * Attempts go on, one processor after another, only while the outcome of each is known. The update answers with the
   * first thing known; an unknown outcome is resolved afterwards, in the background.
   */
  async function pay(request: PayRequest): Promise<OperationStep> {
    if (state.stage === 'deciding') await run.decided();
    admit.pay(state);
    const before = { stage: state.stage, waitUntil: run.waitUntil };
    // No upsert: it would be sent together with the outcome, when this task completes.
    state.stage = 'authorizing';
    let first: OperationStep | undefined;
    const drive = async () => {
      for (let attempt = 1; ; attempt++) {
        const operationId = operationIdOfAttempt(request.operationId, attempt);
        const step = await following(operationId, oneAttempt(operationId, attempt));
        if (step.kind === 'failed' && step.failover) continue;
        if (step.kind === 'succeeded') onAuthorized(step.giveBack ? await handBack(step, step.giveBack) : step);
        else if (step.kind === 'failed') run.enter('failed');
        else if (step.kind === 'refused') returnTo(before);
        return step;
      }
    };
    /** Granted in part and not accepted: declined once the money is back, and held until it expires if it cannot be. */
    const handBack = async (granted: Succeeded, operationId: string): Promise<Succeeded> => {
      let step = await following(
        operationId,
        run.alone(() => money.giveBack(ref, request.request, operationId)),
      );
      if (step.kind === 'unknown' || step.kind === 'pending') {
        first ??= step;
        run.enter('auth_unknown');
        step = await following(operationId, resolve(operationId, request.request));
      }
      return step.kind === 'succeeded' ? step : granted;
    };
    const oneAttempt = async (operationId: string, attempt: number): Promise<OperationStep> => {
      const step = await run.alone(() => money.authorizePayment(ref, { ...request, operationId }, attempt));
      if (step.kind !== 'unknown' && step.kind !== 'pending') return step;
      first ??= step;
      run.enter('auth_unknown');
      return resolve(operationId, request.request);
    };
    void run.track(drive()).then((step) => (first ??= step));
    await condition(() => first !== undefined);
    return first!;
  }

  /** Our own rules refused before anything was sent: the approval stands as it stood, if it still does. */
  function returnTo(before: { stage: Stage; waitUntil: number }): void {
    run.waitUntil = before.waitUntil;
    run.enter(isWithdrawn(run) ? 'lapsed' : before.stage);
  }

  function onAuthorized(step: Succeeded): void {
    hold.dated(step.authorizationExpiresAt);
    run.enter(step.stage, [
      { key: attributes.processor, value: step.processor ?? '' },
      { key: attributes.payment, value: toTypeId('pay', input.executionId) },
    ]);
  }

  async function capture(request: CaptureRequest): Promise<OperationStep> {
    if (state.stage === 'deciding') await run.decided();
    admit.capture(state);
    run.fullySettled = false;
    return operate(request.operationId, request.request, () => money.capturePayment(ref, request));
  }

  async function release(request: VoidRequest): Promise<OperationStep> {
    if (state.stage === 'deciding') await run.decided();
    admit.release(state);
    return operate(request.operationId, request.request, () => money.voidPayment(ref, request));
  }

  /** One operation on held funds; its amount stays reserved while the outcome is open. */
  async function operate(
    operationId: string,
    request: RequestRef | undefined,
    act: () => Promise<OperationStep>,
  ): Promise<OperationStep> {
    const step = await following(operationId, run.alone(act));
    if (step.kind === 'succeeded') {
      if (step.renewal !== 'in_part') hold.dated(step.authorizationExpiresAt);
      run.enter(step.stage);
      // A renewal's is carried out at once, by whoever asked for it.
      if (!step.renewal) giveBackRest(step);
    }
    if (step.kind === 'unknown' || step.kind === 'pending') {
      const later = following(operationId, resolve(operationId, request));
      void run.track(later).then(onLate);
    }
    return step;
  }

  function onLate(late: ResolvedStep): void {
    if (late.kind !== 'succeeded') return;
    if (late.renewal === 'stands') hold.dated(late.authorizationExpiresAt);
    run.enter(late.stage);
    if (!late.renewal) giveBackRest(late);
    else if (late.giveBack && !followed.has(late.giveBack)) void run.track(hold.letGo(late.giveBack));
  }

  async function resolve(operationId: string, request?: RequestRef): Promise<ResolvedStep> {
    const operation: OperationRef = {
      tenant: input.tenant,
      paymentId: input.executionId,
      operationId,
      visibilityLagMs: timers.visibilityLagMs,
      reply: request,
    };
    let escalated = false;
    const step = await resolveOperation(operation, timers, run.nudges, () => {
      escalated = true;
      awaited++;
      if (state.stage === 'auth_unknown') run.enter('needs_review', [{ key: attributes.needsAttention, value: true }]);
      else upsertSearchAttributes([{ key: attributes.needsAttention, value: true }]);
    });
    // Lifecycles from before this was said ended with the flag up.
    if (escalated && --awaited === 0 && patched(ATTENTION_ENDS)) {
      upsertSearchAttributes([{ key: attributes.needsAttention, value: false }]);
    }
    return step;
  }

  async function expireHold(): Promise<void> {
    if (state.openOperations > 0) {
      await condition(() => state.openOperations === 0);
      return;
    }
    const { stage, authorizationExpiresAt } = await evidence.expireHold(ref, new Date(run.waitUntil).toISOString());
    if (authorizationExpiresAt) hold.dated(authorizationExpiresAt);
    else if (stage === state.stage) run.waitUntil = Date.now() + timers.visibilityLagMs;
    else run.enter(stage);
  }

  async function settlement(): Promise<void> {
    // Not `condition` with a timeout: it would cancel its timer, one more event, when the workflow ends anyway.
    await Promise.race([
      condition(() => run.fullySettled),
      sleep(timers.settlementMs, { summary: 'settlement is expected' }),
    ]);
    if (run.fullySettled) run.enter('settled');
    else await evidence.flagOverdueSettlement(ref);
  }
}
