import { z } from 'zod';
import { timeOut, typeId } from '../schemas.ts';

/** What a revocation has withdrawn and closed. */
export const Revocation = z
  .object({
    revoked: z.array(z.string()).meta({ description: 'What was named first, then all that went with it' }),
    affected_executions: z.array(z.object({ execution_ref: typeId('exec'), outcome: z.enum(['denied', 'lapsed']) })),
    open_authorizations: z.array(typeId('pay')),
    revoked_at: timeOut,
  })
  .meta({ id: 'Revocation' });
