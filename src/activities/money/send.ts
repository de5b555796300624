import { toTypeId } from '../../domain/ids.ts';
import { newsOfOperation, sourceOf } from '../../store/payments/notified.ts';
import type { MidAccount, ProcessorOutcome, ProcessorPort, QueryOutcome } from '../../processors/port.ts';
import type { AccountRow, PaymentRow } from '../../store/payments/row.ts';
import type { ActivityDeps } from '../deps.ts';
import { toldOutcome } from './told.ts';

/** The payment method as it was given, opened for the one call that needs it. */
export interface PaymentMethod {
  type: 'token';
  token: string;
  processor?: string;
}

export interface Sending {
  payment: PaymentRow;
  account: AccountRow;
  operation: {
    id: string;
    type: 'authorize' | 'increment' | 'capture' | 'void' | 'refund';
    amountMinor: number;
    beyondMinor?: number;
    final: boolean;
    /** An authorization of what is left of a hold. */
    renews?: boolean;
    /** The authorization that it is about, where that may not be the payment's. */
    processorReference?: string;
  };
}

/** Calls the processor once. The operation id is its idempotency key: a repeat is the same operation. */
export async function send(deps: ActivityDeps, { payment, account, operation }: Sending): Promise<ProcessorOutcome> {
  const port = portFor(deps, account);
  const call = {
    account: openedAccount(deps, account),
    operationId: operation.id,
    reference: toTypeId('pay', payment.id),
    timeoutMs: deps.processorTimeoutMs,
  };
  const { amountMinor } = operation;
  const { currency } = payment;
  const processorReference = operation.processorReference ?? payment.processor_reference!;
  const authorizedMinor = payment.authorized - payment.earlier_minor;
  switch (operation.type) {
    case 'authorize': {
      const method = JSON.parse(deps.sealer.open(payment.method_sealed)) as PaymentMethod;
      return port.authorize({
        ...call,
        amountMinor,
        currency,
        token: method.token,
        merchantReference: payment.merchant_reference ?? undefined,
        // What is left of a hold was not to be captured at once.
        capture: operation.renews ? 'manual' : payment.capture_mode,
      });
    }
    case 'increment':
      if (!port.increment) return NO_INCREMENTS;
      return port.increment({
        ...call,
        processorReference,
        amountMinor,
        authorizedMinor,
        currency,
      });
    case 'capture':
      return port.capture({
        ...call,
        processorReference,
        amountMinor,
        currency,
        final: operation.final,
        authorizedMinor,
        ...(operation.beyondMinor ? { beyondMinor: operation.beyondMinor } : {}),
      });
    case 'void':
      return port.void({ ...call, processorReference });
    case 'refund':
      return port.refund({ ...call, processorReference, amountMinor, currency });
  }
}

const NO_INCREMENTS: ProcessorOutcome = {
  status: 'failed',
  class: 'configuration',
  code: 'increment_not_supported',
  message: 'This kind of processor cannot raise a hold; nothing was sent.',
};

/**
 * Asks what became of an operation, by our own reference: after a timeout there is no other. Where the processor
 * answers no question, what it has notified is its answer.
 */
export async function ask(deps: ActivityDeps, { payment, account, operation }: Sending): Promise<QueryOutcome> {
  // A renewal has a name of its own, once it is told; that of the payment is the hold before it.
  const known = operation.processorReference ?? (operation.renews ? null : payment.processor_reference);
  const answer = await portFor(deps, account).query({
    account: openedAccount(deps, account),
    reference: toTypeId('pay', payment.id),
    operationId: operation.id,
    timeoutMs: deps.processorTimeoutMs,
    operation: operation.type,
    ...(known === null ? {} : { processorReference: known }),
    currency: payment.currency,
  });
  if (answer.status !== 'unanswered' || !answer.repeat) return answer;
  const news = await newsOfOperation(deps.pool, sourceOf(account.kind, account.mid_id), operation.id);
  return toldOutcome(news, operation.type) ?? answer;
}

function portFor(deps: ActivityDeps, { kind }: AccountRow): ProcessorPort {
  const port = deps.processors[kind];
  if (!port) throw new Error(`there is no adapter for processors of kind ${kind}`);
  return port;
}

/** An account with its credentials opened, for the one call that needs them. */
export function openedAccount(deps: ActivityDeps, account: AccountRow): MidAccount {
  return {
    processor: account.processor,
    mid: account.mid,
    baseUrl: account.base_url,
    apiKey: deps.sealer.open(account.api_key_sealed),
    capabilities: account.capabilities,
  };
}
