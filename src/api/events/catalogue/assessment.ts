import { z } from 'zod';
import { typeId } from '../../schemas.ts';
import { agentId, anyId, dataOf, exampleOf, ids, type EventDoc, type EventFamily } from './shared.ts';

const verdict = (told: string, decision: string): EventDoc => ({
  told,
  schema: dataOf({
    assessment_id: typeId('asmt'),
    decision: z.enum(['approve', 'review', 'deny']),
    reasons: z.array(z.string()),
    score: z.number().optional(),
    agent_id: agentId.optional(),
  }),
  example: exampleOf({ assessment_id: ids('asmt'), decision, reasons: [], score: 12, agent_id: ids('agt') }),
});

export const ASSESSMENT_EVENTS: EventFamily<'assessment'> = {
  'assessment.completed': verdict('an assessment has its verdict', 'approve'),
  'assessment.denied': verdict('the verdict is a denial', 'deny'),
  'assessment.flagged': verdict('a person must look', 'review'),
  'assessment.refined': {
    told: 'something that came later was added to an assessment or a review',
    schema: dataOf({ subject: anyId('asmt', 'exec').optional(), score: z.number().nullable().optional() }),
    example: exampleOf({ subject: ids('asmt'), status: 'refined', score: 40 }),
  },
};

export const RISK_EVENTS: EventFamily<'risk'> = {
  'risk.alert': {
    told: 'the behaviour of an agent is beyond its limits',
    schema: dataOf({ agent_id: agentId }),
    example: exampleOf({ agent_id: ids('agt'), event: { action_type: 'payment', risk_score: 0.9 } }),
  },
};
