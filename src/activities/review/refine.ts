import { activityInfo } from '@temporalio/activity';
import { toTypeId } from '../../domain/ids.ts';
import type { Reason, Tenant } from '../../domain/types.ts';
import { embeddedRefinement } from '../../refinement/embedded.ts';
import { recordFact } from '../../store/facts.ts';
import type { Db } from '../../store/pool.ts';
import { viewReview, type QueuedReview } from '../../store/reviews/read.ts';
import { findEarlier, keepRefinement } from '../../store/reviews/refinement.ts';
import type { Refinement, ReviewRow } from '../../store/reviews/row.ts';
import type { ActivityDeps } from '../deps.ts';

/** An evaluator that fails this often is given up. */
const ATTEMPTS = 3;
const ACTOR = 'system:refinement';
const PREFIX = { execution: 'exec', assessment: 'asmt', refund: 'op' } as const;

/** Why it is denied without a person, where the organization has set a score for that. */
export const TOO_UNUSUAL: Reason = {
  code: 'risk_elevated',
  category: 'risk',
  message: 'The second look found it too unusual to be asked about',
};

const embedded = embeddedRefinement();

/** The second look at a review; undefined when there is nothing to look at any more. Changes nothing. */
export async function lookAgain(deps: ActivityDeps, tenant: Tenant, id: string): Promise<Refinement | undefined> {
  const review = await viewReview(deps.pool, tenant, id);
  if (!review || review.refinement.status !== 'pending') return undefined;
  const at = deps.now().toISOString();
  try {
    const result = await (deps.refinement ?? embedded).refine(subjectOf(review), {
      atMs: Date.parse(review.opened_at),
      action: review.evidence?.action ?? review.subject_kind,
      merchantRef: review.merchant_ref,
      amountMinor: review.amount_minor,
      currency: review.currency,
      ...(await findEarlier(deps.pool, tenant, review)),
    });
    const findings = result.findings.map(({ type, points, detail }) => ({ type, points, detail }));
    return { status: 'completed', score: result.score, findings, model: result.model, at };
  } catch (error) {
    if (activityInfo().attempt < ATTEMPTS) throw error;
    // The person decides without it. What exactly was wrong is the log's matter: an answer from outside is not shown.
    return { status: 'failed', error: 'The evaluator could not be asked, or did not answer as it should', at };
  }
}

/** Stores the result, once, in the caller's transaction, and says so. False when another run was first. */
export async function storeRefinement(
  db: Db,
  tenant: Tenant,
  review: Pick<ReviewRow, 'id' | 'subject_kind' | 'agent_id'>,
  { refinement, at }: { refinement: Refinement; at: Date },
): Promise<boolean> {
  if (!(await keepRefinement(db, tenant, review.id, refinement))) return false;
  const subject = subjectOf(review);
  const data = {
    org_id: toTypeId('org', tenant.orgId),
    subject,
    status: refinement.status,
    score: refinement.score,
    findings: refinement.findings,
    model: refinement.model,
    timestamp: at.toISOString(),
  };
  await recordFact(db, {
    tenant,
    at,
    type: 'review.refined',
    actor: ACTOR,
    subject,
    body: { status: refinement.status, score: refinement.score, model: refinement.model },
    events: [
      {
        type: 'assessment.refined',
        subject,
        executionId: review.subject_kind === 'execution' ? review.id : undefined,
        agentId: review.agent_id ?? undefined,
        data,
      },
    ],
  });
  return true;
}

export function subjectOf({ subject_kind, id }: Pick<QueuedReview, 'subject_kind' | 'id'>): string {
  return toTypeId(PREFIX[subject_kind], id);
}
