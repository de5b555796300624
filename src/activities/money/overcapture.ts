import type { ProblemCode } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { RequestRef } from '../../domain/messages.ts';
import { capturable } from '../../domain/payment.ts';
import { overcaptureCeiling } from '../../domain/payment/overcapture.ts';
import type { Tenant } from '../../domain/types.ts';
import { DecisionRaced, isRaced } from '../../store/executions/commit-decision.ts';
import { findExecution } from '../../store/executions/read.ts';
import { isKeyTaken } from '../../store/idempotency.ts';
import { abilitiesOf } from '../../store/payments/increment.ts';
import { reserveOvercapture } from '../../store/payments/overcapture.ts';
import { findPayment } from '../../store/payments/read.ts';
import type { Reservation } from '../../store/payments/reserve.ts';
import { inTransaction } from '../../store/pool.ts';
import { holdStanding } from '../../store/stops/begin.ts';
import type { ActivityDeps } from '../deps.ts';
import { commitAddition, judgeAddition } from './judge-addition.ts';

interface Beyond {
  tenant: Tenant;
  paymentId: string;
  operationId: string;
  amountMinor?: number;
  request: RequestRef;
}

/**
 * A capture of more than is held, which the ordinary reservation has refused: within the account's ceiling the difference
 * is decided, charged and reserved as an increment is, in one commit, and sent as the last capture.
 * @returns undefined when it is none, or the account takes none: then the ordinary refusal stands
 */
export async function reserveBeyond(
  deps: ActivityDeps,
  f: Beyond,
  at: Date,
): Promise<Reservation | { code: ProblemCode; detail: string } | undefined> {
  const { tenant, request, operationId, paymentId, amountMinor } = f;
  if (amountMinor === undefined) return undefined;
  for (;;) {
    const [payment, row, abilities] = await Promise.all([
      findPayment(deps.pool, tenant, paymentId),
      findExecution(deps.pool, tenant, paymentId),
      abilitiesOf(deps.pool, tenant, paymentId),
    ]);
    if (!payment || !row || payment.phase !== 'open' || payment.decline || !abilities.overcapture) return undefined;
    if (payment.void_pending || payment.capture_pending > 0 || payment.increment_pending > 0) return undefined;
    const beyond = amountMinor - capturable(payment);
    const ceiling = overcaptureCeiling(payment, abilities.overcapturePercent);
    if (beyond <= 0 || ceiling === 0) return undefined;
    if (beyond > ceiling) {
      const most = capturable(payment) + ceiling;
      return { code: 'amount_exceeds_capturable', detail: `At most ${most} minor units can be captured.` };
    }
    const judged = await judgeAddition(deps, tenant, { row, payment, amountMinor: beyond });
    if ('code' in judged) return judged;
    try {
      return await inTransaction(deps.pool, async (db) => {
        await holdStanding(db, tenant);
        const reserved = await reserveOvercapture(db, {
          tenant,
          paymentId,
          operationId,
          amountMinor,
          beyondMinor: beyond,
          authorizedMinor: payment.authorized,
          percent: abilities.overcapturePercent,
          key: request.key,
          fingerprint: request.fingerprint,
          actor: request.actor,
          at,
        });
        if (!reserved) return undefined;
        await commitAddition(db, judged, {
          tenant,
          at,
          type: 'payment.overcapture_approved',
          actor: request.actor,
          subject: toTypeId('pay', paymentId),
          body: {
            operation_id: toTypeId('op', operationId),
            amount_minor: amountMinor,
            beyond_minor: beyond,
            currency: payment.currency,
          },
          events: [],
        });
        return reserved;
      });
    } catch (error) {
      if (isKeyTaken(error) || (!(error instanceof DecisionRaced) && !isRaced(error))) throw error;
    }
  }
}
