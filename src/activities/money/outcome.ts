import { FAILURES, nextStep } from '../../domain/failures.ts';
import { operationIdOfGiveBack, operationIdOfRest } from '../../domain/ids.ts';
import { capturable } from '../../domain/payment.ts';
import type { ProcessorOutcome } from '../../processors/port.ts';
import type { Completion } from '../../store/payments/complete.ts';
import { answer, attempt, entry, fact, PARTIAL_APPROVAL, released, statusOfFailure, type Known } from './known.ts';
import { earlierHoldOutcome, renewalOutcome } from './renewal-outcome.ts';

/**
 * What an outcome does: the one place where an answer of a processor becomes counters, ledger entries, events and the
 * HTTP status of the answer. A row per operation type and outcome; nothing here reads or writes.
 */
export function completionOf(known: Known): { completion: Completion; failover: boolean } {
  const { operation, outcome } = known;
  const base = { operationId: operation.id, delta: {}, release: false, entries: [], needsAttention: null };
  if (operation.renews) {
    const part = operation.type === 'authorize' ? renewalOutcome : earlierHoldOutcome;
    return { completion: { ...base, ...part(known, outcome) }, failover: false };
  }
  switch (outcome.status) {
    case 'succeeded':
      return { completion: { ...base, ...succeeded(known, outcome) }, failover: false };
    case 'failed': {
      const failover = operation.type === 'authorize' && !known.last && mayFailOver(known, outcome.class);
      return { completion: { ...base, ...failed(known, outcome, failover) }, failover };
    }
    case 'pending':
    case 'unknown':
      return { completion: { ...base, ...open(known, outcome) }, failover: false };
  }
}

function mayFailOver({ payment, operation, at }: Known, cls: Parameters<typeof nextStep>[0]): boolean {
  const step = nextStep(cls, {
    attemptsMade: operation.attempt,
    candidatesLeft: payment.candidates.length - operation.attempt,
    elapsedMs: at.getTime() - Date.parse(payment.created_at),
  });
  return step === 'failover';
}

type Rest = Omit<Completion, 'operationId' | 'delta' | 'release' | 'entries' | 'needsAttention'> &
  Partial<Pick<Completion, 'delta' | 'release' | 'entries' | 'needsAttention'>>;

function succeeded(known: Known, outcome: Extract<ProcessorOutcome, { status: 'succeeded' }>): Rest {
  const { payment, operation } = known;
  const moved = outcome.amountMinor;
  const common = { status: 'succeeded' as const, processorReference: outcome.processorReference };
  switch (operation.type) {
    case 'authorize': {
      const captured = outcome.captured ? moved : 0;
      const opened = {
        ...common,
        phase: 'open' as const,
        authorizationExpiresAt: outcome.expiresAt,
        attempt: attempt(known, { outcome: 'approved' }),
      };
      if (moved < operation.amountMinor && !payment.accept_partial)
        return { ...opened, ...grantedInPart(known, moved, captured) };
      return {
        ...opened,
        delta: { authorized: moved, captured },
        entries: [entry(known, 'authorized', moved), ...(captured > 0 ? [entry(known, 'captured', captured)] : [])],
        answer: answer(known, 201),
        fact: fact(known, 'payment.authorized', { amount_minor: moved, processor: payment.processor }, [
          'payment.authorized',
          ...(captured > 0 ? ['payment.captured'] : []),
        ]),
      };
    }
    case 'increment': {
      // All of it or nothing; some processors tell the sum that they hold now.
      const added = operation.amountMinor;
      return {
        status: 'succeeded',
        delta: { authorized: added, increment_pending: -added },
        entries: [entry(known, 'authorized', added)],
        answer: answer(known, 200),
        fact: fact(known, 'payment.incremented', { amount_minor: added, processor: payment.processor }, [
          'payment.authorized',
        ]),
      };
    }
    case 'capture': {
      const rest = restKept(known, moved);
      const letsGo = operation.final && rest === 0;
      return {
        status: 'succeeded',
        delta: { captured: moved, capture_pending: -operation.amountMinor },
        release: letsGo,
        endVoid: letsGo,
        ...(rest > 0
          ? { giveBack: { operationId: operationIdOfRest(operation.id), type: 'void' as const, amountMinor: rest } }
          : {}),
        entries: [
          ...(operation.beyondMinor ? [entry(known, 'overcaptured', operation.beyondMinor)] : []),
          entry(known, 'captured', moved),
          ...(letsGo ? [released(known)] : []),
        ],
        answer: answer(known, 200),
        fact: fact(known, 'payment.captured', { amount_minor: moved, final: operation.final }, ['payment.captured']),
      };
    }
    case 'void':
      return {
        status: 'succeeded',
        release: true,
        endVoid: true,
        closedBy: 'void',
        entries: [released(known)],
        answer: answer(known, givesBack(known) ? 402 : 200),
        fact: fact(known, 'payment.voided', { amount_minor: operation.amountMinor }, [
          'payment.voided',
          ...(givesBack(known) ? ['payment.failed'] : []),
        ]),
      };
    case 'refund':
      return {
        status: 'succeeded',
        delta: { refunded: moved, refund_pending: -operation.amountMinor },
        entries: [entry(known, 'refunded', moved)],
        answer: answer(known, givesBack(known) ? 402 : 200),
        fact: fact(known, 'payment.refunded', { amount_minor: moved }, [
          'payment.refunded',
          ...(givesBack(known) ? ['payment.failed'] : []),
        ]),
      };
  }
}

/**
 * The issuer granted less than was asked, and the client did not say that it takes that: the payment counts as declined
 * and the money is given back, by an operation that is reserved with this outcome. No answer yet: it is given when the
 * money is known to be back, since a failure is not reported over money that is still held.
 */
function grantedInPart(known: Known, moved: number, captured: number) {
  const { operation } = known;
  const type = captured > 0 ? 'refund' : 'void';
  return {
    delta: { authorized: moved, captured, refund_pending: captured },
    decline: { class: 'insufficient_funds', code: PARTIAL_APPROVAL, retryable: true },
    entries: [entry(known, 'authorized', moved), ...(captured > 0 ? [entry(known, 'captured', captured)] : [])],
    giveBack: { operationId: operationIdOfGiveBack(operation.id), type, amountMinor: moved } as const,
    fact: fact(known, 'payment.partially_approved', { amount_minor: moved, asked_minor: operation.amountMinor }, []),
  };
}

/** Whether this operation gives back an authorization that nobody accepts. */
function givesBack({ payment, operation }: Known): boolean {
  return Object.keys(payment.operations).some((id) => operationIdOfGiveBack(id) === operation.id);
}

/**
 * What of the hold a final capture has left at the account. It is voided by an operation that is reserved with the
 * outcome and sent after it: a void on its way beside the capture could overtake it, and take the whole hold.
 */
function restKept({ payment, operation, keepsRest }: Known, moved: number): number {
  return keepsRest && operation.final ? capturable(payment) + operation.amountMinor - moved : 0;
}

/** Whether this operation voids what a final capture has left. */
function voidsRest({ payment, operation }: Known): boolean {
  return Object.keys(payment.operations).some((id) => operationIdOfRest(id) === operation.id);
}

/** The money could not be given back: it stays held, is not captured by itself, and a person looks. */
function notGivenBack(known: Known): Pick<Completion, 'needsAttention'> {
  if (givesBack(known)) return { needsAttention: 'A partial approval could not be given back' };
  return { needsAttention: voidsRest(known) ? 'What a final capture left could not be voided' : null };
}

function failed(known: Known, outcome: Extract<ProcessorOutcome, { status: 'failed' }>, failover: boolean): Rest {
  const { operation } = known;
  const rule = FAILURES[outcome.class];
  const status = statusOfFailure(outcome.class);
  const body = { class: outcome.class, code: outcome.code };
  const common = {
    status,
    failure: { class: outcome.class, code: outcome.code, reason: outcome.message },
  };
  switch (operation.type) {
    case 'authorize':
      return {
        ...common,
        phase: failover ? 'authorizing' : 'failed',
        attempt: attempt(known, { outcome: status, class: outcome.class, code: outcome.code }),
        decline: failover ? null : { class: outcome.class, code: outcome.code, retryable: rule.retryable },
        answer: failover ? undefined : answer(known, 402),
        fact: failover
          ? fact(known, 'payment.attempt_failed', body, [])
          : fact(known, 'payment.failed', body, ['payment.failed']),
      };
    case 'increment':
      return {
        ...common,
        delta: { increment_pending: -operation.amountMinor },
        answer: answer(known, 402),
        fact: fact(known, 'payment.increment_failed', body, []),
      };
    case 'capture':
      return {
        ...common,
        delta: {
          capture_pending: -operation.amountMinor,
          ...(operation.beyondMinor
            ? { authorized: -operation.beyondMinor, overcaptured: -operation.beyondMinor }
            : {}),
        },
        endVoid: operation.final,
        answer: answer(known, 402),
        fact: fact(known, 'payment.capture_failed', body, []),
      };
    case 'void':
      return {
        ...common,
        ...notGivenBack(known),
        endVoid: true,
        answer: answer(known, 402),
        fact: fact(known, 'payment.void_failed', body, []),
      };
    case 'refund':
      return {
        ...common,
        ...notGivenBack(known),
        delta: { refund_pending: -operation.amountMinor },
        answer: answer(known, 402),
        fact: fact(known, 'payment.refund_failed', body, []),
      };
  }
}

/** Nothing is released and nothing given up: the reservation stands until there is evidence. */
function open(known: Known, outcome: Extract<ProcessorOutcome, { status: 'pending' | 'unknown' }>): Rest {
  const { operation } = known;
  const pending = outcome.status === 'pending';
  const phase = pending ? 'pending' : 'auth_unknown';
  return {
    status: outcome.status,
    absentSince: known.absentSince,
    processorReference: pending && operation.type === 'authorize' ? outcome.processorReference : undefined,
    ...(operation.type === 'authorize' ? { phase } : {}),
    failure: pending ? undefined : { class: 'unknown', code: 'unknown', reason: outcome.reason },
    answer: answer(known, 202),
    fact: fact(known, `payment.${operation.type}_${outcome.status}`, { reason: pending ? null : outcome.reason }, []),
  };
}
