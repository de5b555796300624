import { z } from 'zod';
import { ACTION_TYPES } from '../../../domain/behaviour/vocabulary.ts';
import { timeOut, typeId, uuid } from '../../schemas.ts';
import { agentId, anyId, dataOf, exampleOf, ids, type EventDoc, type EventFamily } from './shared.ts';

const verdict = (told: string, decision: string): EventDoc => ({
  told,
  schema: dataOf({
    assessment_id: typeId('asmt'),
    kind: z.string().meta({ description: 'Of what was assessed' }),
    decision: z.enum(['approve', 'review', 'deny']),
    reasons: z.array(z.string()),
    score: z.number(),
    risk_level: z.string(),
    agent_id: agentId.optional(),
  }),
  example: exampleOf({
    assessment_id: ids('asmt'),
    kind: 'ap2_payment',
    decision,
    reasons: [],
    score: 12,
    risk_level: 'low',
    agent_id: ids('agt'),
  }),
});

export const ASSESSMENT_EVENTS: EventFamily<'assessment'> = {
  'assessment.completed': verdict('an assessment has its verdict', 'approve'),
  'assessment.denied': verdict('the verdict is a denial', 'deny'),
  'assessment.flagged': verdict('a person must look', 'review'),
  'assessment.refined': {
    told: 'something that came later was added to an assessment or a review',
    schema: dataOf({
      subject: anyId('asmt', 'exec'),
      status: z.enum(['completed', 'failed']),
      score: z.number().optional(),
      findings: z.array(z.object({ type: z.string(), points: z.number(), detail: z.string() })).optional(),
      model: z.string().optional(),
    }),
    example: exampleOf({ subject: ids('asmt'), status: 'completed', score: 40, findings: [], model: 'embedded-1' }),
  },
};

const behaviourEvent = z.looseObject({
  id: uuid,
  action_type: z.enum(ACTION_TYPES),
  risk_score: z.number().min(0).max(1),
  risk_band: z.enum(['low', 'medium', 'high']),
  occurred_at: timeOut,
  factors: z.array(z.object({ factor: z.string(), points: z.int(), detail: z.string() })),
});

export const RISK_EVENTS: EventFamily<'risk'> = {
  'risk.alert': {
    told: 'an event of an agent has a score of 0.75 or more',
    schema: dataOf({ agent_id: agentId, event: behaviourEvent }),
    example: exampleOf({
      agent_id: ids('agt'),
      event: {
        id: '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10',
        action_type: 'transaction_anomaly',
        risk_score: 0.95,
        risk_band: 'high',
        occurred_at: '2026-03-05T22:00:00.000Z',
        factors: [{ factor: 'action', points: 95, detail: 'transaction_anomaly, critical' }],
      },
    }),
  },
};
