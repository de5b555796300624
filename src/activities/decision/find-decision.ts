import type { AuthorizeInput } from '../../domain/messages.ts';
import type { ActivityDeps } from '../deps.ts';
import type { DecidedExecution } from '../types.ts';
import { decidedBefore, gatherFor } from './assess-risk.ts';

/** Whether a first step whose own answer was lost did commit after all. */
export async function findDecision(deps: ActivityDeps, input: AuthorizeInput): Promise<DecidedExecution | undefined> {
  const { prior } = await gatherFor(deps, input);
  return prior ? decidedBefore(prior, deps.now()) : undefined;
}
