import { Problem } from '../../domain/errors.ts';
import { recordAbuse } from '../../store/abuse.ts';
import type { ApiDeps } from '../deps.ts';
import type { RouteContext } from '../route.ts';

/**
 * Keeps agents away from votes, and writes down who tried to approve what they may not: once a minute per credential.
 * @throws Problem `approver_excluded`
 */
export async function asPerson<T>(
  { pool, log }: ApiDeps,
  { tenant, actor, proof }: Pick<RouteContext, 'tenant' | 'actor' | 'proof'>,
  subject: string,
  vote: () => Promise<T>,
): Promise<T> {
  try {
    if (proof) throw new Problem('approver_excluded', 'The request is signed by an agent: a person must decide.');
    return await vote();
  } catch (error) {
    if (error instanceof Problem && error.code === 'approver_excluded') {
      const detail = error.message;
      await recordAbuse(pool, log, { tenant, actor, code: 'excluded_approver', detail, subject, at: new Date() });
    }
    throw error;
  }
}
