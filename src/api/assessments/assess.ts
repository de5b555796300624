import type { z } from 'zod';
import { atSoundTime } from '../../activities/decision/clock.ts';
import { findAgentOf, type AgentFound } from '../../domain/assessments/agent.ts';
import { assessedConfidences, type IdentityProof } from '../../domain/assessments/confidences.ts';
import type { Kind } from '../../domain/assessments/kinds.ts';
import { stepOfAssessment } from '../../domain/assessments/next-step.ts';
import { verdictOf, type AssessmentRecord } from '../../domain/assessments/outcome.ts';
import { circumstancesOf } from '../../domain/circumstances.ts';
import { Problem } from '../../domain/errors.ts';
import type { MandateEvidence } from '../../domain/mandates/evidence.ts';
import { usedKeys } from '../../domain/mandates/evidence.ts';
import { nextStepOf } from '../../domain/next-step.ts';
import type { Question } from '../../domain/pipeline.ts';
import { payeeOf } from '../../domain/screening.ts';
import { trustAt } from '../../domain/trust-score.ts';
import { judge } from '../../policy-language/pipeline.ts';
import { screenPayee } from '../../screening/ask.ts';
import { recordAbuse } from '../../store/abuse.ts';
import { commitAssessment } from '../../store/assessments/commit.ts';
import { recordOf, type AssessmentRow } from '../../store/assessments/row.ts';
import { DecisionRaced } from '../../store/executions/commit-decision.ts';
import { gatherContext } from '../../store/executions/gather.ts';
import type { Examined } from '../../trust/mandates/examine.ts';
import { newId } from '../../trust/new-id.ts';
import type { ApiDeps } from '../deps.ts';
import type { RouteContext } from '../route.ts';
import { assessmentFact } from './fact.ts';
import { examinePresented, readPresented, type Presented } from './presented.ts';
import { evidenceOf, identify, questionOf, somebody } from './question.ts';
import type { AssessBody } from './schemas.ts';
import { signAssessment } from './sign.ts';

export type AssessContext = RouteContext<z.output<typeof AssessBody>>;

export interface Assessed {
  record: AssessmentRecord;
  mandateId: string;
}

/** Times that an assessment is made anew when it was overtaken by another decision. */
const ATTEMPTS = 8;

/** Reasons that are attacks rather than mistakes. */
const ABUSE = new Set(['alg_not_allowed', 'wrong_audience', 'wrong_nonce', 'already_used', 'key_revoked']);

/**
 * Assesses a mandate: who, what, may it, how risky, verdict, signature, commit. Two round trips gather and one commits;
 * one is all when its content was assessed before. Nothing is answered that was not committed.
 * @throws Problem `service_unavailable` when no signature can be had, or others decide first for too long
 */
export async function assess(deps: ApiDeps, ctx: AssessContext): Promise<Assessed> {
  const began = performance.now();
  const { body, proof } = ctx;
  const now = new Date();
  const presented = await readPresented(body.kind, body.mandate, body.mandateType);
  const { prior, keys, agents } = await identify(deps, ctx, presented, now);
  if (prior) return assessedBefore(prior, body.kind);
  const found = findAgentOf({ thumbprint: presented.thumbprint, proofAgentId: proof?.agentId, keys, agents });
  const live = keys.filter((key) => key.live).map(({ jwk }) => jwk);
  const { intent, ...examined } = await examinePresented(presented, body.verification, live, now);
  const evidence = evidenceOf(examined, 'assessment');
  const question = questionOf(ctx, { ...examined, intent }, found, agents, evidence);
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    try {
      return await decide(deps, ctx, { began, presented, examined, evidence, found, question });
    } catch (error) {
      if (!(error instanceof DecisionRaced)) throw error;
    }
  }
  throw new Problem('service_unavailable', 'Other decisions came first, again and again. Send it again.');
}

interface Asked {
  /** Milliseconds of `performance.now`. */
  began: number;
  presented: Presented;
  examined: Examined;
  evidence: MandateEvidence;
  found: AgentFound;
  question: Question;
}

async function decide(deps: ApiDeps, ctx: AssessContext, asked: Asked): Promise<Assessed> {
  const { tenant, body, actor } = ctx;
  const { presented, examined, evidence, question } = asked;
  const { intent } = question;
  const screened = screenPayee(deps.screening, payeeOf(intent, question.context));
  const gathered = await gatherContext(deps.pool, {
    tenant,
    agentId: somebody(question.agentId),
    principalId: somebody(question.principalId),
    delegationId: question.delegationId,
    merchantRef: intent.merchantRef,
    currency: intent.currency,
    now: new Date(),
    sessionId: question.context.session_id,
    mandateKeys: usedKeys(evidence),
    circumstances: circumstancesOf(question),
  });
  const context = { ...atSoundTime(gathered), screening: await screened };
  const judgement = judge(question, context);
  const at = new Date();
  const { contentHash } = presented;
  const verdict = {
    id: newId(),
    kind: body.kind,
    decision: verdictOf(judgement.decision),
    score: judgement.risk.score,
    policyVersion: context.policy?.version ?? null,
    createdAt: at.toISOString(),
  };
  const signed = await signAssessment(deps, {
    ...verdict,
    ...judgement.risk,
    orgId: tenant.orgId,
    contentHash,
    intent,
    reasons: judgement.reasons,
    nextStep: stepOfAssessment(nextStepOf({ intent, judgement, context })),
  });
  const { agent } = context;
  const agentId = agent?.id ?? null;
  const agentProof = agentId === null ? 'nobody' : proofOf(ctx, asked);
  const record = {
    ...verdict,
    ...signed,
    level: judgement.risk.level,
    reasons: judgement.reasons,
    signals: judgement.risk.signals,
    confidences: assessedConfidences(judgement, { agent: agentProof, signed: examined.signed }),
    auditId: newId(),
    // Whatever a person must look at is looked at a second time.
    refinement: verdict.decision === 'review' ? { status: 'pending' as const } : null,
    review: verdict.decision === 'review' ? { status: 'open' as const } : null,
    agent: agent && {
      id: agent.id,
      score: trustAt(agent.trust ?? undefined, context.nowMs),
      tier: agent.trust?.tier ?? 'new',
    },
    latencyMs: Math.round(performance.now() - asked.began),
  };
  const mandateId = newId();
  const committed = await commitAssessment(deps.pool, {
    ...record,
    tenant,
    contentHash,
    modelVersion: judgement.risk.modelVersion,
    agentProof,
    agentId,
    principalId: context.principal?.id ?? null,
    delegationId: judgement.authority.chain.at(-1)?.id ?? null,
    intent,
    context: question.context,
    policyId: context.policy?.id ?? null,
    explanations: judgement.explanations,
    a2a: body.a2a ?? null,
    mandate: {
      id: mandateId,
      type: examined.type,
      signed: examined.signed,
      document: presented.mandate,
      evidence,
      opens: examined.opens,
    },
    uses: context.mandateUses ?? {},
    gathered: { at: new Date(context.nowMs), history: context.history },
    fact: assessmentFact({ tenant, actor, contentHash, mandateId, agentId, record }),
  });
  if ('prior' in committed) return assessedBefore(committed.prior, body.kind);
  for (const { code, message } of judgement.reasons.filter(({ code }) => ABUSE.has(code))) {
    await recordAbuse(deps.pool, deps.log, { tenant, actor, code, detail: message, at });
  }
  return {
    record: { ...record, mode: tenant.mode, sequence: committed.sequence, anchored: false },
    mandateId: committed.mandateId,
  };
}

/**
 * The verdict that there is. As another kind the same content was another question, with other checks: a chain that was
 * asked about as `custom` was never verified.
 * @throws Problem `idempotency_conflict`
 */
function assessedBefore(prior: AssessmentRow, kind: Kind): Assessed {
  if (prior.kind !== kind) {
    throw new Problem('idempotency_conflict', `The same mandate was assessed as ${prior.kind}.`, {
      fields: [{ path: 'kind', message: `was ${prior.kind} when the mandate was assessed` }],
    });
  }
  return { record: recordOf(prior), mandateId: prior.mandate_id };
}

/** What says that it is this agent: its signature on request or mandate, the caller, or the mandate about itself. */
function proofOf({ proof, body }: AssessContext, { found, examined, presented, question }: Asked): IdentityProof {
  const signed = presented.form?.form === 'token' && found.byKey && examined.failures.length === 0;
  if (signed || proof?.agentId === question.agentId) return 'proven';
  return body.agent_id === undefined ? 'claimed' : 'named';
}
