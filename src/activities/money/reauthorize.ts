import { toTypeId } from '../../domain/ids.ts';
import type { OperationStep } from '../../domain/messages.ts';
import type { Fact } from '../../store/facts.ts';
import { isKeyTaken } from '../../store/idempotency.ts';
import { reserveRenewal } from '../../store/payments/renewal.ts';
import { authorityOfExecution, freezeOnExecution } from '../../store/stops/read.ts';
import type { ActivityDeps } from '../deps.ts';
import type { ExecutionRef } from '../types.ts';
import { followUp } from './follow-up.ts';
import { perform } from './perform.ts';
import { takeUp } from './take-up.ts';

const ACTOR = 'system:timer';

/** How often a hold is renewed where nothing else is set. */
const USUAL_MAX = 3;

export const renewalsLeft = ({ reauthorizationsMax = USUAL_MAX }: ActivityDeps, { renewals }: { renewals: number }) =>
  reauthorizationsMax - renewals;

/**
 * Authorizes what is left of a hold anew before it ends: at the same account, within the approval, whose running totals
 * hold it already. The new hold takes the place of the old one in the commit that records it, which also reserves the
 * void of the old one. Where the authority was withdrawn, or anything of the payment is frozen, what is left is given
 * back now instead.
 */
export async function reauthorizeAtExpiry(
  deps: ActivityDeps,
  { tenant, executionId }: ExecutionRef,
  operationId: string,
): Promise<OperationStep> {
  const who = { actor: ACTOR };
  const before = await takeUp(deps, tenant, operationId, who);
  if (before) return before;
  const at = deps.now();
  const max = renewalsLeft(deps, { renewals: 0 });
  const reserved = await reserveRenewal(deps.pool, {
    tenant,
    paymentId: executionId,
    operationId,
    max,
    actor: ACTOR,
    at,
  }).catch((error: unknown) => {
    if (!isKeyTaken(error)) throw error;
    return undefined;
  });
  if (reserved) {
    return perform(deps, {
      tenant,
      payment: reserved.payment,
      account: reserved.account,
      id: operationId,
      type: 'authorize',
      renews: true,
      amountMinor: reserved.amountMinor,
      attempt: 1,
      final: false,
      sentAt: at,
      ...who,
    });
  }
  const [frozen, authority] = await Promise.all([
    freezeOnExecution(deps.pool, tenant, executionId),
    authorityOfExecution(deps.pool, tenant, executionId),
  ]);
  if (frozen !== undefined) return giveUp(deps, { tenant, executionId }, operationId, 'frozen');
  if (!authority) return giveUp(deps, { tenant, executionId }, operationId, 'authority_withdrawn');
  const detail = 'The hold cannot be renewed now.';
  return (
    (await takeUp(deps, tenant, operationId, who)) ?? { kind: 'refused', code: 'invalid_payment_state', detail: detail }
  );
}

/** Nothing new is held without the authority that it was approved under; what is held goes back. */
async function giveUp(
  deps: ActivityDeps,
  { tenant, executionId }: Pick<ExecutionRef, 'tenant' | 'executionId'>,
  operationId: string,
  reason: string,
): Promise<OperationStep> {
  const request = { key: operationId, fingerprint: 'void instead of a renewal', actor: ACTOR, replyTo: '' };
  const fact: Fact = {
    tenant,
    at: deps.now(),
    type: 'payment.reauthorization_refused',
    actor: ACTOR,
    subject: toTypeId('pay', executionId),
    body: { operation_id: toTypeId('op', operationId), reason },
    events: [],
  };
  return followUp(deps, 'void', { tenant, paymentId: executionId, operationId, final: true, request, fact });
}
