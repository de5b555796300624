import { WithStartWorkflowOperation, WorkflowIdReusePolicy, type Client } from '@temporalio/client';
import { TypedSearchAttributes, WorkflowIdConflictPolicy } from '@temporalio/common';
import type { Pool } from 'pg';
import { toTypeId } from '../../domain/ids.ts';
import type { ReviewVerdict } from '../../domain/messages.ts';
import { dateReview, markReviewDriven, type UndrivenReview } from '../../store/reviews/assessment.ts';
import type { assessmentReview } from '../../workflows/index.ts';
import { assessmentReviewWorkflowId } from '../../workflows/identity.ts';
import { revokedSignal, voteUpdate } from '../../workflows/messages.ts';
import { attributes } from '../../workflows/visibility.ts';
import { handOver } from './hand-over.ts';

interface Engine {
  client: Client;
  pool: Pool;
  taskQueue: string;
}

/** A review of an assessment, as it was when somebody voted. */
export type ReviewToVote = UndrivenReview;

type Subject = Omit<UndrivenReview, 'status'>;

function startOf({ tenant, id, agentId, merchantRef, amountMinor }: Subject, taskQueue: string) {
  return {
    workflowId: assessmentReviewWorkflowId(tenant, id),
    taskQueue,
    args: [{ tenant, reviewId: id }] as [{ tenant: Subject['tenant']; reviewId: string }],
    typedSearchAttributes: new TypedSearchAttributes([
      { key: attributes.organization, value: toTypeId('org', tenant.orgId) },
      { key: attributes.stage, value: 'in_review' },
      { key: attributes.decision, value: 'review' },
      { key: attributes.needsAttention, value: false },
      ...(agentId === null ? [] : [{ key: attributes.agent, value: toTypeId('agt', agentId) }]),
      ...(merchantRef === null ? [] : [{ key: attributes.merchant, value: merchantRef }]),
      ...(amountMinor === null ? [] : [{ key: attributes.amountMinor, value: amountMinor }]),
    ]),
    staticSummary: `review of ${toTypeId('asmt', id)}`,
    workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
    workflowTaskTimeout: 3_000,
  };
}

/**
 * Starts the workflow of a review that nobody has, or tells it that the review was ended from outside. Safe to repeat,
 * from several processes at once: a workflow that is started again finds the review closed, and ends.
 * @param reviewMs how long a person may take, from the assessment on
 */
export async function driveReview(
  { client, pool, taskQueue }: Engine,
  review: UndrivenReview,
  reviewMs: number,
): Promise<void> {
  const start = startOf(review, taskQueue);
  await dateReview(pool, review, reviewMs);
  await handOver(client, async () => {
    if (review.status === 'withdrawn') {
      await client.workflow.signalWithStart<typeof assessmentReview, [{ reason: string }]>('assessmentReview', {
        ...start,
        signal: revokedSignal,
        signalArgs: [{ reason: 'stopped' }],
      });
    } else {
      const workflowIdConflictPolicy = WorkflowIdConflictPolicy.USE_EXISTING;
      await client.workflow.start<typeof assessmentReview>('assessmentReview', { ...start, workflowIdConflictPolicy });
    }
  });
  await markReviewDriven(pool, review, new Date());
}

/** A vote, to the workflow of the review; where none runs yet, it is started with it. */
export async function sendVote(
  { client, taskQueue }: Pick<Engine, 'client' | 'taskQueue'>,
  review: Subject,
  verdict: ReviewVerdict,
): Promise<unknown> {
  const { request } = verdict;
  const startWorkflowOperation = new WithStartWorkflowOperation<typeof assessmentReview>('assessmentReview', {
    ...startOf(review, taskQueue),
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
  });
  return client.workflow.executeUpdateWithStart(voteUpdate, {
    args: [verdict],
    updateId: `${request.key}:${request.fingerprint.slice(0, 16)}`,
    startWorkflowOperation,
  });
}
