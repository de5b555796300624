import { classIn } from '../code-table.ts';
import { createExchange, type Exchange, type ExchangeRequest } from '../http-exchange.ts';
import { failed, notLookedAt, withoutAnswer } from '../outcomes.ts';
import type {
  AuthorizeRequest,
  CaptureRequest,
  IncrementRequest,
  MidAccount,
  ProcessorOutcome,
  ProcessorPort,
} from '../port.ts';
import { ADYEN_CODES } from './refusal-codes.ts';
import { fromAdyen, toAdyen } from './units.ts';
import { type AdyenAmount, referenceOf } from './wire.ts';

type Send = (request: ExchangeRequest) => Promise<Exchange>;
type Body = Record<string, unknown>;

interface MoneyCall {
  account: MidAccount;
  operationId: string;
  reference: string;
  timeoutMs: number;
}

/**
 * Adyen by its Checkout API over plain HTTP: its library is 35 MB and hides whether a request was sent.
 *
 * Captures, cancels and refunds are `received` and decided later, so they are `pending` here until the webhook says how
 * they ended. Adyen has no question about a payment: `query` answers that the same operation may be repeated instead,
 * under the same key at the same address, which Adyen does once and answers alike for seven days at least
 * (https://docs.adyen.com/development-resources/api-idempotency).
 */
export function createAdyenAdapter(): ProcessorPort {
  const send = createExchange();
  return {
    kind: 'adyen',
    keepsRest: takesSeveral,
    authorize: (request) => authorize(send, request),
    increment: (request) => increment(send, request),
    capture: (request) => capture(send, request),
    void: (request) => modify(send, request, request.processorReference, 'cancels', {}),
    refund: (request) => withAmount(send, request, 'refunds'),
    query: async () => ({ status: 'unanswered', reason: 'Adyen answers no question about a payment', repeat: true }),
  };
}

async function authorize(send: Send, request: AuthorizeRequest): Promise<ProcessorOutcome> {
  const { account, currency, amountMinor } = request;
  const instrument = instrumentOf(request.token);
  const value = toAdyen(amountMinor, currency);
  if (!instrument) return failed('invalid_data', 'unsupported_token', 'Not a token of Adyen; nothing was sent.');
  if (value === undefined) return inexpressible();
  const isAutomatic = request.capture === 'automatic';
  const answer = await post(send, request, '/payments', {
    merchantAccount: account.mid,
    amount: { value, currency },
    reference: referenceOf(request.reference, request.operationId),
    paymentMethod: { type: 'scheme', storedPaymentMethodId: instrument.stored },
    shopperReference: instrument.shopper,
    // An agent pays with a stored instrument while nobody is there to act.
    shopperInteraction: 'ContAuth',
    recurringProcessingModel: 'UnscheduledCardOnFile',
    additionalData: {
      manualCapture: String(!isAutomatic),
      // Only a pre-authorization can be raised (https://docs.adyen.com/online-payments/adjust-authorisation).
      ...(account.capabilities?.['incremental'] === true ? { authorisationType: 'PreAuth' } : {}),
    },
    ...(isAutomatic ? { captureDelayHours: 0 } : {}),
    ...(request.merchantReference === undefined ? {} : { metadata: metadataOf(request.merchantReference) }),
  });
  return answer.definite ?? authorizationOf(answer.body, request, isAutomatic);
}

function authorizationOf(
  body: Body,
  request: MoneyCall & { currency: string },
  isAutomatic: boolean,
): ProcessorOutcome {
  const { pspReference, merchantReference, resultCode, amount } = body;
  if (merchantReference !== referenceOf(request.reference, request.operationId)) return anotherPayment();
  if (typeof pspReference !== 'string') return { status: 'unknown', reason: 'unreadable answer' };
  switch (resultCode) {
    case 'Authorised':
    case 'PartiallyAuthorised': {
      const { value, currency } = (amount ?? {}) as Partial<AdyenAmount>;
      const amountMinor = typeof value === 'number' ? fromAdyen(value, request.currency) : undefined;
      if (amountMinor === undefined || currency !== request.currency) {
        return { status: 'unknown', reason: 'approved, without an amount that is one of ours' };
      }
      const captured = isAutomatic ? { captured: true } : {};
      return { status: 'succeeded', processorReference: pspReference, amountMinor, ...captured };
    }
    case 'Received':
    case 'Pending':
      return { status: 'pending', processorReference: pspReference };
    case 'Refused':
    case 'Error':
    case 'Cancelled': {
      const code = typeof body['refusalReasonCode'] === 'string' ? body['refusalReasonCode'] : resultCode;
      const message = typeof body['refusalReason'] === 'string' ? body['refusalReason'] : code;
      return failed(classIn(ADYEN_CODES.refusal, code), code, message);
    }
    case 'RedirectShopper':
    case 'IdentifyShopper':
    case 'ChallengeShopper':
      // Nothing is authorized until a shopper acts on it, and nobody is given what it takes.
      return failed('authentication_required', resultCode, 'The issuer wants the payer authenticated first.');
    default:
      return { status: 'unknown', reason: `a result that is ${String(resultCode)}` };
  }
}

/** Adyen wants the new sum (https://docs.adyen.com/online-payments/adjust-authorisation), and says later how it went. */
async function increment(send: Send, request: IncrementRequest): Promise<ProcessorOutcome> {
  return withAmount(send, { ...request, amountMinor: request.authorizedMinor + request.amountMinor }, 'amountUpdates');
}

/** Where multiple partial captures are enabled, no capture lets the rest go (https://docs.adyen.com/online-payments/capture). */
function takesSeveral({ capabilities }: Pick<MidAccount, 'capabilities'>): boolean {
  return capabilities?.['multicapture'] === true;
}

async function capture(send: Send, request: CaptureRequest): Promise<ProcessorOutcome> {
  const isLast = request.final || request.amountMinor === request.authorizedMinor;
  if (!takesSeveral(request.account) && !isLast) {
    const message = 'This merchant account lets the rest go with the first capture; nothing was sent.';
    return failed('configuration', 'single_capture_only', message);
  }
  return withAmount(send, request, 'captures');
}

async function withAmount(
  send: Send,
  request: MoneyCall & { processorReference: string; amountMinor: number; currency: string },
  path: 'amountUpdates' | 'captures' | 'refunds',
): Promise<ProcessorOutcome> {
  const value = toAdyen(request.amountMinor, request.currency);
  if (value === undefined) return inexpressible();
  return modify(send, request, request.processorReference, path, { amount: { value, currency: request.currency } });
}

async function modify(
  send: Send,
  call: MoneyCall,
  processorReference: string,
  path: 'amountUpdates' | 'captures' | 'refunds' | 'cancels',
  content: object,
): Promise<ProcessorOutcome> {
  const reference = referenceOf(call.reference, call.operationId);
  const answer = await post(send, call, `/payments/${encodeURIComponent(processorReference)}/${path}`, {
    merchantAccount: call.account.mid,
    reference,
    ...content,
  });
  if (answer.definite) return answer.definite;
  const { body } = answer;
  if (body['reference'] !== reference || body['paymentPspReference'] !== processorReference) return anotherPayment();
  if (body['status'] !== 'received') return { status: 'unknown', reason: `a status that is ${String(body['status'])}` };
  return { status: 'pending', processorReference };
}

type Answered = { definite: ProcessorOutcome; body?: undefined } | { definite?: undefined; body: Body };

/**
 * One exchange, and what its status says. Definite are 401, 403, 429 and a 4xx with an `errorCode`; with `transient-error`
 * Adyen itself says that the same request may succeed later, and what became of this one it does not say.
 */
async function post(send: Send, call: MoneyCall, path: string, content: object): Promise<Answered> {
  const exchange = await send({
    method: 'POST',
    baseUrl: call.account.baseUrl,
    path,
    headers: { 'x-api-key': call.account.apiKey, 'idempotency-key': call.operationId },
    body: JSON.stringify(content),
    timeoutMs: call.timeoutMs,
  });
  if (!exchange.ok) return { definite: withoutAnswer(exchange) };
  const { status } = exchange;
  const body = parse(exchange.text);
  if (status === 429) return { definite: notLookedAt('rate_limited') };
  if (status === 401 || status === 403) {
    return {
      definite: failed('configuration', textOf(body?.['errorCode']) ?? 'unauthorized', 'Adyen refused the key.'),
    };
  }
  if (status >= 200 && status < 300 && body) return { body };
  const code = body?.['errorCode'];
  const isTransient = exchange.headers['transient-error'] === 'true';
  if (status >= 400 && status < 500 && status !== 408 && typeof code === 'string' && !isTransient) {
    const message = typeof body?.['message'] === 'string' ? body['message'] : code;
    return { definite: failed(classIn(ADYEN_CODES.error, code), code, message) };
  }
  return { definite: { status: 'unknown', reason: body ? `HTTP ${status}` : `unreadable answer to HTTP ${status}` } };
}

/** `{shopperReference}/{storedPaymentMethodId}`: Adyen wants both names of a stored instrument. */
function instrumentOf(token: string): { shopper: string; stored: string } | undefined {
  const slash = token.lastIndexOf('/');
  const [shopper, stored] = [token.slice(0, slash), token.slice(slash + 1)];
  return slash >= 3 && stored !== '' ? { shopper, stored } : undefined;
}

const metadataOf = (merchantReference: string) => ({ merchant_reference: merchantReference.slice(0, 80) });
const anotherPayment = (): ProcessorOutcome => ({ status: 'unknown', reason: 'the answer speaks of another payment' });
const inexpressible = () =>
  failed('invalid_data', 'amount_not_expressible', 'Adyen has no such amount; nothing was sent.');

const textOf = (value: unknown) => (typeof value === 'string' ? value : undefined);

function parse(text: string): Body | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Body) : undefined;
  } catch {
    return undefined;
  }
}
