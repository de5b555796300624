import { z } from 'zod';
import { isAp2Type, KINDS } from '../../domain/assessments/kinds.ts';
import { A2aAnswer, A2aBlock } from '../a2a/engage.ts';
import { NextStepOutput } from '../next-step.ts';
import { TRUST_TIERS } from '../../domain/trust-score.ts';
import { ContextBody, principalOrOrganization } from '../executions/schemas.ts';
import { MandateBody, VerificationBody } from '../mandate-body.ts';
import { RefinementOutput, ReviewState } from '../reviews/review-body.ts';
import { idOf, timeOut, typeId } from '../schemas.ts';

export const AssessBody = z
  .strictObject({
    mandate: MandateBody.meta({
      description:
        'A mandate of AP2 (payload of v0.2, chain under `token` or its A2A data key, or v0.1), or the action itself',
    }),
    kind: z.enum(KINDS).default('ap2_payment'),
    mandateType: z.string().min(1).max(128).optional().meta({ description: 'Derived from the vct when omitted' }),
    a2a: A2aBlock.optional(),
    idempotency_key: z.string().min(1).max(255).optional().meta({ description: 'Echoed back' }),
    agent_id: idOf('agt').optional(),
    principal_id: principalOrOrganization.optional(),
    delegation_id: idOf('del').optional(),
    context: ContextBody.optional(),
    verification: VerificationBody.optional(),
  })
  .refine((body) => body.kind !== 'ap2_payment' || body.mandateType === undefined || isAp2Type(body.mandateType), {
    error: 'is no mandate type that is known here',
    path: ['mandateType'],
  })
  .meta({ id: 'AssessRequest' });

const confidence = z.number().min(0).max(1);

export const Outcome = z
  .object({
    object: z.literal('assessment'),
    id: typeId('asmt'),
    created: timeOut,
    livemode: z.boolean(),
    kind: z.enum(KINDS),
    outcome: z.object({
      decision: z.enum(['approve', 'review', 'deny']),
      risk_level: z.enum(['normal', 'elevated', 'highest']),
      risk_score: z.int().min(0).max(100),
      reason: z.string(),
      policy_version: z.int().nullable(),
    }),
    confidences: z.object({
      agent_identity: confidence,
      mandate_validity: confidence,
      policy_adherence: confidence,
      behavioral_risk: confidence,
      recipient_risk: confidence,
    }),
    signals: z.array(
      z.object({
        category: z.string(),
        type: z.string(),
        severity: z.enum(['low', 'medium', 'high']),
        points: z.number(),
        detail: z.string(),
      }),
    ),
    rejection_reasons: z.array(z.object({ key: z.string(), category: z.string(), description: z.string() })),
    risk_payload: z.object({ jws: z.string(), kid: z.string(), alg: z.literal('EdDSA'), verify_url: z.string() }),
    audit: z.object({ entry_id: typeId('ae'), sequence: z.int(), status: z.enum(['pending', 'anchored']) }),
    refinement: RefinementOutput.pick({ status: true, score: true, model: true, findings: true })
      .nullable()
      .meta({ description: 'The second look at one that a person must look at' }),
    review: ReviewState.pick({ status: true, closed_at: true }).nullable().meta({
      description: 'How far a person is with it; `outcome` and `risk_payload` are of the decision as it stands',
    }),
    agent: z.object({ id: typeId('agt'), trust_score: z.number(), risk_tier: z.enum(TRUST_TIERS) }).nullable(),
    latency_ms: z.int(),
  })
  .meta({ id: 'AssessmentOutcome' });

export const AssessOutput = z
  .object({
    decision: z.enum(['approve', 'review', 'deny']),
    score: z.int().min(0).max(100),
    assessmentId: typeId('asmt'),
    mandateId: typeId('mnd'),
    riskPayloadJws: z.string(),
    mandate: z.record(z.string(), z.unknown()).meta({ description: 'With `risk_data` in it, to be forwarded' }),
    risk_data: z
      .record(z.string(), z.unknown())
      .optional()
      .meta({ description: 'Beside a mandate whose signature it would break' }),
    outcome: Outcome,
    next_step: NextStepOutput.optional(),
    a2a: A2aAnswer.optional(),
    idempotency_key: z.string().optional(),
  })
  .meta({ id: 'Assessment' });

export const AssessmentOutput = Outcome.extend({
  mandate_id: typeId('mnd'),
  a2a: z.record(z.string(), z.unknown()).optional(),
  review: ReviewState.partial()
    .required({ status: true })
    .nullable()
    .meta({ description: 'Of one that a person had, or has, to look at; whole when it is read by itself' }),
}).meta({ id: 'StoredAssessment' });

const money = { amount_minor: z.int(), currency: z.string() };

export const MandateOutput = z
  .object({
    mandate_id: typeId('mnd'),
    content_hash: z.string().meta({ description: 'SHA-256 of the RFC 8785 form, hexadecimal' }),
    kind: z.string(),
    type: z.string(),
    signed: z.boolean(),
    ...money,
    merchant_ref: z.string(),
    agent_id: typeId('agt').optional(),
    principal_id: z.string().optional(),
    assessment_id: typeId('asmt').optional(),
    expires_at: timeOut.optional(),
    created_at: timeOut,
    uses: z
      .array(
        z.object({
          mandate_key: z.string(),
          open: z.boolean(),
          currency: z.string().optional(),
          limit_minor: z.int().optional(),
          spent_minor: z.int(),
          occurrences: z.int(),
          last_at: timeOut.optional(),
          assessment_id: typeId('asmt').optional(),
          execution_ref: typeId('exec').optional(),
        }),
      )
      .meta({ description: 'What was approved under each signed mandate of it, root first' }),
    payment_id: typeId('pay').optional(),
    receipt: z.string().optional().meta({ description: 'AP2 payment receipt (JWT), once money was captured' }),
    mandate: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'Mandate' });
