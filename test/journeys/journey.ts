import { expect } from 'vitest';
import type { Decided, Execution, Payment } from '../../src/cli/demo/bodies.ts';
import { assembleCast, type Cast } from '../../src/cli/demo/cast.ts';
import { createClient } from '../../src/cli/demo/client.ts';
import { startTestService, type ApiAnswer, type TestService } from '../setup/service.ts';
import { strangeEvents } from './strange-events.ts';

export type { Cast } from '../../src/cli/demo/cast.ts';
export type { Decided, Execution, Payment } from '../../src/cli/demo/bodies.ts';

/** A refusal: RFC 9457 members, and those that some codes add. */
export interface Refusal {
  code: string;
  detail?: string;
  request_id: string;
  attempts_left?: number;
  decline?: { class: string; code: string; retryable: boolean };
}

export type Answered<Body> = ApiAnswer<Body & Partial<Refusal>>;

export interface Wish {
  amount?: number | string;
  currency?: string;
  delegation_id?: string;
  merchant_ref?: string;
  context?: object;
  [member: string]: unknown;
}

export interface Journey extends TestService {
  /** Principal with an authenticator, agent, delegations: new ones, so that no test meets the history of another. */
  cast(): Promise<Cast>;
  /** `POST /v1/execution/authorize`; 120.00 EUR under the everyday delegation when nothing else is wished. */
  propose(cast: Cast, wish?: Wish, headers?: Record<string, string>): Promise<Answered<Decided>>;
  /** An approved execution. */
  approved(cast: Cast, wish?: Wish): Promise<Decided>;
  pay(
    decided: Pick<Decided, 'execution_token'>,
    token?: string,
    more?: object,
    headers?: Record<string, string>,
  ): Promise<Answered<Payment>>;
  /** An authorized payment of a new cast. */
  paid(wish?: Wish, token?: string, more?: object): Promise<Payment>;
  operate(
    kind: 'increment' | 'capture' | 'void' | 'refund',
    payment: Payment,
    more?: object,
    headers?: Record<string, string>,
  ): Promise<Answered<Payment & { refund?: { refund_id: string; status: string; amount: number } }>>;
  payment(id: string): Promise<Payment>;
  execution(ref: string): Promise<Execution>;
  /** Waits until the payment looks as it must. */
  becomes(payment: Payment, holds: (payment: Payment) => boolean, withinMs?: number): Promise<Payment>;
}

/** Short enough that a test of an unknown outcome takes a second or two. */
const SETTINGS = { PROCESSOR_VISIBILITY_LAG_MS: '200', PROCESSOR_TIMEOUT_MS: '1500' };

/** The whole service with the acts that a journey is made of. @param settings environment variables on top */
export async function startJourney(settings: Record<string, string> = {}): Promise<Journey> {
  const service = await startTestService({ ...SETTINGS, ...settings });
  const client = createClient(service.url, service.credentials.api_key);
  const journey: Journey = {
    ...service,
    // Whatever the journeys of a file were about, they told no event that the catalogue does not describe.
    async close() {
      try {
        expect(await strangeEvents(service), 'events that are not as the catalogue says').toEqual([]);
      } finally {
        await service.close();
      }
    },
    cast: () => assembleCast(client),
    propose(cast, wish = {}, headers = {}) {
      const { amount = 120, currency = 'EUR', merchant_ref = 'mrc_hotel', context = {}, ...more } = wish;
      const body = {
        agent_id: cast.agent_id,
        principal_id: cast.principal_id,
        delegation_id: cast.everyday,
        intent: { amount, currency, merchant_ref, channel: 'chatpay' },
        context: { device_trust: 'verified', risk_signals: ['velocity_ok', 'geo_ok'], ...context },
        ...more,
      };
      return service.api('POST', '/v1/execution/authorize', body, headers);
    },
    async approved(cast, wish) {
      const { status, body } = await journey.propose(cast, wish);
      expect({ status, decision: body.decision, reasons: body.reasons }).toEqual({
        status: 200,
        decision: 'approved',
        reasons: [],
      });
      return body;
    },
    pay({ execution_token }, token = 'tok_approve', more = {}, headers = {}) {
      const body = { execution_token, payment_method: { type: 'token', token }, ...more };
      return service.api('POST', '/v1/payments/authorize', body, headers);
    },
    async paid(wish, token, more) {
      const { status, body } = await journey.pay(await journey.approved(await journey.cast(), wish), token, more);
      expect({ status, code: body.code }).toEqual({ status: 201, code: undefined });
      return body;
    },
    operate: (kind, { payment_id }, more = {}, headers = {}) =>
      service.api('POST', `/v1/payments/${kind}`, { payment_id, ...more }, headers),
    async payment(id) {
      const { status, body } = await service.api<Payment>('GET', `/v1/payments/${id}`);
      expect(status).toBe(200);
      return body;
    },
    async execution(ref) {
      const { status, body } = await service.api<Execution>('GET', `/v1/executions/${ref}`);
      expect(status).toBe(200);
      return body;
    },
    becomes: ({ payment_id }, holds, withinMs = 12_000) =>
      eventually(
        () => journey.payment(payment_id),
        holds,
        withinMs,
        ({ status, counters, operations }) => JSON.stringify({ status, counters, operations }),
      ),
  };
  return journey;
}

/** Asks until the answer holds. @throws with what was seen last when it does not within `withinMs` */
export async function eventually<T>(
  ask: () => Promise<T>,
  holds: (answer: T) => boolean,
  withinMs = 12_000,
  show: (answer: T) => string = JSON.stringify,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms; seen last: ${show(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** What a refusal is told by. */
export function refusal({ status, body }: ApiAnswer<Partial<Refusal>>): [number, string | undefined] {
  return [status, body.code];
}
