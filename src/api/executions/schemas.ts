import { z } from 'zod';
import { MandateBody, VerificationBody } from '../mandate-body.ts';
import { NextStepOutput } from '../next-step.ts';
import { ReviewState } from '../reviews/review-body.ts';
import {
  countryCode,
  currencyCode,
  idOf,
  majorAmount,
  merchantCategory,
  reference,
  timeOut,
  typeId,
} from '../schemas.ts';

export const IntentBody = z
  .strictObject({
    action: z
      .string()
      .regex(/^[a-z][a-z_]*(\.[a-z][a-z_]*)*$/)
      .max(64)
      .default('payment.authorize'),
    amount: majorAmount,
    currency: currencyCode,
    merchant_ref: reference,
    merchant_category: merchantCategory.optional(),
    channel: z.string().min(1).max(64),
    country: countryCode.optional(),
    description: z.string().max(500).optional(),
  })
  .meta({ id: 'Intent' });

/** The named members are judged; whatever else the caller says is kept with the execution. */
export const ContextBody = z
  .looseObject({
    session_id: z.string().max(255).optional(),
    device_trust: z.string().max(32).optional(),
    device_id: z.string().max(255).optional(),
    risk_signals: z.array(z.string().max(64)).max(50).optional(),
    country: countryCode.optional(),
    payee: z
      .strictObject({
        name: z.string().max(255).optional(),
        account: z.string().max(255).optional(),
        domain: z.string().max(255).optional(),
      })
      .optional()
      .meta({ description: 'Who is paid, as far as it is known: screened together with `merchant_ref`' }),
  })
  .meta({ id: 'IntentContext' });

export const principalOrOrganization = idOf('prn', 'org');

export const AuthorizeBody = z
  .strictObject({
    agent_id: idOf('agt'),
    principal_id: principalOrOrganization,
    delegation_id: idOf('del').optional(),
    intent: IntentBody,
    context: ContextBody.optional(),
    mandate: MandateBody.optional().meta({
      description: 'A signed payment mandate of AP2, as `POST /v1/assess` takes it',
    }),
    verification: VerificationBody.optional(),
    challenge_ttl_seconds: z.number().positive().max(86_400).optional(),
  })
  .meta({ id: 'AuthorizeRequest' });

const Reason = z.object({ code: z.string(), category: z.string(), message: z.string() }).meta({ id: 'Reason' });

const Signal = z
  .object({
    category: z.string(),
    type: z.string(),
    severity: z.enum(['low', 'medium', 'high']),
    points: z.number(),
    detail: z.string(),
  })
  .meta({ id: 'RiskSignal' });

export const RiskOutput = z
  .object({
    score: z.number(),
    level: z.enum(['normal', 'elevated', 'high']),
    signals: z.array(Signal),
    model_version: z.string(),
  })
  .meta({ id: 'Risk' });

export const DecisionOutput = z
  .object({
    decision: z.enum(['approved', 'challenge', 'deny']),
    execution_ref: typeId('exec'),
    policy_ref: z.string().meta({ description: '`pol_…`, or `none` without an active policy' }),
    execution_token: z.string().optional().meta({ description: 'Single use; present only when approved' }),
    execution_token_expires_at: timeOut.optional(),
    route_hint: z.string().optional(),
    audit_ref: typeId('aud'),
    risk: RiskOutput,
    reasons: z.array(Reason),
    next_step: NextStepOutput.optional(),
    risk_payload_jws: z.string(),
    challenge: z
      .object({
        challenge_id: typeId('chl'),
        methods: z.array(z.string()),
        expires_at: timeOut,
        approval_url: z.string(),
      })
      .optional(),
    review: z
      .object({
        expires_at: timeOut,
        status: z.literal('open').optional(),
        approvals: z.int().optional(),
        quorum: z.int().optional(),
      })
      .optional()
      .meta({ description: 'An operator must look; after a vote that decided nothing yet, how it stands' }),
  })
  .meta({ id: 'Decision' });

const TotpResponse = z.strictObject({ code: z.string().regex(/^\d{6,8}$/, { error: 'must be 6 to 8 digits' }) });
const WebauthnResponse = z.strictObject({ assertion: z.looseObject({}) });
const ApprovalResponse = z.strictObject({ approved: z.boolean() });

export const ChallengeMethod = z.enum(['totp', 'webauthn', 'approval']);
export const ChallengeProof = z.union([TotpResponse, WebauthnResponse, ApprovalResponse]);

export const RespondBody = z
  .strictObject({
    challenge_id: idOf('chl').optional(),
    execution_ref: idOf('exec').optional(),
    method: ChallengeMethod,
    response: ChallengeProof,
  })
  .refine((body) => (body.challenge_id === undefined) !== (body.execution_ref === undefined), {
    error: 'exactly one of challenge_id and execution_ref is required',
    path: ['challenge_id'],
  })
  .meta({ id: 'ChallengeResponse' });

export const ReviewBody = z
  .strictObject({ verdict: z.enum(['approve', 'deny']), note: z.string().trim().min(1).max(2_000) })
  .meta({ id: 'Review' });

export const EvaluateRiskBody = z
  .strictObject({
    agent_id: idOf('agt').optional(),
    principal_id: principalOrOrganization.optional(),
    intent: IntentBody,
    context: ContextBody.optional(),
  })
  .meta({ id: 'EvaluateRiskRequest' });

const Explanation = z
  .object({
    rule: z.string(),
    outcome: z.enum(['pass', 'fail', 'error']),
    effect: z.string().optional(),
    message: z.string(),
    observed: z.unknown().optional(),
    expected: z.unknown().optional(),
    clause: z.string().optional(),
  })
  .meta({ id: 'Explanation' });

export const SimulationOutput = z
  .object({
    decision: z.enum(['approved', 'challenge', 'review', 'deny']),
    policy_ref: z.string().optional(),
    next_step: NextStepOutput.optional(),
    explanation: z.array(Explanation),
    risk: RiskOutput,
  })
  .meta({ id: 'Simulation' });

export const ExecutionOutput = z
  .object({
    execution_ref: typeId('exec'),
    stage: z.string(),
    decision: z.enum(['approved', 'challenge', 'deny']),
    agent_id: z.string(),
    principal_id: z.string(),
    delegation_id: z.string().optional(),
    intent: z.record(z.string(), z.unknown()),
    mandate: z.object({ type: z.string(), content_hash: z.string() }).optional(),
    reasons: z.array(Reason),
    execution_token: z
      .string()
      .optional()
      .meta({ description: 'While the execution is approved, for credentials that may execute' }),
    execution_token_expires_at: timeOut.optional(),
    payment_id: z.string().optional(),
    challenge: z
      .object({ challenge_id: z.string(), status: z.string(), attempts_left: z.int(), expires_at: timeOut })
      .optional(),
    review: ReviewState.optional().meta({ description: 'Of executions that a person had, or has, to look at' }),
    timeline: z
      .array(z.object({ at: timeOut, type: z.string(), detail: z.record(z.string(), z.unknown()) }))
      .optional(),
    workflow: z.object({ id: z.string(), run_id: z.string(), ui_url: z.string() }),
    created_at: timeOut,
    updated_at: timeOut,
  })
  .meta({ id: 'Execution' });
