import {
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/**
 * One HTTP exchange, without retries, that never rejects. `sent` is what decides about money: it is `false` only while
 * no connection stood on which the request could have travelled (refused, DNS, TLS, no connection in time).
 */
export type Exchange =
  | { ok: true; status: number; headers: IncomingHttpHeaders; text: string }
  | { ok: false; sent: boolean; /** `ECONNREFUSED`, `ETIMEDOUT`, … */ code: string };

export interface ExchangeRequest {
  method: 'GET' | 'POST';
  /** Base without a trailing slash; parsed once per distinct value. */
  baseUrl: string;
  path: string;
  headers: OutgoingHttpHeaders;
  /** JSON, unless `headers` has another `content-type`. */
  body?: string;
  /** Bound for the whole exchange, from the call to the last byte of the answer. */
  timeoutMs: number;
}

/** No answer of a processor is larger; more than this counts as unparseable. */
const MAX_ANSWER_BYTES = 1_048_576;
/** Base URLs come from configuration; the bound is against a caller that invents them. */
const MAX_REMEMBERED_BASES = 1_024;

interface Base {
  secure: boolean;
  hostname: string;
  port: string | undefined;
  prefix: string;
}

/**
 * A client over node:http with keep-alive. `fetch` was rejected: it hides whether a connection stood, and it may repeat
 * a request on a stale connection. A reset on a reused connection is reported as sent, since the processor may have
 * read the request before it closed.
 */
export function createExchange(): (request: ExchangeRequest) => Promise<Exchange> {
  const http = new HttpAgent({ keepAlive: true, scheduling: 'lifo', maxFreeSockets: 256 });
  const https = new HttpsAgent({ keepAlive: true, scheduling: 'lifo', maxFreeSockets: 256 });
  const bases = new Map<string, Base>();

  return (request) => {
    let base = bases.get(request.baseUrl);
    if (!base) {
      base = parseBase(request.baseUrl);
      if (bases.size >= MAX_REMEMBERED_BASES) bases.clear();
      bases.set(request.baseUrl, base);
    }
    return exchange(base, request, base.secure ? https : http);
  };
}

function exchange(base: Base, request: ExchangeRequest, agent: HttpAgent | HttpsAgent): Promise<Exchange> {
  return new Promise((resolve) => {
    let sent = false;
    const headers = request.headers;
    if (request.body !== undefined) {
      headers['content-type'] ??= 'application/json';
      headers['content-length'] = Buffer.byteLength(request.body);
    }
    const call = (base.secure ? httpsRequest : httpRequest)({
      agent,
      method: request.method,
      hostname: base.hostname,
      port: base.port,
      path: base.prefix + request.path,
      headers,
    });
    const timer = setTimeout(() => {
      finish({ ok: false, sent, code: 'ETIMEDOUT' });
      call.destroy();
    }, request.timeoutMs);
    const finish = (result: Exchange) => {
      clearTimeout(timer);
      resolve(result);
    };
    const fail = (error: NodeJS.ErrnoException) => finish({ ok: false, sent, code: error.code ?? error.name });

    call.on('socket', (socket: Socket | TLSSocket) => {
      // A pooled socket stands already; a new one carries bytes once TCP, and TLS where there is any, is through.
      if (call.reusedSocket || !socket.connecting) sent = true;
      else socket.once(base.secure ? 'secureConnect' : 'connect', () => (sent = true));
    });
    call.on('error', fail);
    call.on('response', (answer) => readAnswer(answer, finish, fail));
    call.end(request.body);
  });
}

function readAnswer(
  answer: IncomingMessage,
  finish: (result: Exchange) => void,
  fail: (error: NodeJS.ErrnoException) => void,
): void {
  let text = '';
  answer.setEncoding('utf8');
  answer.on('data', (chunk: string) => {
    text += chunk;
    if (text.length > MAX_ANSWER_BYTES) answer.destroy(Object.assign(new Error('answer too large'), { code: 'E2BIG' }));
  });
  answer.on('end', () => finish({ ok: true, status: answer.statusCode!, headers: answer.headers, text }));
  answer.on('error', fail);
}

/** @throws TypeError when the base is not an absolute http(s) URL: a programming or configuration error, not an outcome. */
function parseBase(baseUrl: string): Base {
  const url = new URL(baseUrl);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError(`Not an HTTP base: ${url.protocol}`);
  return {
    secure: url.protocol === 'https:',
    hostname: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port || undefined,
    prefix: url.pathname.replace(/\/$/, ''),
  };
}
