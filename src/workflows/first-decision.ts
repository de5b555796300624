import { ApplicationFailure, isCancellation, TemporalFailure } from '@temporalio/workflow';
import type { DecidedExecution } from '../activities/types.ts';
import type { AuthorizeInput } from '../domain/messages.ts';
import { decision } from './activities.ts';

/**
 * The first step: assess, decide, commit. When it cannot be done within its deadline, the database is asked once more
 * whether the commit happened after all; if not, the workflow ends in failure having done nothing, and a retry of the
 * request under the same key may start it anew (reuse policy: ALLOW_DUPLICATE_FAILED_ONLY, ADR 0003).
 */
export async function decideFirst(input: AuthorizeInput): Promise<DecidedExecution> {
  try {
    const assessment = await decision.assessRisk(input);
    return await decision.evaluatePolicy(input, assessment);
  } catch (error) {
    // What a local activity failed with comes as it is, not wrapped in an ActivityFailure.
    if (isCancellation(error) || !(error instanceof TemporalFailure)) throw error;
    const committed = await decision.findDecision(input);
    if (committed) return committed;
    throw ApplicationFailure.create({
      type: 'service_unavailable',
      message: 'The decision could not be committed in time; nothing was decided.',
      nonRetryable: true,
      cause: error,
    });
  }
}
