import { Stripe } from 'stripe';
import { createExchange, type Exchange } from '../http-exchange.ts';
import type { MidAccount } from '../port.ts';
import { CONNECTED_ACCOUNT, STRIPE_API_VERSION } from './settings.ts';

/** No answer, or none that can be read: what the SDK wraps into its connection error. It has no `code` on purpose. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
  readonly exchange: Extract<Exchange, { ok: false }>;
  constructor(exchange: Extract<Exchange, { ok: false }>) {
    super(exchange.code);
    this.exchange = exchange;
  }
}

/**
 * The official SDK over an exchange that is made once.
 *
 * The SDK's own transport was rejected: with `maxNetworkRetries: 0` it still repeats a request once after ECONNRESET and
 * EPIPE (`RequestSender._shouldRetry`), and it does not say whether a connection stood.
 * One client per base address: the key goes with each request, so that no client outlives the key it was made with.
 */
export function createStripeClients(): (account: MidAccount) => Stripe {
  const send = createExchange();
  const clients = new Map<string, Stripe>();
  return ({ baseUrl }) => {
    let client = clients.get(baseUrl);
    if (!client) {
      const url = new URL(baseUrl);
      const protocol = url.protocol === 'http:' ? 'http' : 'https';
      client = new Stripe('sk_given_with_each_request', {
        apiVersion: STRIPE_API_VERSION,
        host: url.hostname,
        ...(url.port ? { port: Number(url.port) } : {}),
        protocol,
        maxNetworkRetries: 0,
        telemetry: false,
        httpClient: new OneExchange(send, baseUrl),
      });
      if (clients.size >= 1_024) clients.clear();
      clients.set(baseUrl, client);
    }
    return client;
  };
}

/** What goes with one call: whose key, under which idempotency key, for how long. */
export function callOptions(
  { account, timeoutMs }: { account: MidAccount; timeoutMs: number },
  idempotencyKey?: string,
): Stripe.RequestOptions {
  return {
    apiKey: account.apiKey,
    timeout: timeoutMs,
    maxNetworkRetries: 0,
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    ...(CONNECTED_ACCOUNT.test(account.mid) ? { stripeAccount: account.mid } : {}),
  };
}

class OneExchange extends Stripe.HttpClient {
  readonly #send: ReturnType<typeof createExchange>;
  readonly #baseUrl: string;

  constructor(send: ReturnType<typeof createExchange>, baseUrl: string) {
    super();
    this.#send = send;
    this.#baseUrl = baseUrl;
  }

  override getClientName(): string {
    return 'prokura';
  }

  override async makeRequest(
    _host: string,
    _port: string,
    path: string,
    method: string,
    headers: object,
    requestData: string,
    _protocol: string,
    timeout: number,
  ): Promise<Stripe.HttpClientResponse> {
    const exchange = await this.#send({
      method: method === 'GET' ? 'GET' : 'POST',
      baseUrl: this.#baseUrl,
      path,
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value as string]),
      ),
      ...(method === 'GET' ? {} : { body: requestData }),
      timeoutMs: timeout,
    });
    if (!exchange.ok) throw new NoAnswer(exchange);
    return new Answer(exchange);
  }
}

class Answer extends Stripe.HttpClientResponse {
  readonly #text: string;

  constructor({ status, headers, text }: Extract<Exchange, { ok: true }>) {
    super(status, headers as Record<string, string>);
    this.#text = text;
  }

  override getRawResponse(): object {
    return { headers: this.getHeaders() };
  }

  /** The SDK takes any body without `error` for a success, whatever the status: here only 2xx is one. */
  override async toJSON(): Promise<unknown> {
    const body = JSON.parse(this.#text) as { error?: unknown } | null;
    const status = this.getStatusCode();
    const isSound = typeof body === 'object' && body !== null;
    if (!isSound || (body.error === undefined && (status < 200 || status > 299))) {
      throw new Error(`unreadable answer to HTTP ${status}`);
    }
    return body;
  }
}
