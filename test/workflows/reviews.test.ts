import { describe, expect, it } from 'vitest';
import type { DecidedExecution } from '../../src/activities/types.ts';
import { rigOnDevServer } from './dev-server.ts';
import { ask, decides, eventually, gate, shownStage, TIMERS } from './rig.ts';

const rig = rigOnDevServer();

const stillOpen = (executionId: string, approvals: number): DecidedExecution => ({
  executionId,
  decision: 'review',
  stage: 'in_review',
  waitMs: TIMERS.reviewMs,
  votes: { approvals, quorum: 2 },
});

describe.concurrent('a review', () => {
  it('goes on after a vote that decides nothing yet, and shows it', async () => {
    let votes = 0;
    const run = await rig.lifecycle({
      fakes: {
        evaluatePolicy: decides.review,
        answerReview: async (ref) =>
          ++votes < 2
            ? stillOpen(ref.executionId, votes)
            : { executionId: ref.executionId, decision: 'approved', stage: 'approved', waitMs: TIMERS.tokenMs },
      },
    });
    await ask.review(run);
    const metadata = await run.handle.query<{ currentDetails?: string }>('__temporal_workflow_metadata');
    expect(metadata.currentDetails).toContain('| Approvals | 1 of 2 |');
    expect(await shownStage(run)).toBe('in_review');
    await ask.review(run);
    expect(await shownStage(run)).toBe('approved');
    await run.handle.terminate();
  });

  it('counts votes one at a time, in the order in which they came, however long one takes', async () => {
    const late = gate();
    let votes = 0;
    const run = await rig.lifecycle({
      fakes: {
        evaluatePolicy: decides.review,
        answerReview: async (ref) => {
          if (++votes === 1) {
            await late.opened;
            return stillOpen(ref.executionId, 1);
          }
          return { executionId: ref.executionId, decision: 'approved', stage: 'approved', waitMs: TIMERS.tokenMs };
        },
      },
    });
    const first = ask.review(run);
    await eventually(() => votes === 1);
    const second = ask.review(run);
    // The second has been accepted when the next task of the workflow is over; it waits for the first all the same.
    expect(await Promise.race([second, new Promise((resolve) => setTimeout(resolve, 1_500, 'waits'))])).toBe('waits');
    expect(votes).toBe(1);
    late.open();
    expect(await first).toMatchObject({ stage: 'in_review' });
    expect(await second).toMatchObject({ stage: 'approved' });
    expect(await shownStage(run)).toBe('approved');
    await run.handle.terminate();
  });

  it('is looked at a second time, once, and ends by it only when the answer says so', async () => {
    const decidesIt = await rig.lifecycle({
      fakes: {
        evaluatePolicy: decides.review,
        refineReview: async ({ executionId }) => ({ executionId, decision: 'deny', stage: 'denied' }),
      },
    });
    expect(await decidesIt.handle.result()).toEqual({ stage: 'denied' });
    const informs = await rig.lifecycle({ fakes: { evaluatePolicy: decides.review } });
    await eventually(() => informs.of('refineReview').length === 1);
    expect(await shownStage(informs)).toBe('in_review');
    await informs.handle.terminate();
    const approved = await rig.lifecycle({ fakes: {} });
    expect(approved.of('refineReview')).toEqual([]);
    await approved.handle.terminate();
  });

  it('is decided without the second look, and the run ends once that is over', async () => {
    const never = gate();
    const run = await rig.lifecycle({
      fakes: {
        evaluatePolicy: decides.review,
        answerReview: decides.deny,
        refineReview: async () => {
          await never.opened;
          return undefined;
        },
      },
    });
    await eventually(() => run.of('refineReview').length === 1);
    expect(await ask.review(run)).toMatchObject({ decision: 'deny' });
    expect(await shownStage(run)).toBe('denied');
    never.open();
    expect(await run.handle.result()).toEqual({ stage: 'denied' });
  });
});
