import type { ProblemCode } from '../../domain/errors.ts';
import type { RefundInput, Refusal } from '../../domain/messages.ts';
import { findStopOnRefund } from '../../store/stops/close-refunds.ts';
import type { ActivityDeps } from '../deps.ts';
import { keepRefusal } from './refund-review.ts';

/**
 * Why a freeze or a revocation has ended what a refund waited for, once the key of its request says so to whoever repeats
 * it; undefined when none has. The stop itself has closed the question and put that into the audit trail.
 */
export async function refundStopped(deps: ActivityDeps, input: RefundInput): Promise<Refusal | undefined> {
  const stop = await findStopOnRefund(deps.pool, input.tenant, input.operationId);
  if (!stop) return undefined;
  const code: ProblemCode = stop.kind === 'freeze' ? 'frozen' : 'invalid_scope';
  const detail = `${stop.kind === 'freeze' ? 'Frozen' : 'Revoked'} while it waited: ${stop.reason}`;
  await keepRefusal(deps.pool, input, code, detail);
  return { code, detail };
}
