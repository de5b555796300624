import { z } from 'zod';
import { typeId } from '../../schemas.ts';
import { currency, dataOf, exampleOf, ids, minor, type EventFamily } from './shared.ts';

const decided = {
  execution_ref: typeId('exec'),
  decision: z.enum(['approved', 'challenge', 'deny']),
  reasons: z.array(z.string()).optional().meta({ description: 'Codes' }),
  reason: z.string().nullable().optional().meta({ description: 'Of the stop that ended it' }),
};

export const EXECUTION_EVENTS: EventFamily<'execution'> = {
  'execution.decision': {
    told: 'an execution was decided: at first, after a challenge or a review, by its end of waiting, by a revocation',
    schema: dataOf(decided),
    example: exampleOf({ execution_ref: ids('exec'), decision: 'approved', reasons: [] }),
  },
  'execution.challenged': {
    told: 'a person is asked',
    schema: dataOf(decided),
    example: exampleOf({ execution_ref: ids('exec'), decision: 'challenge', reasons: ['amount_above_limit'] }),
  },
  'execution.expired': {
    told: 'an approval was not used in time, or was withdrawn',
    schema: dataOf({
      execution_ref: typeId('exec'),
      outcome: z.string().optional().meta({ description: '`lapsed`: withdrawn before it was used' }),
      reason: z.string().nullable().optional().meta({ description: 'Of the stop that ended it' }),
      decision: z.enum(['approved', 'challenge', 'deny']).optional().meta({ description: 'As it stands' }),
      stage: z.string().optional(),
      payment_id: typeId('pay').optional().meta({ description: 'Whose hold has ended' }),
      merchant_ref: z.string().optional(),
      released_minor: minor.optional(),
      currency: currency.optional(),
    }),
    example: exampleOf({ execution_ref: ids('exec'), outcome: 'lapsed', reason: 'replaced' }),
  },
};
