import { describe, expect, it } from 'vitest';
import type { Stage } from '../../src/domain/lifecycle.ts';
import { revokedSignal, settledSignal } from '../../src/workflows/messages.ts';
import { rigOnDevServer } from './dev-server.ts';
import { ask, decides, eventually, gate, shownStage, UNKNOWN, verdictOn, type Fakes, type Run } from './rig.ts';

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
  how?(run: Run): Promise<unknown>;
  refused: Verdicts;
}

const never = gate();
const hangs = async () => {
  await never.opened;
  return UNKNOWN;
};

const STANDINGS: Standing[] = [
  {
    stage: 'deciding',
    fakes: { evaluatePolicy: async (input) => (await hangs(), decides.approved(input)) },
    refused: { ...NOTHING_TO_ANSWER, ...NOTHING_HELD, pay: 'challenge_required' },
  },
  {
    stage: 'challenged',
    fakes: { evaluatePolicy: decides.challenge },
    refused: { review: 'review_closed', pay: 'challenge_required', ...NOTHING_HELD },
  },
  {
    stage: 'in_review',
    fakes: { evaluatePolicy: decides.review },
    refused: { respond: 'challenge_expired', pay: 'risk_elevated', ...NOTHING_HELD },
  },
  { stage: 'approved', refused: { ...NOTHING_TO_ANSWER, ...NOTHING_HELD } },
  {
    stage: 'authorizing',
    fakes: { authorizePayment: hangs },
    how: async (run) => {
      void ask.pay(run).catch(() => undefined);
      // Recorded with the next heartbeat of the task.
      await eventually(async () => (await acceptedUpdates(run)) === 1);
    },
    refused: { ...SPENT, ...NOTHING_HELD },
  },
  {
    stage: 'auth_unknown',
    fakes: { authorizePayment: async () => UNKNOWN },
    how: (run) => ask.pay(run),
    refused: { ...SPENT, ...NOTHING_HELD },
  },
  {
    stage: 'needs_review',
    fakes: { authorizePayment: async () => UNKNOWN },
    timers: { unknownDeadlineMs: 1, visibilityLagMs: 50 },
    how: async (run) => {
      await ask.pay(run);
      await eventually(() => run.of('escalateOperation').length === 1);
    },
    refused: { ...SPENT, ...NOTHING_HELD },
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
    const run = await rig.lifecycle({ fakes, timers, undecided: stage === 'deciding' });
    await how?.(run);
    const before = await acceptedUpdates(run);
    const asked = Object.keys(refused) as Message[];
    const verdicts = await Promise.all(asked.map((message) => verdictOn(ask[message](run))));
    expect(Object.fromEntries(asked.map((message, index) => [message, verdicts[index]]))).toEqual(refused);
    expect(await acceptedUpdates(run)).toBe(before);
    // A stage that ends within its task is not shown.
    if (stage !== 'deciding' && stage !== 'authorizing') expect(await shownStage(run)).toBe(stage);
    await run.handle.terminate();
  });

  it('while one at the right time is accepted, and told in the history', async () => {
    const run = await rig.lifecycle({ fakes: { evaluatePolicy: decides.challenge } });
    expect(await verdictOn(ask.respond(run))).toBe('accepted');
    expect(await acceptedUpdates(run)).toBe(1);
    await run.handle.terminate();
  });
});

describe.concurrent('a decision that somebody is asked for', () => {
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

describe.concurrent('a settlement', () => {
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
