import { activityInfo } from '@temporalio/activity';
import type { ProblemCode } from '../../domain/errors.ts';
import { toTypeId } from '../../domain/ids.ts';
import type { IncrementInput, OperationStep } from '../../domain/messages.ts';
import { capturable } from '../../domain/payment.ts';
import { DecisionRaced, isRaced } from '../../store/executions/commit-decision.ts';
import { findExecution, type ExecutionRow } from '../../store/executions/read.ts';
import { recordFact, type Fact } from '../../store/facts.ts';
import { isKeyTaken } from '../../store/idempotency.ts';
import { abilitiesOf, reserveIncrement, type HoldAbilities } from '../../store/payments/increment.ts';
import { findPayment } from '../../store/payments/read.ts';
import type { Reservation } from '../../store/payments/reserve.ts';
import type { PaymentRow } from '../../store/payments/row.ts';
import { inTransaction } from '../../store/pool.ts';
import { holdStanding } from '../../store/stops/begin.ts';
import { freezeOnExecution } from '../../store/stops/read.ts';
import type { ActivityDeps } from '../deps.ts';
import { SPENT_BEFORE } from './follow-up.ts';
import { commitAddition, judgeAddition, type Addition } from './judge-addition.ts';
import { perform } from './perform.ts';
import { takeUpOwn } from './take-up.ts';
import { refuse } from './refuse.ts';

/**
 * Raises a hold: the addition is decided anew, reserved and charged in one commit, and asked of the account that
 * authorized. A denial changes nothing but the audit trail.
 */
export async function incrementPayment(deps: ActivityDeps, input: IncrementInput): Promise<OperationStep> {
  const { tenant, request, operationId, paymentId, amountMinor } = input;
  const before = await takeUpOwn(deps, tenant, operationId, request);
  if (before) return before;
  for (;;) {
    const [payment, row, abilities, kind] = await Promise.all([
      findPayment(deps.pool, tenant, paymentId),
      findExecution(deps.pool, tenant, paymentId),
      abilitiesOf(deps.pool, tenant, paymentId),
      freezeOnExecution(deps.pool, tenant, paymentId),
    ]);
    const at = deps.now();
    if (!payment || !row) return refuse(deps, tenant, request, 'not_found', 'There is no such payment.');
    if (kind !== undefined) {
      const detail = `Frozen: the ${kind}. No hold is raised; voids stay possible.`;
      return refuse(deps, tenant, request, 'frozen', detail);
    }
    const unfit = whyNot(payment, abilities, at);
    if (unfit) return refuse(deps, tenant, request, 'invalid_payment_state', unfit);
    const judged = await judgeAddition(deps, tenant, { row, payment, amountMinor });
    if ('code' in judged) return deny(deps, input, judged);
    try {
      const reserved = await reserve(deps, input, payment, judged, at);
      if (!reserved) continue;
      return await perform(deps, {
        tenant,
        payment: reserved.payment,
        account: reserved.account,
        id: operationId,
        type: 'increment',
        amountMinor,
        attempt: 1,
        final: false,
        sentAt: at,
        actor: request.actor,
        reply: request,
      });
    } catch (error) {
      if (isKeyTaken(error)) return (await takeUpOwn(deps, tenant, operationId, request)) ?? SPENT_BEFORE;
      if (!(error instanceof DecisionRaced) && !isRaced(error)) throw error;
    }
  }
}

/** Undefined when the payment is not any more as it was judged. */
async function reserve(
  deps: ActivityDeps,
  input: IncrementInput,
  payment: PaymentRow,
  addition: Addition,
  at: Date,
): Promise<Reservation | undefined> {
  const { tenant, request, operationId, paymentId, amountMinor } = input;
  return inTransaction(deps.pool, async (db) => {
    await holdStanding(db, tenant);
    const reserved = await reserveIncrement(db, {
      tenant,
      paymentId,
      operationId,
      workflowId: activityInfo().workflowExecution!.workflowId,
      amountMinor,
      authorizedMinor: payment.authorized,
      key: request.key,
      fingerprint: request.fingerprint,
      actor: request.actor,
      at,
    });
    if (reserved) await commitAddition(db, addition, factOf(input, 'payment.increment_approved', addition.row, at, {}));
    return reserved;
  });
}

async function deny(
  deps: ActivityDeps,
  input: IncrementInput,
  { code, detail }: { code: ProblemCode; detail: string },
): Promise<OperationStep> {
  const { tenant, request, paymentId } = input;
  const row = (await findExecution(deps.pool, tenant, paymentId))!;
  const fact = factOf(input, 'payment.increment_denied', row, deps.now(), { code, detail });
  await inTransaction(deps.pool, (db) => recordFact(db, fact));
  return refuse(deps, tenant, request, code, detail);
}

function factOf(
  { tenant, request, paymentId, operationId, amountMinor, reason }: IncrementInput,
  type: string,
  { intent }: ExecutionRow,
  at: Date,
  more: object,
): Fact {
  return {
    tenant,
    at,
    type,
    actor: request.actor,
    subject: toTypeId('pay', paymentId),
    body: {
      operation_id: toTypeId('op', operationId),
      amount_minor: amountMinor,
      currency: intent.currency,
      reason: reason ?? null,
      ...more,
    },
    events: [],
  };
}

/** Why a payment cannot be raised now, whatever is decided; undefined when it can. */
function whyNot(payment: PaymentRow, { incremental }: HoldAbilities, at: Date): string | undefined {
  if (payment.phase !== 'open') return `The payment is ${payment.phase}: there is no hold to raise.`;
  if (payment.decline) return `The payment was declined: ${payment.decline.code}.`;
  if (capturable(payment) === 0) return 'Nothing is held any more: authorize anew.';
  if (payment.increment_pending > 0) return 'The hold is being raised; the outcome of that must be known first.';
  const { void_pending, authorization_expires_at: ends } = payment;
  if (void_pending || (ends !== null && new Date(ends) <= at)) return 'The hold is ending.';
  return incremental ? undefined : 'The account that authorized cannot raise a hold.';
}
