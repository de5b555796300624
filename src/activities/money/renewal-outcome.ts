import { operationIdOfGiveBack } from '../../domain/ids.ts';
import type { ProcessorOutcome } from '../../processors/port.ts';
import type { Completion } from '../../store/payments/complete.ts';
import { ENDS_SOON } from '../../store/payments/hold.ts';
import { entry, fact, PARTIAL_APPROVAL, released, statusOfFailure, type Known } from './known.ts';

type Part = Omit<Completion, 'operationId' | 'delta' | 'release' | 'entries' | 'needsAttention'> &
  Partial<Pick<Completion, 'entries' | 'needsAttention'>>;

const PARTIAL: NonNullable<Completion['failure']> = {
  class: 'insufficient_funds',
  code: PARTIAL_APPROVAL,
  reason: 'Less was granted than is left of the hold.',
};

/**
 * What an authorization that renews a hold came to. Granted, it takes the place of the hold before, which is given back by
 * an operation of the same commit; granted in part, it is itself given back, and the hold before stands. Either way what
 * was authorized anew is released as well: the books say what was done, and what may be captured is what it was. Declined,
 * everything stands as it stood, until the hold ends.
 */
export function renewalOutcome(known: Known, outcome: ProcessorOutcome): Part {
  const { payment, operation } = known;
  switch (outcome.status) {
    case 'succeeded': {
      const stands = outcome.amountMinor >= operation.amountMinor;
      const amountMinor = Math.min(outcome.amountMinor, operation.amountMinor);
      const told = { amount_minor: amountMinor, processor: payment.processor, reauthorization: true };
      return {
        status: 'succeeded',
        endVoid: true,
        operationReference: outcome.processorReference,
        renewed: { amountMinor, stands },
        giveBack: {
          operationId: operationIdOfGiveBack(operation.id),
          type: 'void',
          amountMinor,
          of: stands ? payment.processor_reference! : outcome.processorReference,
        },
        entries: [entry(known, 'authorized', amountMinor), released(known)],
        ...(stands
          ? {
              processorReference: outcome.processorReference,
              authorizationExpiresAt: outcome.expiresAt,
              fact: fact(known, 'payment.reauthorized', told, ['payment.authorized']),
            }
          : {
              failure: PARTIAL,
              needsAttention: ENDS_SOON,
              fact: fact(known, 'payment.reauthorization_failed', { ...told, code: PARTIAL.code }, []),
            }),
      };
    }
    case 'failed':
      return {
        status: statusOfFailure(outcome.class),
        failure: { class: outcome.class, code: outcome.code, reason: outcome.message },
        endVoid: true,
        needsAttention: ENDS_SOON,
        fact: fact(known, 'payment.reauthorization_failed', { class: outcome.class, code: outcome.code }, []),
      };
    case 'pending':
    case 'unknown':
      return stillOpen(known, outcome, 'payment.reauthorization');
  }
}

/**
 * What became of the void of a hold that stands for nothing any more: nothing of the payment's, which let go of it before.
 * Refused as out of place (`invalid_data`), there is nothing to give back any more; refused otherwise, it ends at its date.
 */
export function earlierHoldOutcome(known: Known, outcome: ProcessorOutcome): Part {
  const { operation } = known;
  switch (outcome.status) {
    case 'succeeded':
      return {
        status: 'succeeded',
        fact: fact(known, 'payment.earlier_hold_voided', { amount_minor: operation.amountMinor }, []),
      };
    case 'failed':
      return {
        status: statusOfFailure(outcome.class),
        failure: { class: outcome.class, code: outcome.code, reason: outcome.message },
        needsAttention:
          outcome.class === 'invalid_data'
            ? null
            : 'A hold that was renewed could not be given back: it ends at its date',
        fact: fact(known, 'payment.earlier_hold_stays', { class: outcome.class, code: outcome.code }, []),
      };
    case 'pending':
    case 'unknown':
      return stillOpen(known, outcome, 'payment.earlier_hold_void');
  }
}

function stillOpen(
  known: Known,
  outcome: Extract<ProcessorOutcome, { status: 'pending' | 'unknown' }>,
  what: string,
): Part {
  const pending = outcome.status === 'pending';
  return {
    status: outcome.status,
    absentSince: known.absentSince,
    // What is asked about by this name from now on.
    operationReference: pending && known.operation.type === 'authorize' ? outcome.processorReference : undefined,
    failure: pending ? undefined : { class: 'unknown', code: 'unknown', reason: outcome.reason },
    needsAttention: known.payment.needs_attention,
    fact: fact(known, `${what}_${outcome.status}`, { reason: pending ? null : outcome.reason }, []),
  };
}
