import {
  allHandlersFinished,
  ApplicationFailure,
  condition,
  log,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import type { AssessmentReviewActivities, ReviewRef } from '../activities/review/types.ts';
import { toTypeId } from '../domain/ids.ts';
import type { ReviewVerdict } from '../domain/messages.ts';
import type { ReviewStanding } from '../domain/review/standing.ts';
import { revokedSignal, voteUpdate } from './messages.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { attributes } from './visibility.ts';

const reviewing = proxyLocalActivities<
  Pick<
    AssessmentReviewActivities,
    'standingOfReview' | 'answerAssessmentReview' | 'expireAssessmentReview' | 'withdrawAssessment'
  >
>({
  summary: 'the review of an assessment',
  startToCloseTimeout: 30_000,
  localRetryThreshold: 10_000,
  retry: { initialInterval: 100, backoffCoefficient: 2, maximumInterval: 5_000 },
});

/** Slow, beside the person who is asked: given up when it cannot be had. */
const { refineAssessmentReview } = proxyActivities<Pick<AssessmentReviewActivities, 'refineAssessmentReview'>>({
  startToCloseTimeout: 60_000,
  retry: { initialInterval: 1_000, backoffCoefficient: 3, maximumInterval: 60_000, maximumAttempts: 20 },
});

/**
 * An assessment that a person must look at: the second look, the votes, and the end of the time. As in the lifecycle of
 * an execution PostgreSQL decides every race, and this code follows what an activity says.
 */
export async function assessmentReview(ref: ReviewRef): Promise<Pick<ReviewStanding, 'status'>> {
  let standing: ReviewStanding | undefined;
  let waitUntil = 0;
  let news = false;
  let looking = false;
  const alone = oneAtATime();

  setHandler(voteUpdate, vote, {
    description: 'A person approves or denies',
    validator: (_: ReviewVerdict) => {
      if (standing !== undefined && standing.status !== 'open') refuseClosed(standing);
    },
  });
  setHandler(revokedSignal, () => void (news = true), { description: 'A freeze or a revocation ended it' });

  follow(await reviewing.standingOfReview(ref));
  if (isOpen()) refine();
  while (isOpen()) {
    const inTime = await condition(() => !isOpen() || news, Math.max(1, waitUntil - Date.now()), {
      summary: 'the wait for a person is limited',
    });
    if (!isOpen()) break;
    if (!inTime) follow(await alone(() => reviewing.expireAssessmentReview(ref)));
    else {
      news = false;
      follow(await alone(() => reviewing.standingOfReview(ref)));
    }
  }
  if (standing!.status === 'withdrawn') await reviewing.withdrawAssessment(ref);
  // Ending beside the answer of an activity would fail the task, and the vote that it has accepted with it.
  await condition(() => allHandlersFinished() && !looking);
  return { status: standing!.status };

  function isOpen(): boolean {
    return standing?.status === 'open';
  }

  async function vote(verdict: ReviewVerdict): Promise<ReviewStanding> {
    await condition(() => standing !== undefined);
    if (!isOpen()) refuseClosed(standing!);
    return follow(await alone(() => reviewing.answerAssessmentReview(ref, verdict)));
  }

  function refine(): void {
    looking = true;
    void refineAssessmentReview(ref).then(
      (after) => {
        looking = false;
        if (after) follow(after);
      },
      (error: unknown) => {
        looking = false;
        log.warn('no second look', { error: String(error) });
      },
    );
  }

  /** What ended it stays; of votes that come together, one that decided nothing may be heard of last. */
  function follow(now: ReviewStanding): ReviewStanding {
    if (standing !== undefined && !isOpen()) return now;
    const before = standing?.status;
    standing = now;
    waitUntil = Date.now() + now.waitMs;
    if (before !== now.status) {
      upsertSearchAttributes([
        { key: attributes.stage, value: now.status === 'open' ? 'in_review' : now.status },
        { key: attributes.decision, value: decisionOf(now.status) },
      ]);
    }
    setCurrentDetails(describe(ref, now));
    return now;
  }
}

function decisionOf(status: ReviewStanding['status']): string {
  if (status === 'open') return 'review';
  return status === 'approved' ? 'approved' : 'deny';
}

function describe({ reviewId }: ReviewRef, { status, votes }: ReviewStanding): string {
  return [
    `### review: ${status}`,
    '',
    '| | |',
    '| --- | --- |',
    `| Assessment | \`${toTypeId('asmt', reviewId)}\` |`,
    `| Approvals | ${votes.approvals} of ${votes.quorum} |`,
  ].join('\n');
}

function refuseClosed({ status }: ReviewStanding): never {
  throw ApplicationFailure.nonRetryable(`The review is ${status}.`, 'review_closed');
}
