import type { OperationStep, PaymentStage } from '../../domain/messages.ts';
import { operationIdOfAttempt, operationIdOfGiveBack, operationIdOfRest } from '../../domain/ids.ts';
import { paymentStatus } from '../../domain/payment.ts';
import { isOutcomeKnown } from '../../domain/payment/resolution.ts';
import type { PaymentRow } from '../../store/payments/row.ts';
import { PARTIAL_APPROVAL } from './known.ts';

/** The stage that a payment's counters put the lifecycle in. */
export function stageOfPayment(row: PaymentRow): PaymentStage {
  const status = paymentStatus(row, row.phase, row.closed_by ?? undefined);
  switch (status) {
    case 'refunded':
      return 'captured';
    case 'pending':
      return 'auth_unknown';
    case 'authorizing':
    case 'auth_unknown':
    case 'failed':
    case 'needs_review':
    case 'authorized':
    case 'partially_captured':
    case 'captured':
    case 'voided':
    case 'expired':
      return status;
  }
}

/** How an operation stands, as the workflow is told. */
export function stepOf(
  status: string,
  row: PaymentRow,
  operationId: string,
  failure?: { failure_class: string | null; failure_code: string | null },
): OperationStep {
  if (status === 'unknown' || status === 'pending') return { kind: status, processor: row.processor ?? undefined };
  if (status === 'needs_review') return { kind: 'unknown' };
  if (status === 'succeeded') {
    return {
      kind: 'succeeded',
      stage: stageOfPayment(row),
      processor: row.processor ?? undefined,
      authorizationExpiresAt: row.authorization_expires_at ?? undefined,
      giveBack: openGiveBack(row, operationId),
      renewal: renewalOf(row, operationId),
    };
  }
  return {
    kind: 'failed',
    class: (failure?.failure_class ?? 'not_sent') as Extract<OperationStep, { kind: 'failed' }>['class'],
    code: failure?.failure_code ?? 'unknown',
    // A later attempt may be under way, or over: whoever asks about this one again goes on to that.
    failover: row.phase === 'authorizing' || wasFollowed(row, operationId),
  };
}

/** Whether another attempt came after this one, by the step that made it or by an earlier run of it. */
function wasFollowed({ operations }: PaymentRow, operationId: string): boolean {
  return operations[operationIdOfAttempt(operationId, 2)] !== undefined;
}

/**
 * The operation that gives back what nobody accepts, or wants any more, of what this one did, while its outcome is open.
 * Only that one: a payment may have several, and whoever carries out another one in its place leaves it undone.
 */
function openGiveBack({ operations }: PaymentRow, operationId: string): string | undefined {
  return [operationIdOfGiveBack(operationId), operationIdOfRest(operationId)].find(
    (id) => operations[id] && !isOutcomeKnown(operations[id].status),
  );
}

/** What became of an authorization that renews a hold; one that was granted in part carries its code. */
function renewalOf({ operations }: PaymentRow, operationId: string): 'stands' | 'in_part' | undefined {
  const operation = operations[operationId];
  if (!operation?.renews || operation.type !== 'authorize') return undefined;
  return operation.code === PARTIAL_APPROVAL ? 'in_part' : 'stands';
}
