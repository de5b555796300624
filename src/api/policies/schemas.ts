import { z } from 'zod';
import { toTypeId } from '../../domain/ids.ts';
import type { PolicyRow } from '../../store/policies.ts';
import { timeOut, typeId } from '../schemas.ts';
import { Rules } from './rules-body.ts';

export const STATUSES = ['draft', 'active', 'archived'] as const;
const DECISIONS = ['approved', 'challenge', 'review', 'deny'] as const;

export const PolicyOutput = z
  .object({
    policy_id: typeId('pol'),
    policy_ref: typeId('pol'),
    name: z.string(),
    version: z.int(),
    status: z.enum(STATUSES),
    rules: Rules,
    created_at: timeOut,
    activated_at: timeOut.optional(),
    observing_since: timeOut.optional().meta({ description: 'While it is watched beside the active policy' }),
  })
  .meta({ id: 'Policy' });

export const PolicyBody = z.strictObject({
  name: z.string().trim().min(1).max(200),
  rules: Rules,
  activate: z.boolean().default(false),
});

export const VersionBody = z.strictObject({ rules: Rules, activate: z.boolean().default(false) });

export const ActivateBody = z.strictObject({ mode: z.enum(['enforce', 'observe']).default('enforce') });

export const DifferencesOutput = z
  .object({
    policy_id: typeId('pol'),
    observing_since: timeOut.optional(),
    decisions: z.int().meta({ description: 'Decisions it was asked about' }),
    differing: z.int(),
    stricter: z.int(),
    looser: z.int(),
    directions: z.array(z.object({ active: z.enum(DECISIONS), observed: z.enum(DECISIONS), decisions: z.int() })),
    examples: z.array(
      z.object({
        execution_ref: typeId('exec'),
        at: timeOut,
        active: z.enum(DECISIONS),
        observed: z.enum(DECISIONS),
        explanation: z.array(
          z.looseObject({ rule: z.string(), outcome: z.string(), effect: z.string().optional(), message: z.string() }),
        ),
      }),
    ),
  })
  .meta({ id: 'PolicyDifferences' });

export function printPolicy(row: PolicyRow) {
  const ref = toTypeId('pol', row.id);
  return {
    policy_id: ref,
    policy_ref: ref,
    name: row.name,
    version: row.version,
    status: row.status,
    rules: row.rules,
    created_at: row.createdAt.toISOString(),
    activated_at: row.activatedAt?.toISOString(),
    observing_since: row.observingSince?.toISOString(),
  };
}
