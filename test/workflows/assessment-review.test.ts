import { randomUUID } from 'node:crypto';
import type { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AssessmentReviewActivities } from '../../src/activities/review/types.ts';
import type { ReviewStanding } from '../../src/domain/review/standing.ts';
import { newId } from '../../src/trust/new-id.ts';
import type { assessmentReview } from '../../src/workflows/index.ts';
import { revokedSignal, voteUpdate } from '../../src/workflows/messages.ts';
import { connectTemporal, type TestTemporal } from '../setup/temporal.ts';
import { eventually, gate, verdictOn } from './rig.ts';

const taskQueue = `test-${randomUUID()}`;
const fakes = new Map<string, Partial<AssessmentReviewActivities>>();
const calls: { name: string; reviewId: string }[] = [];
let temporal: TestTemporal;
let worker: Worker;
let running: Promise<void>;

const standing = (status: ReviewStanding['status'], approvals = 0, waitMs = 60_000): ReviewStanding => ({
  status,
  waitMs,
  votes: { approvals, quorum: 2 },
});
const USUAL: AssessmentReviewActivities = {
  standingOfReview: async () => standing('open'),
  answerAssessmentReview: async () => standing('approved', 2),
  expireAssessmentReview: async () => standing('expired'),
  withdrawAssessment: async () => undefined,
  refineAssessmentReview: async () => undefined,
};

beforeAll(async () => {
  temporal = await connectTemporal();
  const activities = Object.fromEntries(
    (Object.keys(USUAL) as (keyof AssessmentReviewActivities)[]).map((name) => [
      name,
      async (ref: { reviewId: string }, ...args: unknown[]) => {
        calls.push({ name, reviewId: ref.reviewId });
        const fake = (fakes.get(ref.reviewId)?.[name] ?? USUAL[name]) as (...all: unknown[]) => Promise<unknown>;
        return fake(ref, ...args);
      },
    ]),
  );
  worker = await temporal.createWorker({ taskQueue, activities });
  running = worker.run();
});
afterAll(async () => {
  worker.shutdown();
  await running;
  await temporal.close();
});

async function start(fake: Partial<AssessmentReviewActivities>) {
  const reviewId = newId();
  fakes.set(reviewId, fake);
  const handle = await temporal.client.workflow.start<typeof assessmentReview>('assessmentReview', {
    workflowId: `test:${reviewId}`,
    taskQueue,
    args: [{ tenant: { orgId: newId(), mode: 'test' }, reviewId }],
    workflowTaskTimeout: 1_000,
  });
  const request = { key: randomUUID(), fingerprint: 'f', actor: 'test', replyTo: 'test' };
  return {
    handle,
    of: (name: string) => calls.filter((call) => call.name === name && call.reviewId === reviewId),
    vote: () => handle.executeUpdate(voteUpdate, { args: [{ request, verdict: 'approve', note: 'looked' }] }),
  };
}

describe.concurrent('the review of an assessment', () => {
  it('ends with the vote that decides, and not with one before', async () => {
    let votes = 0;
    const { handle, vote, of } = await start({
      answerAssessmentReview: async () => (++votes < 2 ? standing('open', 1) : standing('approved', 2)),
    });
    expect(await vote()).toMatchObject({ status: 'open', votes: { approvals: 1 } });
    expect(await vote()).toMatchObject({ status: 'approved' });
    expect(await handle.result()).toEqual({ status: 'approved' });
    expect(of('expireAssessmentReview')).toEqual([]);
    expect(of('refineAssessmentReview')).toHaveLength(1);
  });

  it('ends when its time is over, and follows what the database says of that', async () => {
    let asked = 0;
    const { handle, of } = await start({
      standingOfReview: async () => standing('open', 0, 50),
      // The first time it is too early by the clock of the database.
      expireAssessmentReview: async () => (++asked === 1 ? standing('open', 0, 50) : standing('expired')),
    });
    expect(await handle.result()).toEqual({ status: 'expired' });
    expect(of('expireAssessmentReview')).toHaveLength(2);
  });

  it('ends by a freeze, and writes the denial', async () => {
    let status: ReviewStanding['status'] = 'open';
    const { handle, of } = await start({ standingOfReview: async () => standing(status) });
    await eventually(() => of('refineAssessmentReview').length === 1);
    status = 'withdrawn';
    await handle.signal(revokedSignal, { reason: 'test' });
    expect(await handle.result()).toEqual({ status: 'withdrawn' });
    expect(of('withdrawAssessment')).toHaveLength(1);
  });

  it('that is over when it is started does nothing', async () => {
    const { handle, of } = await start({ standingOfReview: async () => standing('denied') });
    expect(await handle.result()).toEqual({ status: 'denied' });
    expect(of('refineAssessmentReview')).toEqual([]);
  });

  it('takes votes without the second look, refuses them once it is decided, and ends after the look', async () => {
    const never = gate();
    const { handle, vote, of } = await start({
      refineAssessmentReview: async () => {
        await never.opened;
        return undefined;
      },
    });
    await eventually(() => of('refineAssessmentReview').length === 1);
    expect(await vote()).toMatchObject({ status: 'approved' });
    expect(await verdictOn(vote())).toBe('review_closed');
    never.open();
    expect(await handle.result()).toEqual({ status: 'approved' });
  });

  it('ends by the second look only when the answer says so', async () => {
    const { handle } = await start({ refineAssessmentReview: async () => standing('denied') });
    expect(await handle.result()).toEqual({ status: 'denied' });
  });
});
