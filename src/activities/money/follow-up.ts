import { activityInfo } from '@temporalio/activity';
import type { ProblemCode } from '../../domain/errors.ts';
import type { CaptureRequest, OperationStep, RequestRef, VoidRequest } from '../../domain/messages.ts';
import { capturable, refundable } from '../../domain/payment.ts';
import { isOutcomeKnown } from '../../domain/payment/resolution.ts';
import type { Tenant } from '../../domain/types.ts';
import { recordFact, type Fact } from '../../store/facts.ts';
import { isKeyTaken } from '../../store/idempotency.ts';
import { findPayment } from '../../store/payments/read.ts';
import { reserveFollowUp, type Reservation } from '../../store/payments/reserve.ts';
import type { PaymentRow } from '../../store/payments/row.ts';
import { inTransaction } from '../../store/pool.ts';
import { freezeOnExecution } from '../../store/stops/read.ts';
import { KEY_TAKEN } from '../answer-under-key.ts';
import type { ActivityDeps } from '../deps.ts';
import type { ExecutionRef } from '../types.ts';
import { reserveBeyond } from './overcapture.ts';
import { perform } from './perform.ts';
import { takeUpOwn } from './take-up.ts';
import { refuse } from './refuse.ts';

type FollowUp = 'capture' | 'void' | 'refund';

interface FollowUpRequest {
  tenant: Tenant;
  paymentId: string;
  operationId: string;
  amountMinor?: number;
  final: boolean;
  request: RequestRef;
  /** The operation's own key, where that of the request was used before: for the answer that somebody is asked. */
  ownKey?: string;
  /** What is recorded in the commit of the reservation. */
  fact?: Fact;
}

export async function capturePayment(deps: ActivityDeps, ref: ExecutionRef, capture: CaptureRequest) {
  return followUp(deps, 'capture', { tenant: ref.tenant, paymentId: ref.executionId, ...capture });
}

export async function voidPayment(deps: ActivityDeps, ref: ExecutionRef, request: VoidRequest) {
  return followUp(deps, 'void', { tenant: ref.tenant, paymentId: ref.executionId, final: true, ...request });
}

/** An operation on an authorized payment: reserve, send to the MID that authorized, record. */
export async function followUp(deps: ActivityDeps, type: FollowUp, f: FollowUpRequest): Promise<OperationStep> {
  const { tenant, operationId, request } = f;
  const who = { actor: request.actor, reply: request };
  if (activityInfo().attempt > 1) {
    const before = await takeUpOwn(deps, tenant, operationId, request);
    if (before) return before;
  }
  const at = deps.now();
  let reserved: Reservation | { code: ProblemCode; detail: string } | undefined;
  try {
    reserved = await reserve(deps, type, f, at);
    reserved ??= type === 'capture' ? await reserveBeyond(deps, f, at) : undefined;
  } catch (error) {
    if (!isKeyTaken(error)) throw error;
    const before = await takeUpOwn(deps, tenant, operationId, request);
    return before ?? SPENT_BEFORE;
  }
  if (!reserved || 'code' in reserved) {
    const before = await takeUpOwn(deps, tenant, operationId, request);
    if (before) return before;
    const kind = type === 'void' ? undefined : await freezeOnExecution(deps.pool, tenant, f.paymentId);
    const { code, detail } =
      kind === undefined
        ? (reserved ?? whyNot(type, f, await findPayment(deps.pool, tenant, f.paymentId)))
        : { code: 'frozen' as const, detail: `Frozen: the ${kind}. A ${type} is refused; voids stay possible.` };
    return refuse(deps, tenant, request, code, detail);
  }
  return perform(deps, {
    tenant,
    payment: reserved.payment,
    account: reserved.account,
    id: operationId,
    type,
    amountMinor: reserved.amountMinor,
    attempt: 1,
    final: reserved.final ?? f.final,
    beyondMinor: reserved.beyondMinor,
    processorReference: reserved.processorReference,
    sentAt: at,
    ...who,
  });
}

/** Reserves it, with the fact that says why where there is one: a run that dies after this commit has lost nothing. */
async function reserve(
  deps: ActivityDeps,
  type: FollowUp,
  { tenant, paymentId, operationId, amountMinor, final, request, ownKey, fact }: FollowUpRequest,
  at: Date,
): Promise<Reservation | undefined> {
  const reservation = {
    tenant,
    paymentId,
    operationId,
    amountMinor: amountMinor ?? null,
    final,
    key: ownKey ?? request.key,
    fingerprint: request.fingerprint,
    at,
    actor: request.actor,
    ...(type === 'refund' ? { workflowId: activityInfo().workflowExecution?.workflowId } : {}),
  };
  if (!fact) return reserveFollowUp(deps.pool, type, reservation);
  return inTransaction(deps.pool, async (db) => {
    const reserved = await reserveFollowUp(db, type, reservation);
    if (reserved) await recordFact(db, fact);
    return reserved;
  });
}

/**
 * The key was spent by the same request, on another operation: that one's outcome stands, the API reads its answer off
 * the row, and nothing is announced. (Another request's key was refused when the operation was looked up.)
 */
export const SPENT_BEFORE: OperationStep = {
  kind: 'refused',
  code: 'idempotency_conflict',
  detail: KEY_TAKEN,
};

/** Which of the conditions of the reservation did not hold. */
function whyNot(
  type: FollowUp,
  { amountMinor }: FollowUpRequest,
  payment: PaymentRow | undefined,
): { code: ProblemCode; detail: string } {
  if (!payment) return { code: 'not_found', detail: 'There is no such payment.' };
  if (payment.phase !== 'open') {
    return { code: 'invalid_payment_state', detail: `The payment is ${payment.phase}: a ${type} is not possible.` };
  }
  switch (type) {
    case 'capture': {
      if (payment.decline) {
        return { code: 'invalid_payment_state', detail: `The payment was declined: ${payment.decline.code}.` };
      }
      const left = capturable(payment);
      if (amountMinor !== undefined && amountMinor > left) {
        return { code: 'amount_exceeds_capturable', detail: `At most ${left} minor units can be captured.` };
      }
      return left === 0
        ? { code: 'amount_exceeds_capturable', detail: 'Nothing is left to capture.' }
        : {
            code: 'invalid_payment_state',
            detail:
              payment.increment_pending > 0
                ? INCREMENT_FIRST
                : isRenewing(payment)
                  ? RENEWAL_FIRST
                  : 'The hold is expiring, or a void, a final capture, or a capture before this final one is under way.',
          };
    }
    case 'void':
      return { code: 'invalid_payment_state', detail: whyNoVoid(payment) };
    case 'refund': {
      if (payment.dispute_short > 0) {
        const detail = 'An open dispute claims what was refunded already: nothing more is refunded until it is over.';
        return { code: 'invalid_payment_state', detail };
      }
      const left = refundable(payment);
      if (payment.captured === 0) {
        const held = capturable(payment) > 0 || payment.capture_pending > 0;
        const instead = held ? '; void the authorization instead' : ', and nothing is held any more';
        return { code: 'invalid_payment_state', detail: `Nothing was captured${instead}.` };
      }
      const spread = payment.renewals > 0 && (amountMinor ?? left) <= left;
      const detail = spread
        ? 'Captured under several authorizations, none of them for that much: refund what each captured by itself.'
        : `At most ${left} minor units can be refunded.`;
      return { code: 'amount_exceeds_refundable', detail };
    }
  }
}

const RENEWAL_FIRST = 'The hold is being renewed; the outcome of that must be known first.';

/** An authorization of what is left of the hold is under way. */
function isRenewing({ operations }: PaymentRow): boolean {
  return Object.values(operations).some(
    ({ type, renews, status }) => renews && type === 'authorize' && !isOutcomeKnown(status),
  );
}

const INCREMENT_FIRST = 'The hold is being raised; the outcome of that must be known first.';

function whyNoVoid(payment: PaymentRow): string {
  if (payment.increment_pending > 0) return INCREMENT_FIRST;
  if (payment.capture_pending > 0) return 'A capture is under way; its outcome must be known first.';
  if (isRenewing(payment)) return RENEWAL_FIRST;
  if (capturable(payment) > 0) return 'A void is under way.';
  return payment.captured > 0
    ? 'There is no open authorization to void; captured money is refunded.'
    : 'There is no open authorization to void.';
}
