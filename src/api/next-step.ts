import { z } from 'zod';
import { NEXT_ACTIONS } from '../domain/next-step.ts';

/** What an agent can do about a decision that is no approval; members by action (docs/integration.md). */
export const NextStepOutput = z
  .object({
    action: z.enum(NEXT_ACTIONS),
    challenge_id: z.string().optional(),
    expires_at: z.string().optional(),
    max_amount: z
      .string()
      .optional()
      .meta({ description: 'Major units: the largest amount that no limit stands against' }),
    max_amount_minor: z.int().optional(),
    currency: z.string().optional(),
    after_seconds: z.int().optional(),
    evidence: z.array(z.string()).optional(),
    members: z.array(z.string()).optional(),
  })
  .meta({ id: 'NextStep' });
