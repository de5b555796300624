import type { Exchange, ExchangeRequest } from '../http-exchange.ts';
import type { DisputeAct, DisputeOutcome, DisputePort } from '../port.ts';
import { disputeOf, readDisputeView } from './dispute-wire.ts';
import { MID_HEADER } from './wire.ts';

type Send = (request: ExchangeRequest) => Promise<Exchange>;

/** Evidence and acceptance in the plain wire format. */
export function createDisputes(send: Send): DisputePort {
  return {
    submitEvidence: (request) => act(send, request, 'evidence', request.evidence),
    accept: (request) => act(send, request, 'accept', {}),
  };
}

async function act(send: Send, request: DisputeAct, path: string, body: object): Promise<DisputeOutcome> {
  const { account, processorDisputeId, actId, timeoutMs } = request;
  const answer = await send({
    method: 'POST',
    baseUrl: account.baseUrl,
    path: `/${encodeURIComponent(account.processor)}/v1/disputes/${encodeURIComponent(processorDisputeId)}/${path}`,
    headers: {
      authorization: `Bearer ${account.apiKey}`,
      [MID_HEADER]: account.mid,
      'idempotency-key': actId,
    },
    body: JSON.stringify(body),
    timeoutMs,
  });
  if (!answer.ok) return { status: 'unanswered', reason: answer.code };
  const said = parse(answer.text);
  const view = answer.status === 200 ? readDisputeView(said) : undefined;
  if (view?.dispute_id === processorDisputeId) return { status: 'taken', dispute: disputeOf(view) };
  const { code } = (said ?? {}) as { code?: unknown };
  if ((answer.status === 404 || answer.status === 409) && typeof code === 'string') return { status: 'refused', code };
  return { status: 'unanswered', reason: `HTTP ${answer.status}` };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
