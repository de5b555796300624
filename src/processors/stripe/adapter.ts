import { Stripe } from 'stripe';
import { failed } from '../outcomes.ts';
import type {
  AuthorizeRequest,
  CaptureRequest,
  IncrementRequest,
  MidAccount,
  ProcessorOutcome,
  ProcessorPort,
  QueryOutcome,
  QueryRequest,
  RefundRequest,
  VoidRequest,
} from '../port.ts';
import { callOptions, createStripeClients } from './client.ts';
import { outcomeOfError } from './failures.ts';
import {
  authorizationOf,
  captureIn,
  captureMark,
  incrementIn,
  incrementMark,
  isIntentOf,
  OPERATION_KEY,
  PAYMENT_KEY,
  releasedBy,
  voidIn,
} from './intent.ts';
import { refundOutcome } from './refund.ts';
import { toStripe } from './units.ts';

type Clients = ReturnType<typeof createStripeClients>;

/**
 * Stripe by its official SDK: one PaymentIntent per authorization, captured by hand or at once; refunds beside it.
 *
 * A payment is found again by `metadata` (our payment, our operations); by its own id as soon as that is known, which
 * Stripe answers at once; before, by search, which lags behind by up to a minute and longer during an outage
 * (https://docs.stripe.com/search#data-freshness). So an `absent` authorization is proven by two sightings only when
 * they are at least that far apart, and even then it is sent again under the same key and no other.
 */
export function createStripeAdapter(): ProcessorPort {
  const clientOf = createStripeClients();
  return {
    kind: 'stripe',
    authorize: (request) => authorize(clientOf, request),
    increment: (request) => increment(clientOf, request),
    capture: (request) => capture(clientOf, request),
    void: (request) => release(clientOf, request),
    refund: (request) => refund(clientOf, request),
    query: (request) => query(clientOf, request),
  };
}

async function authorize(clientOf: Clients, request: AuthorizeRequest): Promise<ProcessorOutcome> {
  const { account, operationId, reference, currency, merchantReference } = request;
  const instrument = instrumentOf(request.token);
  const amount = toStripe(request.amountMinor, currency);
  if (!instrument) return failed('invalid_data', 'unsupported_token', 'Not a token of Stripe; nothing was sent.');
  if (amount === undefined) return inexpressible();
  return attempt(async () => {
    const intent = await clientOf(account).paymentIntents.create(
      {
        amount,
        currency: currency.toLowerCase(),
        ...instrument,
        allowed_payment_method_types: ['card'],
        confirm: true,
        // Nobody is there to act: a demand for authentication is an answer, and no intent is left waiting for it.
        error_on_requires_action: true,
        capture_method: request.capture,
        ...optionsOf(account),
        metadata: {
          [PAYMENT_KEY]: reference,
          [OPERATION_KEY]: operationId,
          ...(merchantReference === undefined ? {} : { merchant_reference: merchantReference }),
        },
        expand: ['latest_charge'],
      },
      callOptions(request, operationId),
    );
    return isIntentOf(intent, reference) ? authorizationOf(intent) : anotherPayment();
  });
}

/** What the account can do must be asked for with the authorization, or it cannot be done to it later. */
function optionsOf({ capabilities }: MidAccount): Pick<Stripe.PaymentIntentCreateParams, 'payment_method_options'> {
  const card = {
    ...(capabilities?.['multicapture'] === true ? { request_multicapture: 'if_available' as const } : {}),
    ...(capabilities?.['overcapture'] === true ? { request_overcapture: 'if_available' as const } : {}),
    ...(capabilities?.['incremental'] === true ? { request_incremental_authorization: 'if_available' as const } : {}),
  };
  return Object.keys(card).length === 0 ? {} : { payment_method_options: { card } };
}

/** Stripe wants the new sum (https://docs.stripe.com/api/payment_intents/increment_authorization). */
async function increment(clientOf: Clients, request: IncrementRequest): Promise<ProcessorOutcome> {
  const { account, operationId, amountMinor, authorizedMinor, currency, processorReference } = request;
  const amount = toStripe(authorizedMinor + amountMinor, currency);
  if (amount === undefined) return inexpressible();
  return attempt(async () => {
    const intent = await clientOf(account).paymentIntents.incrementAuthorization(
      processorReference,
      { amount, metadata: incrementMark(operationId, amount) },
      callOptions(request, operationId),
    );
    if (!isIntentOf(intent, request.reference)) return anotherPayment();
    return { status: 'succeeded', processorReference: intent.id, amountMinor };
  });
}

async function capture(clientOf: Clients, request: CaptureRequest): Promise<ProcessorOutcome> {
  const { account, operationId, amountMinor, currency, processorReference } = request;
  const amount = toStripe(amountMinor, currency);
  if (amount === undefined) return inexpressible();
  const isLast = request.final || amountMinor === request.authorizedMinor;
  return attempt(async () => {
    const intent = await clientOf(account).paymentIntents.capture(
      processorReference,
      {
        amount_to_capture: amount,
        // Refused by Stripe where the account has no multicapture: better than letting the rest go unasked.
        ...(isLast ? {} : { final_capture: false }),
        metadata: captureMark(operationId, amount),
      },
      callOptions(request, operationId),
    );
    if (!isIntentOf(intent, request.reference)) return anotherPayment();
    return { status: 'succeeded', processorReference: intent.id, amountMinor };
  });
}

async function release(clientOf: Clients, request: VoidRequest): Promise<ProcessorOutcome> {
  return attempt(async () => {
    const intent = await clientOf(request.account).paymentIntents.cancel(
      request.processorReference,
      { cancellation_reason: 'abandoned', expand: ['latest_charge'] },
      callOptions(request, request.operationId),
    );
    return isIntentOf(intent, request.reference) ? releasedBy(intent) : anotherPayment();
  });
}

async function refund(clientOf: Clients, request: RefundRequest): Promise<ProcessorOutcome> {
  const { operationId, reference } = request;
  const amount = toStripe(request.amountMinor, request.currency);
  if (amount === undefined) return inexpressible();
  return attempt(async () => {
    const made = await clientOf(request.account).refunds.create(
      {
        payment_intent: request.processorReference,
        amount,
        metadata: { [PAYMENT_KEY]: reference, [OPERATION_KEY]: operationId },
      },
      callOptions(request, operationId),
    );
    return made.metadata?.[OPERATION_KEY] === operationId ? refundOutcome(made) : anotherPayment();
  });
}

async function query(clientOf: Clients, request: QueryRequest): Promise<QueryOutcome> {
  const { account, reference, operationId, processorReference } = request;
  const client = clientOf(account);
  const options = callOptions(request);
  try {
    if (request.operation === undefined || request.operation === 'authorize' || processorReference === undefined) {
      // Quotes cannot be in an id of ours; they would end the value.
      const search = `metadata['${PAYMENT_KEY}']:'${reference}' AND metadata['${OPERATION_KEY}']:'${operationId}'`;
      const { data } = await client.paymentIntents.search({ query: search, expand: ['data.latest_charge'] }, options);
      const intent = data.find((found) => found.metadata[OPERATION_KEY] === operationId);
      if (!intent) return { status: 'absent' };
      return isIntentOf(intent, reference) ? found(authorizationOf(intent)) : unreadable();
    }
    if (request.operation === 'refund') {
      const { data, has_more } = await client.refunds.list({ payment_intent: processorReference, limit: 100 }, options);
      const refund = data.find(({ metadata }) => metadata?.[OPERATION_KEY] === operationId);
      if (refund) return found(refundOutcome(refund));
      return has_more ? { status: 'unanswered', reason: 'more refunds than one page holds' } : { status: 'absent' };
    }
    const intent = await client.paymentIntents.retrieve(processorReference, { expand: ['latest_charge'] }, options);
    if (!isIntentOf(intent, reference)) return unreadable();
    if (request.operation === 'increment') return incrementIn(intent, operationId);
    return request.operation === 'capture' ? captureIn(intent, operationId) : voidIn(intent);
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError) && !(error instanceof TypeError)) throw error;
    return { status: 'unanswered', reason: reasonOf(error) };
  }
}

/** A PaymentMethod, a ConfirmationToken or a legacy card token; anything else is no token of Stripe. */
function instrumentOf(token: string): Partial<Stripe.PaymentIntentCreateParams> | undefined {
  if (/^pm_\w+$/.test(token)) return { payment_method: token };
  if (/^ctoken_\w+$/.test(token)) return { confirmation_token: token };
  if (/^tok_\w+$/.test(token)) return { payment_method_data: { type: 'card', card: { token } } as never };
  return undefined;
}

/** Errors of the SDK as outcomes. A TypeError is a body that has not the shape of Stripe: money may have moved. */
async function attempt(call: () => Promise<ProcessorOutcome>): Promise<ProcessorOutcome> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof TypeError) return { status: 'unknown', reason: 'unreadable answer' };
    return outcomeOfError(error);
  }
}

const found = (outcome: ProcessorOutcome): QueryOutcome => ({ status: 'found', outcome });
const unreadable = (): QueryOutcome => ({ status: 'unanswered', reason: 'unreadable answer' });
const anotherPayment = (): ProcessorOutcome => ({ status: 'unknown', reason: 'the answer speaks of another payment' });
const inexpressible = () =>
  failed('invalid_data', 'amount_not_expressible', 'Stripe has no such amount; nothing was sent.');

function reasonOf(error: Error): string {
  if (!(error instanceof Stripe.errors.StripeError)) return 'unreadable answer';
  const outcome = outcomeOfError(error);
  return outcome.status === 'unknown' ? outcome.reason : outcome.status === 'failed' ? outcome.code : outcome.status;
}
