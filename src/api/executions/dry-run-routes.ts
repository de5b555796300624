import type { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import { circumstancesOf } from '../../domain/circumstances.ts';
import type { DecisionContext } from '../../domain/decision-context.ts';
import { nextStepOf } from '../../domain/next-step.ts';
import { assess, type Judgement, type Question } from '../../domain/pipeline.ts';
import { payeeOf } from '../../domain/screening.ts';
import type { PolicyRules } from '../../domain/policy.ts';
import type { Risk, Tenant } from '../../domain/types.ts';
import { historyFactsOf } from '../../policy-language/draft.ts';
import { explain, judge } from '../../policy-language/pipeline.ts';
import { screenPayee } from '../../screening/ask.ts';
import { gatherContext, type GatherQuestion } from '../../store/executions/gather.ts';
import { recordFact } from '../../store/facts.ts';
import { findPolicy } from '../../store/policies.ts';
import type { Db } from '../../store/pool.ts';
import type { ApiDeps } from '../deps.ts';
import { found } from '../not-found.ts';
import { Rules } from '../policies/rules-body.ts';
import { route, type AnyRoute } from '../route.ts';
import { idOf } from '../schemas.ts';
import { intentOf } from './authorize.ts';
import { EvaluateRiskBody, RiskOutput, SimulationOutput } from './schemas.ts';

const SimulateBody = EvaluateRiskBody.extend({ policy_ref: idOf('pol').optional(), rules: Rules.optional() })
  .refine((body) => body.policy_ref === undefined || body.rules === undefined, {
    error: 'at most one of policy_ref and rules',
    path: ['rules'],
  })
  .meta({ id: 'SimulateRequest' });

const NOBODY = '00000000-0000-0000-0000-000000000000';

/** Judgements that move nothing: the same pipeline over the same facts, without a commit and without Temporal. */
export function assessmentRoutes({ pool, screening }: ApiDeps): AnyRoute[] {
  return [
    route({
      method: 'post',
      path: '/v1/execution/evaluate-risk',
      summary: 'Score the risk of an intent, with every signal explained',
      tags: ['Execution'],
      scope: ['execution:read', 'execution:write'],
      body: EvaluateRiskBody,
      example: {
        agent_id: 'agt_01h455vb4pex5vsknk084sn02q',
        principal_id: 'prn_01h455vb4pex5vsknk084sn02q',
        intent: { amount: 120, currency: 'EUR', merchant_ref: 'mrc_acme', channel: 'chatpay' },
      },
      idempotency: 'optional',
      replay: 'none',
      responses: { 200: RiskOutput },
      handler: async ({ tenant, body, actor }) => {
        const question = questionOf(body);
        const risk = assess(question, await gather(pool, tenant, body, question, { screening }));
        await recordFact(pool, {
          tenant,
          at: new Date(),
          type: 'risk.evaluated',
          actor,
          subject: body.agent_id ? toTypeId('agt', body.agent_id) : toTypeId('org', tenant.orgId),
          body: { intent: { ...question.intent }, score: risk.score, level: risk.level },
          events: [],
        });
        return { status: 200, body: printRisk(risk) };
      },
    }),
    route({
      method: 'post',
      path: '/v1/execution/policies/simulate',
      summary: 'Dry-run an intent against the active, a stored or an inline policy',
      tags: ['Execution', 'Policies'],
      scope: ['policy:read', 'execution:read', 'execution:write'],
      body: SimulateBody,
      example: {
        agent_id: 'agt_01h455vb4pex5vsknk084sn02q',
        principal_id: 'prn_01h455vb4pex5vsknk084sn02q',
        intent: { amount: 120, currency: 'EUR', merchant_ref: 'mrc_acme', channel: 'chatpay' },
      },
      idempotency: 'optional',
      replay: 'none',
      responses: { 200: SimulationOutput },
      handler: async ({ tenant, body, db }) => {
        const question = questionOf(body);
        if (body.policy_ref) found(await findPolicy(db, tenant, body.policy_ref), 'policy', 'policy_ref');
        const rules = body.rules as PolicyRules | undefined;
        const inline = rules && { rules, history: historyFactsOf(rules) };
        const context = await gather(db, tenant, body, question, { policyId: body.policy_ref, inline, screening });
        const policy = rules ? null : context.policy;
        // Without an agent and a principal only policy and risk can be asked.
        const whole = body.agent_id !== undefined && body.principal_id !== undefined;
        const judgement = whole ? judge(question, context) : withoutIdentity(question, context);
        return {
          status: 200,
          body: {
            decision: judgement.decision,
            policy_ref: policy ? toTypeId('pol', policy.id) : undefined,
            next_step: nextStepOf({ intent: question.intent, judgement, context }),
            explanation: explain(question, context),
            risk: printRisk(judgement.risk),
          },
        };
      },
    }),
  ];
}

function questionOf(body: z.output<typeof EvaluateRiskBody>): Question {
  return {
    intent: intentOf(body.intent),
    context: body.context ?? {},
    agentId: body.agent_id ?? NOBODY,
    principalId: body.principal_id ?? NOBODY,
  };
}

async function gather(
  db: Db,
  tenant: Tenant,
  body: z.output<typeof EvaluateRiskBody>,
  { intent, context: said }: Question,
  by: Pick<GatherQuestion, 'policyId' | 'inline'> & Pick<ApiDeps, 'screening'>,
) {
  const { screening, ...policy } = by;
  const screened = screenPayee(screening, payeeOf(intent, said));
  const context = await gatherContext(db, {
    tenant,
    agentId: body.agent_id ?? null,
    principalId: body.principal_id ?? null,
    merchantRef: intent.merchantRef,
    currency: intent.currency,
    now: new Date(),
    sessionId: body.context?.session_id,
    circumstances: circumstancesOf({ intent, context: said }),
    ...policy,
  });
  found(body.agent_id && !context.agent ? undefined : context, 'agent', 'agent_id');
  return { ...context, screening: await screened };
}

function printRisk({ score, level, signals, modelVersion }: Risk) {
  return { score, level, signals, model_version: modelVersion };
}

/** What policy and risk alone lead to, for an intent of nobody in particular. */
function withoutIdentity(question: Question, context: DecisionContext): Judgement {
  const nobody = {
    ...context,
    exposureCaps: [],
    agent: { id: NOBODY, status: 'active', createdAtMs: 0 },
    principal: { id: NOBODY, kind: 'principal' as const, status: 'active', stepUp: ['totp' as const] },
    delegations: [
      {
        id: NOBODY,
        parentId: null,
        principalId: NOBODY,
        agentId: NOBODY,
        agentStatus: 'active',
        scope: { actions: ['*'] },
        status: 'active' as const,
        notBeforeMs: null,
        expiresAtMs: Number.MAX_SAFE_INTEGER,
        createdAtMs: 0,
        budgetWindow: 0,
        budgetSpent: 0,
      },
    ],
  };
  return judge({ ...question, agentId: NOBODY, principalId: NOBODY }, nobody, { risk: assess(question, context) });
}
