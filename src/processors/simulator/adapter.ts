import { createExchange, type Exchange, type ExchangeRequest } from '../http-exchange.ts';
import type { MidAccount, ProcessorOutcome, ProcessorPort, QueryOutcome, QueryRequest } from '../port.ts';
import { classOfCode } from './decline-codes.ts';
import { createDisputes } from './disputes.ts';
import { listEffects } from './effects.ts';
import { outcomeOf } from './outcome.ts';
import { MID_HEADER, readOperationView } from './wire.ts';

type Send = (request: ExchangeRequest) => Promise<Exchange>;

interface MoneyCall {
  account: MidAccount;
  operationId: string;
  reference: string;
  timeoutMs: number;
}

/**
 * The plain wire format at the port. `account.baseUrl` is the root of the simulator; `account.processor` is the first
 * segment of every path, since one simulator hosts many processors.
 * One call is one exchange; the connections are kept and shared by all accounts.
 */
export function createSimulatorAdapter(): ProcessorPort {
  const send = createExchange();
  return {
    kind: 'simulator',
    authorize: (request) =>
      move(send, request, '/authorizations', {
        reference: request.reference,
        amount_minor: request.amountMinor,
        currency: request.currency,
        token: request.token,
        capture: request.capture,
        merchant_reference: request.merchantReference,
      }),
    increment: (request) =>
      move(send, request, `${authorization(request.processorReference)}/increments`, {
        reference: request.reference,
        amount_minor: request.amountMinor,
        currency: request.currency,
      }),
    capture: (request) =>
      move(send, request, `${authorization(request.processorReference)}/captures`, {
        reference: request.reference,
        amount_minor: request.amountMinor,
        currency: request.currency,
        final: request.final,
        beyond_minor: request.beyondMinor,
      }),
    void: (request) =>
      move(send, request, `${authorization(request.processorReference)}/voids`, { reference: request.reference }),
    refund: (request) =>
      move(send, request, `${authorization(request.processorReference)}/refunds`, {
        reference: request.reference,
        amount_minor: request.amountMinor,
        currency: request.currency,
      }),
    query: (request) => query(send, request),
    effects: (request) => listEffects(send, request),
    disputes: createDisputes(send),
  };
}

const root = (account: MidAccount) => `/${encodeURIComponent(account.processor)}/v1`;
const authorization = (processorReference: string) => `/authorizations/${encodeURIComponent(processorReference)}`;

async function move(send: Send, call: MoneyCall, path: string, body: object): Promise<ProcessorOutcome> {
  const answer = await send({
    method: 'POST',
    baseUrl: call.account.baseUrl,
    path: root(call.account) + path,
    headers: {
      authorization: `Bearer ${call.account.apiKey}`,
      [MID_HEADER]: call.account.mid,
      'idempotency-key': call.operationId,
    },
    body: JSON.stringify(body),
    timeoutMs: call.timeoutMs,
  });
  if (!answer.ok) {
    if (answer.sent) return { status: 'unknown', reason: answer.code };
    const message = 'No connection to the processor; nothing was sent.';
    return { status: 'failed', class: 'not_sent', code: answer.code, message };
  }
  return classify(answer.status, parse(answer.text), call);
}

/** A definite answer needs a documented status *and* a body of ours; everything else may have moved money. */
function classify(status: number, body: unknown, call: MoneyCall): ProcessorOutcome {
  const view = readOperationView(body);
  if (view && (view.operation_id !== call.operationId || view.reference !== call.reference)) {
    return { status: 'unknown', reason: 'the answer speaks of another operation' };
  }
  if (status === 429) return noOp('rate_limited');
  const error = body as { code?: unknown; message?: unknown } | undefined;
  const code = typeof error?.code === 'string' ? error.code : undefined;
  if (status === 503 && code === 'unavailable') return noOp(code);
  if (status >= 200 && status < 300) {
    const said = view && (view.state === 'succeeded' || view.state === 'pending');
    return said ? outcomeOf(view) : { status: 'unknown', reason: `unreadable answer to HTTP ${status}` };
  }
  if (status >= 400 && status < 500 && status !== 408 && code !== undefined) {
    const message = typeof error?.message === 'string' ? error.message : code;
    return { status: 'failed', class: classOfCode(code), code, message };
  }
  return { status: 'unknown', reason: `HTTP ${status}` };
}

function noOp(code: string): ProcessorOutcome {
  return { status: 'failed', class: 'throttled', code, message: 'The processor did nothing; repeat later.' };
}

async function query(send: Send, request: QueryRequest): Promise<QueryOutcome> {
  const answer = await send({
    method: 'GET',
    baseUrl: request.account.baseUrl,
    path: `${root(request.account)}/payments?reference=${encodeURIComponent(request.reference)}`,
    headers: { authorization: `Bearer ${request.account.apiKey}`, [MID_HEADER]: request.account.mid },
    timeoutMs: request.timeoutMs,
  });
  if (!answer.ok) return { status: 'unanswered', reason: answer.code };
  if (answer.status !== 200) return { status: 'unanswered', reason: `HTTP ${answer.status}` };
  const operations = (parse(answer.text) as { operations?: unknown } | undefined)?.operations;
  if (!Array.isArray(operations)) return { status: 'unanswered', reason: 'unreadable answer' };
  for (const entry of operations) {
    const view = readOperationView(entry);
    // One unreadable line may be the one asked for: absence must not be concluded from it.
    if (!view) return { status: 'unanswered', reason: 'unreadable answer' };
    if (view.operation_id === request.operationId) return { status: 'found', outcome: outcomeOf(view) };
  }
  return { status: 'absent' };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}
