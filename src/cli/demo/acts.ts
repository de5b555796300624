import { majorText } from '../../domain/money.ts';
import type { Decided, Execution, Payment, RoutePlan } from './bodies.ts';
import type { Refusal } from './client.ts';
import { demand, type Scene } from './story.ts';
import { until } from './wait.ts';

/** What comes without the client doing anything (evidence, timers, settlement) is waited for this long. */
const PATIENCE_MS = 30_000;

export interface Wish {
  /** Major units. */
  amount: number;
  currency?: string;
  delegation_id: string;
  challenge_ttl_seconds?: number;
}

/** The agent says what it wants to do, and the answer must be `expected`. */
export async function authorize(scene: Scene, wish: Wish, expected: Decided['decision']): Promise<Decided> {
  const { amount, currency = 'EUR', ...more } = wish;
  const { agent_id, principal_id } = scene.cast;
  return scene.step(
    `the agent wants to pay ${amount.toFixed(2)} ${currency}`,
    async () => {
      const { body } = await scene.api.post<Decided>('/v1/execution/authorize', {
        agent_id,
        principal_id,
        intent: { amount, currency, merchant_ref: 'mrc_hotel_adlon', channel: 'chatpay', description: 'Two nights' },
        context: { device_trust: 'verified', risk_signals: ['velocity_ok', 'geo_ok'] },
        ...more,
      });
      scene.about({ execution_ref: body.execution_ref });
      demand(body.decision === expected, `the decision is ${body.decision}, not ${expected}: ${reasonsOf(body)}`);
      return body;
    },
    ({ decision, risk, reasons }) =>
      [`${decision}, risk ${risk.score} (${risk.level})`, ...reasons.slice(0, 1).map((one) => one.code)].join(', '),
  );
}

/** The principal answers the challenge with the code of an authenticator. */
export async function answerChallenge(scene: Scene, challenged: Decided): Promise<Decided> {
  return scene.step(
    'the principal answers with a TOTP code',
    async () => {
      const { body } = await scene.api.post<Decided>('/v1/execution/challenge/respond', {
        challenge_id: challenged.challenge?.challenge_id,
        method: 'totp',
        response: { code: scene.cast.code() },
      });
      demand(body.decision === 'approved', `the decision is ${body.decision}: ${reasonsOf(body)}`);
      return body;
    },
    ({ decision }) => `${decision}, decided again with the proof`,
  );
}

/** An answer to a challenge that is not open any more, or a wrong one: must be refused with 409 and `code`. */
export async function answerInVain(
  scene: Scene,
  label: string,
  { challenged, response, code }: { challenged: Decided; response: string; code: string },
): Promise<void> {
  await scene.step(
    label,
    async () => {
      const { challenge_id } = challenged.challenge ?? {};
      const answer = { challenge_id, method: 'totp', response: { code: response } };
      const { body } = await scene.api.post<Refusal>('/v1/execution/challenge/respond', answer, [409]);
      demand(body.code === code, `refused with ${body.code}, not ${code}`);
      return body;
    },
    ({ code, attempts_left }) => `409 ${code}${attempts_left === undefined ? '' : `, ${attempts_left} attempts left`}`,
  );
}

export async function routePlan(scene: Scene, approved: Decided): Promise<RoutePlan> {
  return scene.step(
    'resolve a route',
    async () => {
      const request = { execution_token: approved.execution_token };
      return (await scene.api.post<RoutePlan>('/v1/payments/route', request)).body;
    },
    ({ candidates }) => candidates.map(({ processor }) => processor).join(', then '),
  );
}

/**
 * Spends the execution token.
 * @param token how the simulator behaves
 * @param expected 201 when the outcome is known in time for the answer, 202 when it is not
 */
export async function pay(
  scene: Scene,
  approved: Decided,
  { token, label, expected = [201], plan }: { token: string; label: string; expected?: number[]; plan?: RoutePlan },
): Promise<Payment> {
  return scene.step(
    label,
    async () => {
      const { execution_token } = approved;
      const payment_method = { type: 'token', token };
      const request = { execution_token, payment_method, route_plan_id: plan?.route_plan_id };
      const { body } = await scene.api.post<Payment>('/v1/payments/authorize', request, expected);
      scene.about({ payment_id: body.payment_id });
      return body;
    },
    (payment) => {
      const tries = payment.attempts.map((one) => `${one.processor} ${one.class ?? one.outcome}`);
      return [payment.status, ...tries].join(', ');
    },
  );
}

/** Captures, voids or refunds; `holds` says what the payment must look like afterwards. */
export async function operate(
  scene: Scene,
  kind: 'capture' | 'void' | 'refund',
  {
    label,
    payment,
    more = {},
    holds,
  }: { label: string; payment: Payment; more?: object; holds: (p: Payment) => boolean },
): Promise<Payment> {
  return scene.step(
    label,
    async () => {
      const request = { payment_id: payment.payment_id, ...more };
      const { body } = await scene.api.post<Payment>(`/v1/payments/${kind}`, request, [200]);
      demand(holds(body), `the payment is ${body.status} with ${JSON.stringify(body.counters)}`);
      return body;
    },
    describe,
  );
}

export async function paymentBecomes(
  scene: Scene,
  { label, payment, holds }: { label: string; payment: Payment; holds: (p: Payment) => boolean },
): Promise<Payment> {
  const ask = () => scene.api.get<Payment>(`/v1/payments/${payment.payment_id}`);
  return scene.step(label, () => until('such payment', PATIENCE_MS, ask, holds, describe), describe);
}

export async function executionBecomes(scene: Scene, label: string, ref: string, stage: string): Promise<Execution> {
  const ask = () => scene.api.get<Execution>(`/v1/executions/${ref}`);
  const show = (execution: Execution) => execution.stage;
  return scene.step(
    label,
    () => until(`execution ${stage}`, PATIENCE_MS, ask, (seen) => seen.stage === stage, show),
    show,
  );
}

/** Status, and every counter that is not zero, in major units. */
function describe({ status, currency, counters, reconciliation }: Payment): string {
  const amounts = Object.entries(counters).filter(([, minor]) => minor !== 0);
  const texts = amounts.map(([name, minor]) => `${name} ${majorText(minor, currency)}`);
  return `${status}; ${texts.join(', ')}; ${reconciliation.status}`;
}

function reasonsOf({ reasons }: Decided): string {
  return reasons.map(({ code, message }) => `${code} (${message})`).join(', ');
}
