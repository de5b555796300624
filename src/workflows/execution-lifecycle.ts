import { allHandlersFinished, condition, log, patched, setHandler } from '@temporalio/workflow';
import type { DecidedExecution } from '../activities/types.ts';
import type {
  AuthorizeInput,
  CaptureRequest,
  ChallengeResponse,
  PayRequest,
  ReviewVerdict,
  VoidRequest,
} from '../domain/messages.ts';
import type { Stage } from '../domain/lifecycle.ts';
import { decision, refinement } from './activities.ts';
import { decideFirst } from './first-decision.ts';
import * as admit from './admission.ts';
import {
  captureUpdate,
  evidenceSignal,
  lookSignal,
  payUpdate,
  respondUpdate,
  reviewUpdate,
  revokedSignal,
  settledSignal,
  voidUpdate,
} from './messages.ts';
import { paymentOf } from './payment.ts';
import { isWithdrawn, startRun } from './run.ts';
import { attributes } from './visibility.ts';

/** What the finished lifecycle reports. */
export interface LifecycleResult {
  stage: Stage;
}

/**
 * One payment that an agent wants to make, from the decision to its settlement. The order of steps and the waits are
 * here and, once the approval is spent, in `payment.ts`; every effect is an activity, and PostgreSQL decides every race:
 * an activity's answer says which stage really holds, and this code follows it.
 */
export async function executionLifecycle(input: AuthorizeInput): Promise<LifecycleResult> {
  const run = startRun(input);
  const { ref, state } = run;
  const payment = paymentOf(run);
  /** The second look at a review: asked for once. */
  let look: 'none' | 'under way' | 'over' = 'none';

  // Handlers first, all of them: a message may arrive before the first step is done.
  setHandler(respondUpdate, respond, {
    description: 'The principal answers the step-up challenge',
    validator: (_: ChallengeResponse) => admit.respond(state),
  });
  setHandler(reviewUpdate, review, {
    description: 'An operator approves or denies',
    validator: (_: ReviewVerdict) => admit.review(state),
  });
  setHandler(payUpdate, payment.pay, {
    description: 'Spend the approval: authorize at a processor',
    validator: (_: PayRequest) => admit.pay(state),
  });
  setHandler(captureUpdate, payment.capture, {
    description: 'Capture held funds',
    validator: (_: CaptureRequest) => admit.capture(state),
  });
  setHandler(voidUpdate, payment.release, {
    description: 'Void what was not captured',
    validator: (_: VoidRequest) => admit.release(state),
  });
  setHandler(revokedSignal, onRevoked, { description: 'Authority was withdrawn' });
  setHandler(evidenceSignal, ({ operationId }) => void run.nudges.add(operationId), {
    description: 'A processor told something about an operation',
  });
  setHandler(settledSignal, onSettled, {
    description: 'Settlement lines were stored',
  });
  setHandler(lookSignal, onLook, { description: 'Another than this workflow changed the payment' });

  follow(await decideFirst(input));
  await live();
  // Nor while the second look is out: ending beside its answer would fail the task, and what the task did with it.
  await condition(() => allHandlersFinished() && state.openOperations === 0 && look !== 'under way');
  return { stage: state.stage };

  /** Waits out each stage until the money is settled or nothing more can happen. */
  async function live(): Promise<void> {
    for (;;) {
      const stage = state.stage;
      switch (stage) {
        case 'challenged':
        case 'in_review':
        case 'approved':
          if (!(await left(stage, run.waitUntil - Date.now())))
            follow(await run.alone(() => decision.expireStage(ref, stage)));
          else if (state.stage === stage) await payment.hearNews();
          break;
        case 'authorizing':
          // Spent, but not by a payment that this run drives: a worker died between its commit and our hearing of it.
          if (state.openOperations === 0) await payment.takeOver();
          else await condition(() => state.stage !== stage || state.openOperations === 0);
          break;
        case 'deciding':
        case 'auth_unknown':
        case 'needs_review':
          await condition(() => state.stage !== stage);
          break;
        case 'authorized':
        case 'partially_captured':
          if (!(await left(stage, payment.hold.wait()))) await payment.hold.next();
          else if (state.stage === stage) await payment.hearNews();
          break;
        case 'captured':
          await payment.settlement();
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

  /** True when the stage was left in time, or there is news; false when its wait is over. */
  async function left(stage: Stage, ms: number): Promise<boolean> {
    return (
      ms > 0 &&
      condition(() => state.stage !== stage || run.news, ms, {
        summary: `${stage}: wait is limited`,
      })
    );
  }

  function onSettled({ complete }: { complete: boolean }): void {
    run.fullySettled = complete;
    run.news = true;
  }

  function onLook(): void {
    run.look = true;
    run.news = true;
  }

  /**
   * Takes over what the database says was decided; an end that was told meanwhile came after it, and so did a payment
   * that was admitted on the strength of this approval before it was heard of here.
   */
  function follow(verdict: DecidedExecution): DecidedExecution {
    if (verdict.stage === 'approved' && admit.isSpent(state.stage)) return verdict;
    state.reasonCode = verdict.reasonCode;
    if (verdict.waitMs !== undefined) run.waitUntil = Date.now() + verdict.waitMs;
    run.enter(verdict.stage, [{ key: attributes.decision, value: verdict.decision }]);
    if (isWithdrawn(run)) close();
    if (state.stage === 'in_review' && look === 'none' && patched('review-refined')) refine();
    return verdict;
  }

  async function respond(response: ChallengeResponse): Promise<DecidedExecution> {
    if (state.stage === 'deciding') await run.decided();
    admit.respond(state);
    return follow(await run.alone(() => decision.answerChallenge(ref, response)));
  }

  /**
   * Like every handler it checks again after it waited, with no await before it acts: of two messages in one task, the
   * second sees what the first has done.
   */
  async function review(verdict: ReviewVerdict): Promise<DecidedExecution> {
    if (state.stage === 'deciding') await run.decided();
    admit.review(state);
    const answer = await run.alone(() => decision.answerReview(ref, verdict));
    // Of votes that come together, one that decided nothing may be heard of after the one that did.
    if (answer.stage === 'in_review' && state.stage !== 'in_review') return answer;
    if (answer.votes) state.votes = answer.votes;
    follow(answer);
    run.show();
    return answer;
  }

  /** Asks for the second look, once, without waiting: the person is asked at the same time. */
  function refine(): void {
    look = 'under way';
    void refinement.refineReview(ref).then(
      (answer) => {
        look = 'over';
        if (answer && state.stage === 'in_review') follow(answer);
      },
      (error: unknown) => {
        look = 'over';
        log.warn('no second look', { error: String(error) });
      },
    );
  }

  function onRevoked({ reason }: { reason: string }): void {
    log.info('authority withdrawn', { reason });
    run.withdrawn = true;
    close();
  }

  /** The row was closed before the signal was sent: the stage it had tells what it has now. */
  function close(): void {
    if (state.stage === 'approved') run.enter('lapsed');
    else if (state.stage === 'challenged' || state.stage === 'in_review') run.enter('denied');
  }
}
