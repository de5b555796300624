import { riskLevelOf } from '../../domain/assessments/outcome.ts';
import { circumstancesOf } from '../../domain/circumstances.ts';
import { toTypeId } from '../../domain/ids.ts';
import { needsPerson } from '../../domain/review/release.ts';
import type { ReviewStatus } from '../../domain/review/vote.ts';
import { payeeOf, type Screening } from '../../domain/screening.ts';
import type { Reason, Tenant } from '../../domain/types.ts';
import type { DecisionContext } from '../../domain/decision-context.ts';
import type { Question } from '../../domain/pipeline.ts';
import { judge } from '../../policy-language/pipeline.ts';
import { screenPayee } from '../../screening/ask.ts';
import { gatherContext } from '../../store/executions/gather.ts';
import { policyStillHolds } from '../../store/executions/policy-holds.ts';
import { recordFact } from '../../store/facts.ts';
import type { Db } from '../../store/pool.ts';
import {
  findAssessedIntent,
  redecideAssessment,
  type holdAssessmentReview,
  type ReviewedAssessment,
} from '../../store/reviews/assessment.ts';
import { closeReview } from '../../store/reviews/vote.ts';
import { issuerOf } from '../../trust/issuer.ts';
import { readJws } from '../../trust/jws.ts';
import { newId } from '../../trust/new-id.ts';
import { atSoundTime } from '../decision/clock.ts';
import type { ActivityDeps } from '../deps.ts';

type Held = NonNullable<Awaited<ReturnType<typeof holdAssessmentReview>>>;

/** What shall become of it: a denial for this reason, or an approval if everything still holds. */
export interface ReviewOrder {
  proposal: { deny: Reason } | 'approve';
  actor: string;
  at: Date;
  /** Members of the audit entry. */
  body: object;
  /** What screening of the payee found, when an approval is proposed and somebody screens. */
  screening?: Screening | undefined;
  /** How the review ends when it is denied; `denied` when absent. */
  status?: Exclude<ReviewStatus, 'open' | 'approved'>;
}

/** Asked before the transaction: whoever screens may take its time. */
export async function screenAssessment(
  { screening, pool }: ActivityDeps,
  tenant: Tenant,
  id: string,
): Promise<Screening | undefined> {
  if (!screening) return undefined;
  const said = await findAssessedIntent(pool, tenant, id);
  return said && screenPayee(screening, payeeOf(said.intent, said.context));
}

const NOBODY = '00000000-0000-0000-0000-000000000000';

/**
 * Decides a held assessment: an approval is judged again by the facts as they are now, under a proof that removes needs
 * and no failure, and with the terms of its mandate. Verdict, signature, review, audit entry and event change together.
 * @throws DecisionRaced when an approval was overtaken
 */
export async function decideAssessment(
  deps: ActivityDeps,
  db: Db,
  tenant: Tenant,
  held: Held,
  { proposal, actor, at, body, screening, status = 'denied' }: ReviewOrder,
): Promise<{ decision: 'approve' | 'deny'; reasons: Reason[]; jws: string }> {
  const { assessment } = held;
  const context = proposal === 'approve' ? { ...(await gatherFor(db, tenant, assessment, at)), screening } : undefined;
  const reasons = proposal === 'approve' ? failuresOf(held, context!, at) : [proposal.deny];
  const decision = reasons.length === 0 ? 'approve' : 'deny';
  const auditId = newId();
  const jws = await signAgain(deps, assessment, { decision, reasons, at });
  await closeReview(db, tenant, assessment.id, { status: decision === 'approve' ? 'approved' : status, at });
  await redecideAssessment(db, tenant, assessment.id, {
    decision,
    reasons,
    riskPayloadJws: jws,
    kid: deps.signer.kid,
  });
  const subject = toTypeId('asmt', assessment.id);
  const codes = reasons.map(({ code }) => code);
  await recordFact(db, {
    tenant,
    at,
    type: 'assessment.reviewed',
    actor,
    subject,
    auditId,
    body: { decision, reasons: codes, ...body },
    events: [
      {
        type: decision === 'approve' ? 'assessment.completed' : 'assessment.denied',
        subject,
        agentId: assessment.agent_id ?? undefined,
        data: {
          org_id: toTypeId('org', tenant.orgId),
          assessment_id: subject,
          kind: assessment.kind,
          decision,
          score: assessment.score,
          risk_level: riskLevelOf({ decision, level: assessment.level }),
          reasons: codes,
          ...(assessment.agent_id === null ? {} : { agent_id: toTypeId('agt', assessment.agent_id) }),
          timestamp: at.toISOString(),
        },
      },
    ],
  });
  if (decision === 'approve') await policyStillHolds(db, tenant, assessment, context!);
  return { decision, reasons, jws };
}

/** Whether it needs a person by the facts as they are now, whatever a score says. */
export async function assessmentNeedsPerson(
  db: Db,
  tenant: Tenant,
  { assessment }: Held,
  { at, screening }: { at: Date; screening: Screening | undefined },
): Promise<boolean> {
  return needsPerson(judge(questionOf(assessment), { ...(await gatherFor(db, tenant, assessment, at)), screening }));
}

async function gatherFor(db: Db, tenant: Tenant, row: ReviewedAssessment, now: Date): Promise<DecisionContext> {
  const gathered = await gatherContext(db, {
    tenant,
    agentId: row.agent_id,
    principalId: row.principal_id,
    delegationId: row.delegation_id ?? undefined,
    merchantRef: row.intent.merchantRef,
    currency: row.intent.currency,
    now,
    sessionId: row.context.session_id,
    exceptExecution: row.id,
    circumstances: circumstancesOf(row),
  });
  return atSoundTime(gathered);
}

/** Everything that forbids it now; empty lets it be approved. */
function failuresOf({ assessment, mandateExpiresAt }: Held, context: DecisionContext, at: Date): Reason[] {
  if (mandateExpiresAt !== null && at >= new Date(mandateExpiresAt)) {
    return [{ code: 'invalid_mandate', category: 'mandate', message: 'The mandate has expired while it waited' }];
  }
  const { decision, reasons } = judge(questionOf(assessment), context, { proof: 'review' });
  return decision === 'approved' ? [] : reasons;
}

/** As it was asked: under its delegation, on the agent's registration alone, or of nobody who is registered. */
function questionOf({ intent, context, agent_id, principal_id, delegation_id }: ReviewedAssessment): Question {
  return {
    intent,
    context,
    agentId: agent_id ?? NOBODY,
    principalId: principal_id ?? NOBODY,
    delegationId: delegation_id ?? undefined,
    standing: agent_id === null ? 'nobody' : delegation_id === null ? 'registration' : 'delegation',
  };
}

/** The verdict anew, with every claim that does not depend on it as it was signed before. */
async function signAgain(
  deps: ActivityDeps,
  { risk_payload_jws: before }: ReviewedAssessment,
  { decision, reasons, at }: { decision: 'approve' | 'deny'; reasons: Reason[]; at: Date },
): Promise<string> {
  const { signer } = deps;
  const { header, claims } = readJws(before);
  const { next_step: _, ...kept } = claims;
  const typ = typeof header['typ'] === 'string' ? header['typ'] : undefined;
  return signer.signJws(
    {
      ...kept,
      issuer: `${issuerOf(deps)}#${signer.kid}`,
      decision,
      assessed_at: at.toISOString(),
      ...(decision === 'deny' ? { next_step: { action: 'stop' } } : {}),
      ...('reasons' in claims ? { reasons: reasons.map(({ code }) => code) } : {}),
    },
    { typ },
  );
}
