import { toTypeId } from '../../domain/ids.ts';
import { besidesItself } from '../../domain/exposure.ts';
import { nextStepAfter, type Fallen } from '../../domain/next-step.ts';
import type { Judgement } from '../../domain/pipeline.ts';
import type { DecisionContext } from '../../domain/decision-context.ts';
import type { Reason } from '../../domain/types.ts';
import { circumstancesOf } from '../../domain/circumstances.ts';
import { payeeOf, type Screening } from '../../domain/screening.ts';
import { judge } from '../../policy-language/pipeline.ts';
import { screenPayee } from '../../screening/ask.ts';
import { gatherContext } from '../../store/executions/gather.ts';
import { policyStillHolds } from '../../store/executions/policy-holds.ts';
import { redecide, type NewVerdict } from '../../store/executions/redecide.ts';
import { findExecution, type ExecutionRow } from '../../store/executions/read.ts';
import { recordFact } from '../../store/facts.ts';
import type { Db } from '../../store/pool.ts';
import { newId } from '../../trust/new-id.ts';
import type { ActivityDeps } from '../deps.ts';
import type { DecidedExecution, ExecutionRef } from '../types.ts';
import { authorizeAnswer } from './answer.ts';
import { atSoundTime } from './clock.ts';
import { decisionEvents } from './evaluate-policy.ts';
import { datesOf, decided, nextStepFor, policyRef, signVerdict, stageOf } from './verdict.ts';

/** A held execution that is decided again, and by whom. */
export interface Rejudged {
  ref: ExecutionRef;
  row: ExecutionRow;
  actor: string;
  challengeStatus: ExecutionRow['challenge_status'];
}

/** The facts as they are now, for a second look at an intent: authority may have been withdrawn since. */
export async function gatherAgain(
  db: Db,
  { ref, row }: { ref: Pick<ExecutionRef, 'tenant'>; row: ExecutionRow },
  now: Date,
): Promise<DecisionContext> {
  const gathered = await gatherContext(db, {
    tenant: ref.tenant,
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

/**
 * Screens the payee again, for a second look. Before the transaction, and not in it: an outside service must not hold up
 * whoever waits for its locks, a freeze above all.
 */
export async function screenAgain(
  deps: ActivityDeps,
  ref: Pick<ExecutionRef, 'tenant' | 'executionId'>,
): Promise<Screening | undefined> {
  if (!deps.screening) return undefined;
  const row = await findExecution(deps.pool, ref.tenant, ref.executionId);
  return row && screenPayee(deps.screening, payeeOf(row.intent, row.context));
}

/**
 * Judges with the proof that was given, or with none. The amount is already counted in the running totals, so they are not
 * checked a second time: what is held by this execution is added back first, and it does not count against its own exposure.
 */
export function judgeWithProof(row: ExecutionRow, context: DecisionContext, proof?: 'challenge' | 'review'): Judgement {
  const delegations = context.delegations.map((delegation) => ({
    ...delegation,
    budgetSpent: Math.max(0, delegation.budgetSpent - row.budget_minor),
  }));
  return judge(
    {
      intent: row.intent,
      context: row.context,
      agentId: row.agent_id,
      principalId: row.principal_id,
      delegationId: row.delegation_id ?? undefined,
      // What it uses up was charged when it was first decided.
      mandate: row.mandate ? { ...row.mandate, charges: [], leafKey: undefined } : undefined,
    },
    { ...context, delegations, exposureCaps: besidesItself(context.exposureCaps, row.intent) },
    proof === undefined ? {} : { proof },
  );
}

/** What is stored of a judgement, or of a denial that needed none. */
type Judged = Pick<Judgement, 'decision' | 'reasons' | 'risk'> &
  Partial<Pick<Judgement, 'authority' | 'explanations'>> & { fallen?: Fallen };

/** A denial that needs no judgement: attempts used up, time over, an operator's word. */
export function denial(row: ExecutionRow, reason: Reason, fallen: Fallen): Judged {
  return { decision: 'deny', reasons: [reason], risk: row.risk, fallen };
}

/**
 * Stores a new verdict of a held execution with its audit entry and events, and says what the answer is.
 * @throws DecisionRaced when an approval was overtaken
 */
export async function storeVerdict(
  deps: ActivityDeps,
  db: Db,
  about: Rejudged,
  judgement: Judged,
  options: { context?: DecisionContext; lapsed?: boolean; event?: string; body?: object } = {},
): Promise<{ decided: DecidedExecution; answer: Record<string, unknown> }> {
  const { ref, row } = about;
  const { timers } = ref;
  const now = deps.now();
  const auditId = newId();
  const dates = datesOf(judgement.decision, timers, now);
  const policy = options.context?.policy ?? null;
  const facts = { intent: row.intent, judgement, context: options.context };
  const nextStep = judgement.fallen ? nextStepAfter(judgement.fallen) : nextStepFor(row.id, facts, dates);
  const subject = toTypeId('exec', row.id);
  const jws = options.lapsed
    ? row.risk_payload_jws
    : await signVerdict(
        deps,
        { subject, orgId: ref.tenant.orgId, intent: row.intent, policy, nextStep, now },
        judgement,
      );
  const stage = options.lapsed ? 'lapsed' : stageOf(judgement.decision);
  const verdict: NewVerdict = {
    // A proof answers a challenge, so none can follow from it.
    stage: stage === 'challenged' ? 'in_review' : stage,
    decision: judgement.decision,
    reasons: judgement.reasons,
    risk: judgement.risk,
    riskPayloadJws: jws,
    challengeStatus: about.challengeStatus,
    tokenExpiresAt: options.lapsed ? null : dates.tokenExpiresAt,
    reviewExpiresAt: dates.reviewExpiresAt,
    at: now,
  };
  await redecide(db, ref.tenant, row, verdict);
  const events = options.event
    ? [
        {
          type: options.event,
          subject,
          executionId: row.id,
          agentId: row.agent_id,
          data: {
            org_id: toTypeId('org', ref.tenant.orgId),
            execution_ref: subject,
            decision: judgement.decision === 'review' ? 'challenge' : judgement.decision,
            stage: verdict.stage,
            timestamp: now.toISOString(),
          },
        },
      ]
    : decisionEvents({ ...ref, agentId: row.agent_id }, judgement, now);
  await recordFact(db, {
    tenant: ref.tenant,
    at: now,
    type: options.event ?? 'execution.decision',
    actor: about.actor,
    subject,
    auditId,
    body: {
      decision: judgement.decision,
      stage: verdict.stage,
      reasons: judgement.reasons.map((reason) => reason.code),
      ...options.body,
    },
    events,
  });
  if (options.context && judgement.decision === 'approved') {
    await policyStillHolds(db, ref.tenant, row, options.context);
  }
  const answer = authorizeAnswer({
    executionId: row.id,
    decision: judgement.decision,
    policyRef: row.policy_id ? toTypeId('pol', row.policy_id) : policyRef(policy),
    routeHint: row.route_plan.candidates[0] && toTypeId('prx', row.route_plan.candidates[0].midId),
    auditId,
    risk: judgement.risk,
    reasons: judgement.reasons,
    nextStep,
    riskPayloadJws: jws,
    ...dates,
    challengeExpiresAt: null,
    publicUrl: deps.publicUrl,
    tokenKey: deps.tokenKey,
  });
  return { decided: { ...decided(row.id, judgement, timers), stage: verdict.stage }, answer };
}
