import { afterAll, describe, expect, it } from 'vitest';
import type { Stage } from '../../src/domain/lifecycle.ts';
import { evidenceSignal, revokedSignal, settledSignal } from '../../src/workflows/messages.ts';
import { rigOnDevServer } from './dev-server.ts';
import {
  ask,
  decides,
  DECLINED,
  eventually,
  gate,
  shownStage,
  SUCCEEDED,
  UNKNOWN,
  verdictOn,
  type Fakes,
  type Run,
} from './rig.ts';

const rig = rigOnDevServer();

type Message = keyof typeof ask;
type Verdicts = Partial<Record<Message, string>>;

const NOTHING_TO_ANSWER = { respond: 'challenge_expired', review: 'review_closed' };
const NOTHING_HELD = { capture: 'invalid_payment_state', void: 'invalid_payment_state' };
const SPENT = { ...NOTHING_TO_ANSWER, pay: 'execution_token_used' };

/** An execution that stays in a stage, as long as the test wants. */
interface Standing {
  stage: Stage;
  fakes?: Fakes;
  timers?: { unknownDeadlineMs: number; visibilityLagMs: number };
  /** Brings it there. */
  how?: (this: void, run: Run) => Promise<unknown>;
  refused: Verdicts;
}

/** A worker does not stop while an activity hangs. */
const end = gate();
afterAll(() => end.open());
const hangs = async () => {
  await end.opened;
  return UNKNOWN;
};

const STANDINGS: Standing[] = [
  {
    stage: 'challenged',
    fakes: { evaluatePolicy: decides.challenge },
    refused: { review: 'review_closed', ...NOTHING_HELD },
  },
  {
    stage: 'in_review',
    fakes: { evaluatePolicy: decides.review },
    refused: { respond: 'challenge_expired', ...NOTHING_HELD },
  },
  { stage: 'approved', refused: NOTHING_TO_ANSWER },
  {
    stage: 'authorizing',
    fakes: { authorizePayment: hangs },
    how: async (run) => {
      void ask.pay(run).catch(() => undefined);
      // Recorded with the next heartbeat of the task.
      await eventually(async () => (await acceptedUpdates(run)) === 1);
    },
    refused: SPENT,
  },
  {
    stage: 'auth_unknown',
    fakes: { authorizePayment: async () => UNKNOWN },
    how: (run) => ask.pay(run),
    refused: SPENT,
  },
  {
    stage: 'needs_review',
    fakes: { authorizePayment: async () => UNKNOWN },
    timers: { unknownDeadlineMs: 1, visibilityLagMs: 50 },
    how: async (run) => {
      await ask.pay(run);
      await eventually(() => run.of('escalateOperation').length === 1);
    },
    refused: SPENT,
  },
  { stage: 'authorized', how: (run) => ask.pay(run), refused: SPENT },
  {
    stage: 'partially_captured',
    fakes: { capturePayment: async () => ({ kind: 'succeeded', stage: 'partially_captured' }) },
    how: async (run) => (await ask.pay(run), ask.capture(run)),
    refused: SPENT,
  },
  {
    stage: 'captured',
    how: async (run) => (await ask.pay(run), ask.capture(run)),
    refused: { ...SPENT, capture: 'amount_exceeds_capturable', void: 'invalid_payment_state' },
  },
];

async function acceptedUpdates({ handle }: Run): Promise<number> {
  const { events } = await handle.fetchHistory();
  return events!.filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes).length;
}

describe.concurrent('a message at the wrong time is refused, and leaves no trace', () => {
  it.each(STANDINGS)('$stage', async ({ stage, fakes = {}, timers, how, refused }) => {
    const run = await rig.lifecycle({ fakes, timers });
    await how?.(run);
    const before = await acceptedUpdates(run);
    const asked = Object.keys(refused) as Message[];
    const verdicts = await Promise.all(asked.map((message) => verdictOn(ask[message](run))));
    expect(Object.fromEntries(asked.map((message, index) => [message, verdicts[index]]))).toEqual(refused);
    expect(await acceptedUpdates(run)).toBe(before);
    // A stage that ends within its task is not shown.
    expect(stage === 'authorizing' ? stage : await shownStage(run)).toBe(stage);
    await run.handle.terminate();
  });

  it('while one at the right time is accepted, and told in the history', async () => {
    const run = await rig.lifecycle({ fakes: { evaluatePolicy: decides.challenge } });
    expect(await verdictOn(ask.respond(run))).toBe('accepted');
    expect(await acceptedUpdates(run)).toBe(1);
    await run.handle.terminate();
  });
});

describe.concurrent('a message that comes before the engine has recorded the decision', () => {
  async function meanwhile<T>(decides: NonNullable<Fakes['evaluatePolicy']>, asking: (run: Run) => Promise<T>) {
    const database = gate();
    const evaluatePolicy: Fakes['evaluatePolicy'] = async (input, risk) => {
      await database.opened;
      return decides(input, risk);
    };
    const run = await rig.lifecycle({ fakes: { evaluatePolicy }, undecided: true });
    await eventually(() => run.of('evaluatePolicy').length === 1);
    const asked = asking(run);
    await new Promise((resolve) => setTimeout(resolve, 100));
    database.open();
    const answer = await asked;
    await run.handle.terminate();
    return answer;
  }

  it('waits for it, and goes on', async () => {
    expect(await meanwhile(decides.approved, ask.pay)).toMatchObject({ kind: 'succeeded', stage: 'authorized' });
  });

  it('waits for it, and is refused then', async () => {
    expect(await meanwhile(decides.challenge, (run) => verdictOn(ask.capture(run)))).toBe('invalid_payment_state');
    expect(await meanwhile(decides.approved, (run) => verdictOn(ask.respond(run)))).toBe('challenge_expired');
  });
});

describe.concurrent('a decision that somebody is asked for', () => {
  it('may be spent before it is heard of, for who pays has its token; and is not taken back by what is heard', async () => {
    const database = gate();
    const answerReview: Fakes['answerReview'] = async ({ executionId }) => {
      await database.opened;
      return { executionId, decision: 'approved', stage: 'approved', waitMs: 60_000 };
    };
    const run = await rig.lifecycle({ fakes: { evaluatePolicy: decides.review, answerReview } });
    const voting = ask.review(run);
    await eventually(() => run.of('answerReview').length === 1);
    const paying = ask.pay(run);
    await new Promise((resolve) => setTimeout(resolve, 100));
    database.open();
    expect(await voting).toMatchObject({ stage: 'approved' });
    expect(await paying).toMatchObject({ kind: 'succeeded', stage: 'authorized' });
    expect(await shownStage(run)).toBe('authorized');
    await run.handle.terminate();
  });

  it('that does not hold in the database is refused there, and goes on waiting', async () => {
    const authorizePayment: Fakes['authorizePayment'] = async () => ({
      kind: 'refused',
      code: 'challenge_required',
      detail: 'not yet',
    });
    const run = await rig.lifecycle({ fakes: { evaluatePolicy: decides.challenge, authorizePayment } });
    expect(await ask.pay(run)).toMatchObject({ kind: 'refused', code: 'challenge_required' });
    expect(await shownStage(run)).toBe('challenged');
    expect(await ask.respond(run)).toMatchObject({ decision: 'approved' });
    await run.handle.terminate();
  });

  it('is taken over from the answer to the challenge', async () => {
    const run = await rig.lifecycle({ fakes: { evaluatePolicy: decides.challenge } });
    expect(await ask.respond(run)).toMatchObject({ decision: 'approved' });
    expect(await ask.pay(run)).toMatchObject({ stage: 'authorized' });
    await run.handle.terminate();
  });

  it('stays open after a wrong answer, and is over after the last', async () => {
    let left = 3;
    const run = await rig.lifecycle({
      fakes: {
        evaluatePolicy: decides.challenge,
        answerChallenge: async ({ executionId }) => ({
          executionId,
          decision: --left > 0 ? 'challenge' : 'deny',
          stage: left > 0 ? 'challenged' : 'denied',
          reasonCode: 'challenge_required',
        }),
      },
    });
    await ask.respond(run);
    await ask.respond(run);
    expect((await run.handle.describe()).status.name).toBe('RUNNING');
    expect(await ask.respond(run)).toMatchObject({ decision: 'deny' });
    expect(await run.handle.result()).toEqual({ stage: 'denied' });
  });

  it('is taken over from an operator', async () => {
    const run = await rig.lifecycle({ fakes: { evaluatePolicy: decides.review, answerReview: decides.deny } });
    expect(await ask.review(run)).toMatchObject({ decision: 'deny' });
    expect(await run.handle.result()).toEqual({ stage: 'denied' });
  });
});

describe.concurrent('a revocation', () => {
  it.each([
    ['challenged', { evaluatePolicy: decides.challenge }, 'denied'],
    ['in_review', { evaluatePolicy: decides.review }, 'denied'],
    ['approved', {}, 'lapsed'],
  ] as const)('ends the wait of an execution that is %s, at once', async (_, fakes, end) => {
    const run = await rig.lifecycle({ fakes });
    await run.handle.signal(revokedSignal, { reason: 'the agent was replaced' });
    expect(await run.handle.result()).toEqual({ stage: end });
    expect(run.of('expireStage')).toEqual([]);
  });

  it('does not take back money that is held already', async () => {
    const run = await rig.lifecycle({ fakes: {} });
    await ask.pay(run);
    await run.handle.signal(revokedSignal, { reason: 'the agent was replaced' });
    expect(await ask.void(run)).toMatchObject({ stage: 'voided' });
    expect(await run.handle.result()).toEqual({ stage: 'voided' });
  });
});

describe.concurrent('a lifecycle that lost a step to a dying worker', () => {
  it('takes over the payment as the database has it, and its open operation', async () => {
    const run = await rig.lifecycle({
      fakes: {
        evaluatePolicy: async ({ executionId }) => ({ executionId, decision: 'approved', stage: 'authorizing' }),
        standingOfPayment: async () => ({ stage: 'auth_unknown', open: ['operation'], settled: false }),
        resolveOperation: async () => SUCCEEDED,
      },
      timers: { visibilityLagMs: 50 },
    });
    await eventually(async () => (await shownStage(run)) === 'authorized');
    expect(run.of('resolveOperation').map((call) => call.args[0])).toMatchObject([{ operationId: 'operation' }]);
    expect(run.of('authorizePayment')).toEqual([]);
    await run.handle.terminate();
  });
});

describe.concurrent('an operation taken over that failed', () => {
  it('ends the lifecycle, also when a person was asked meanwhile', async () => {
    const run: Run = await rig.lifecycle({
      fakes: {
        evaluatePolicy: async ({ executionId }) => ({ executionId, decision: 'approved', stage: 'authorizing' }),
        standingOfPayment: async () => ({ stage: 'auth_unknown', open: ['operation'], settled: false }),
        resolveOperation: async () => (run.of('escalateOperation').length > 0 ? DECLINED : UNKNOWN),
      },
      timers: { visibilityLagMs: 50, unknownDeadlineMs: 1 },
    });
    await eventually(async () => (await shownStage(run)) === 'needs_review');
    await run.handle.signal(evidenceSignal, { operationId: 'operation' });
    expect(await run.handle.result()).toEqual({ stage: 'failed' });
  });
});

describe.concurrent('a settlement', () => {
  it.each(['approved', 'authorized'] as const)(
    'of captures that a run in stage %s never heard of is looked up',
    async (stage) => {
      const run = await rig.lifecycle({
        fakes: { standingOfPayment: async () => ({ stage: 'captured', open: [], settled: true }) },
      });
      if (stage === 'authorized') await ask.pay(run);
      await run.handle.signal(settledSignal, { complete: false });
      expect(await shownStage(run)).toBe(stage);
      await run.handle.signal(settledSignal, { complete: true });
      expect(await run.handle.result()).toEqual({ stage: 'settled' });
      expect(run.of('standingOfPayment')).toHaveLength(1);
    },
  );

  it('ends the lifecycle when it is complete', async () => {
    const run = await rig.lifecycle({ fakes: {} });
    await ask.pay(run);
    await ask.capture(run);
    await run.handle.signal(settledSignal, { complete: false });
    expect((await run.handle.describe()).status.name).toBe('RUNNING');
    await run.handle.signal(settledSignal, { complete: true });
    expect(await run.handle.result()).toEqual({ stage: 'settled' });
    expect(run.of('flagOverdueSettlement')).toEqual([]);
  });
});
