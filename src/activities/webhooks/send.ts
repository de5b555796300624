import http from 'node:http';
import https from 'node:https';
import { RequestFilteringHttpAgent, RequestFilteringHttpsAgent } from 'request-filtering-agent';
import { refusalOf } from '../../domain/webhooks/address.ts';
import { secondsOf } from './retry-after.ts';
import type { Message } from './message.ts';

/** From the first byte out to the status line back. */
const TIMEOUT_MS = 10_000;
/** An answer whose status is known is read on for this long, so that its connection can be used again. */
const READ_ON_MS = 1_000;
const READ_ON_BYTES = 65_536;
const KEPT_BYTES = 1_024;
/** Connections that nobody used for this long end. */
const IDLE_MS = 15_000;

/** What came of one attempt. `status` is null when no answer came; then `error` says why. */
export interface Outcome {
  status: number | null;
  error: string | null;
  latencyMs: number;
  /** The first bytes of the answer's body. */
  answer: string | null;
  /** Seconds. */
  retryAfter: number | undefined;
}

export interface WebhookSender {
  send(url: string, message: Message, custom: Record<string, string>): Promise<Outcome>;
  /** Ends idle connections. */
  close(): void;
}

/**
 * Sends notifications. Redirects are not followed. Unless `allowPrivate`, every address that a name resolves to is
 * judged in the lookup of the connection itself (so that a name cannot resolve to another one in between), and private,
 * loopback, link-local and other special ranges are refused in every spelling.
 */
export function createSender({ allowPrivate, timeoutMs = TIMEOUT_MS }: SenderOptions): WebhookSender {
  // No limit of sockets per host: endpoints of different owners may share one, and whoever sends limits each of them.
  const pooled = { keepAlive: true, maxFreeSockets: 4, timeout: IDLE_MS };
  const agents = allowPrivate
    ? { http: new http.Agent(pooled), https: new https.Agent(pooled) }
    : { http: new RequestFilteringHttpAgent(pooled), https: new RequestFilteringHttpsAgent(pooled) };
  return {
    async send(url, { body, headers }, custom) {
      const began = performance.now();
      const failed = (error: string): Outcome => ({
        status: null,
        error: error.slice(0, 500),
        latencyMs: Math.round(performance.now() - began),
        answer: null,
        retryAfter: undefined,
      });
      // A row may be older than a rule.
      const refusal = refusalOf(url, true);
      if (refusal !== undefined) return failed(`the URL ${refusal}`);
      const secure = url.startsWith('https:');
      return new Promise((resolve) => {
        const deadline = AbortSignal.timeout(timeoutMs);
        const sent = { ...custom, ...headers, 'content-length': String(Buffer.byteLength(body)) };
        const agent = secure ? agents.https : agents.http;
        try {
          const req = (secure ? https : http).request(
            url,
            { method: 'POST', headers: sent, signal: deadline, agent, maxHeaderSize: 16_384 },
            (res) => {
              const latencyMs = Math.round(performance.now() - began);
              void firstBytes(res).then((answer) =>
                resolve({
                  status: res.statusCode!,
                  error: null,
                  latencyMs,
                  answer,
                  retryAfter: secondsOf(res.headers['retry-after'], Date.now()),
                }),
              );
            },
          );
          req.on('error', (error) =>
            resolve(failed(deadline.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(error))),
          );
          req.end(body);
        } catch (error) {
          resolve(failed(reasonOf(error)));
        }
      });
    },
    close() {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

interface SenderOptions {
  allowPrivate: boolean;
  /** Milliseconds until an attempt without a status line has failed. */
  timeoutMs?: number;
}

/** Node's own words; they name hosts and addresses, never headers or bodies. */
function reasonOf(error: unknown): string {
  const { message, code } = error as NodeJS.ErrnoException;
  return message || code || 'the connection failed';
}

/** Reads a little of the body. A longer or slower one is cut: the status has been given, and that is what counts. */
function firstBytes(res: http.IncomingMessage): Promise<string | null> {
  return new Promise((resolve) => {
    const kept: Buffer[] = [];
    let size = 0;
    const finish = (cut: boolean) => {
      clearTimeout(timer);
      if (cut) res.destroy();
      const text = Buffer.concat(kept).subarray(0, KEPT_BYTES).toString('utf8');
      // PostgreSQL takes no NUL.
      resolve(text === '' ? null : text.replaceAll('\0', '\u{fffd}'));
    };
    const timer = setTimeout(() => finish(true), READ_ON_MS);
    res.on('data', (chunk: Buffer) => {
      if (size < KEPT_BYTES) kept.push(chunk);
      size += chunk.length;
      if (size > READ_ON_BYTES) finish(true);
    });
    res.on('end', () => finish(false));
    res.on('error', () => finish(false));
    res.on('close', () => finish(false));
  });
}
