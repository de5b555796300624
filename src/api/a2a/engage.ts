import type { IncomingHttpHeaders } from 'node:http';
import { z } from 'zod';
import { A2A_VERSIONS, supportedVersion, versionProblem, type A2aVersion } from './version.ts';

const reference = z.string().min(1).max(255);

/** Member `a2a` of a request: which task of which conversation it is about. Further members are kept out of it. */
export const A2aBlock = z
  .looseObject({
    task_id: reference.optional(),
    context_id: reference.optional(),
    agent_card_ref: z.string().min(1).max(2_048).optional(),
    a2a_version: z.string().max(32).optional(),
  })
  .meta({ id: 'A2aContext' });

export const TASK_STATES = ['TASK_STATE_WORKING', 'TASK_STATE_AUTH_REQUIRED', 'TASK_STATE_REJECTED'] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** Member `a2a` of an answer. */
export const A2aAnswer = z
  .object({
    a2a_version: z.enum(A2A_VERSIONS),
    task_id: z.string().optional(),
    context_id: z.string().optional(),
    recommended_task_state: z.enum(TASK_STATES),
    task_metadata: z.object({ fidacy_assessment: z.record(z.string(), z.unknown()) }),
  })
  .meta({ id: 'A2aAnswer' });

/** One request that speaks A2A. */
export interface A2aExchange {
  version: A2aVersion;
  /**
   * What the answer carries as its member `a2a`; its header `A2A-Version` is `version`.
   * @param assessment what the task's metadata is to say of the decision (id, score, reasons, the signed verdict)
   */
  answer(decision: AnyDecision, assessment?: Record<string, unknown>): { a2a: z.output<typeof A2aAnswer> };
}

/** Of an assessment, or of an execution. */
type AnyDecision = 'approve' | 'approved' | 'review' | 'challenge' | 'deny';

/**
 * The task state that a decision recommends. `TASK_STATE_AUTH_REQUIRED` authorizes nothing by itself (A2A 1.0 §7.6.4),
 * and what is not known to be an approval never reads as work that goes on.
 */
export function taskStateOf(decision: AnyDecision): TaskState {
  switch (decision) {
    case 'approve':
    case 'approved':
      return 'TASK_STATE_WORKING';
    case 'review':
    case 'challenge':
      return 'TASK_STATE_AUTH_REQUIRED';
    case 'deny':
      return 'TASK_STATE_REJECTED';
    default:
      return 'TASK_STATE_REJECTED' satisfies TaskState;
  }
}

/**
 * Negotiates A2A for a request: it is spoken when the header `A2A-Version` or the member `a2a` is there, and otherwise
 * the answer is `undefined`. A block that names no version speaks the newest; an empty header means 0.3. Header and
 * block must agree.
 * @throws Problem `version_not_supported` (400)
 */
export function engageA2a(request: {
  headers: IncomingHttpHeaders;
  a2a?: z.output<typeof A2aBlock>;
}): A2aExchange | undefined {
  const { a2a } = request;
  const header = request.headers['a2a-version'];
  if (header === undefined && a2a === undefined) return undefined;
  const inHeader = header === undefined ? undefined : supportedVersion([header].flat().join(','), 'A2A-Version');
  const inBlock = a2a?.a2a_version === undefined ? undefined : supportedVersion(a2a.a2a_version, 'a2a.a2a_version');
  if (inHeader && inBlock && inHeader !== inBlock) {
    throw versionProblem('a2a.a2a_version', 'The A2A version of the block is not that of the header');
  }
  const version = inHeader ?? inBlock ?? A2A_VERSIONS[0];
  return {
    version,
    answer: (decision, assessment = {}) => ({
      a2a: {
        a2a_version: version,
        ...(a2a?.task_id === undefined ? {} : { task_id: a2a.task_id }),
        ...(a2a?.context_id === undefined ? {} : { context_id: a2a.context_id }),
        recommended_task_state: taskStateOf(decision),
        task_metadata: { fidacy_assessment: { decision, ...assessment } },
      },
    }),
  };
}
