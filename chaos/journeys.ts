import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { URI, type TOTP } from 'otpauth';
import type { Decided, Payment } from '../src/cli/demo/bodies.ts';
import type { Answered, PatientClient } from './client.ts';
import type { Random } from './random.ts';
import type { Seed } from './seed.ts';

/** What a journey has to work with. */
export interface Traveller {
  client: PatientClient;
  random: Random;
  seed: Seed;
  /** Told of every execution that came into being. */
  met(executionRef: string): void;
  /** Executions that were met before, of any journey. */
  known(): string | undefined;
}

export type Journey = (t: Traveller) => Promise<void>;

/** How often each is taken. */
export const JOURNEYS = {
  purchase: 26,
  inParts: 14,
  voided: 10,
  captureAgainstVoid: 7,
  refundedTwiceAtOnce: 8,
  confirmed: 9,
  unconfirmed: 3,
  unpaid: 3,
  denied: 4,
  paidTwiceAtOnce: 6,
  revoked: 6,
  frozen: 4,
  stranger: 4,
} as const;
export type JourneyName = keyof typeof JOURNEYS;

/** How the processors treat an authorization. */
const TOKENS = {
  tok_approve: 46,
  tok_lost_answer: 7,
  'tok_lost_answer@alpha': 4,
  tok_500_after_commit: 6,
  tok_lost_request: 6,
  tok_unavailable_once: 6,
  tok_pending: 6,
  tok_slow: 3,
  tok_expire_soon: 3,
  tok_decline_generic: 4,
  'tok_decline_generic@alpha': 3,
  tok_decline_insufficient_funds: 2,
  tok_decline_lost: 3,
} as const;

/** Share of requests that are sent twice at once, and of those that are sent again later. */
const TWICE = 0.08;
const AGAIN = 0.06;
/** What makes another request of one, by path. */
const OTHERWISE: Record<string, object> = {
  '/v1/payments/authorize': { merchant_reference: 'another request' },
  '/v1/payments/capture': { amount: 0.01 },
  '/v1/payments/void': { reason: 'another request' },
  '/v1/payments/refund': { amount: 0.01 },
};

export const journeys: Record<JourneyName, Journey> = {
  async purchase(t) {
    const payment = await paid(t);
    if (!payment) return;
    await pause(t);
    await operate(t, 'capture', payment);
    if (t.random.chance(0.4)) await operate(t, 'refund', payment, { amount: part(t, payment) });
  },
  async inParts(t) {
    const payment = await paid(t);
    if (!payment) return;
    await operate(t, 'capture', payment, { amount: part(t, payment) });
    await operate(t, 'capture', payment, { amount: part(t, payment), final: t.random.chance(0.6) });
    if (t.random.chance(0.5)) await operate(t, 'void', payment);
    await operate(t, 'refund', payment, { amount: part(t, payment) });
  },
  async voided(t) {
    const payment = await paid(t);
    if (payment) await operate(t, 'void', payment);
    if (payment && t.random.chance(0.3)) await operate(t, 'capture', payment);
  },
  async captureAgainstVoid(t) {
    const payment = await paid(t);
    if (payment) await Promise.all([operate(t, 'capture', payment), operate(t, 'void', payment)]);
  },
  async refundedTwiceAtOnce(t) {
    const payment = await paid(t);
    if (!payment) return;
    await operate(t, 'capture', payment);
    await Promise.all(
      [1, 2, 3].map(() => operate(t, 'refund', payment, { amount: major(payment.amount_minor * 0.6) })),
    );
  },
  async confirmed(t) {
    const { totp, body } = await challenged(t);
    if (body?.decision !== 'challenge') return;
    if (t.random.chance(0.3)) await answer(t, body, '000000');
    const approved = await answer(t, body, totp!.generate());
    if (approved?.body.decision !== 'approved') return;
    const payment = await pay(t, approved.body);
    if (payment) await operate(t, 'capture', payment);
  },
  async unconfirmed(t) {
    const { body } = await challenged(t);
    if (body?.decision === 'challenge' && t.random.chance(0.5)) {
      for (let tries = 0; tries < 3; tries++) await answer(t, body, '000000');
    }
  },
  async unpaid(t) {
    await propose(t);
  },
  async denied(t) {
    await propose(t, { amount: 501 });
  },
  async paidTwiceAtOnce(t) {
    const decided = await propose(t);
    if (decided?.decision !== 'approved') return;
    const [one, other] = await Promise.all([pay(t, decided), pay(t, decided)]);
    const payment = one ?? other;
    if (payment) await operate(t, 'capture', payment);
  },
  async revoked(t) {
    const own = await delegate(t);
    if (!own) return;
    const decided = await propose(t, {}, own);
    const revoke = async () => {
      await sleep(t.random.int(0, 1_500));
      await send(t, '/v1/identities/revoke', {
        delegation_id: own.delegationId,
        reason: 'chaos',
        void_open_authorizations: t.random.chance(0.7),
      });
    };
    const spend = async () => {
      const payment = decided?.decision === 'approved' ? await pay(t, decided) : undefined;
      if (payment) await operate(t, 'capture', payment, { amount: part(t, payment) });
    };
    await Promise.all([revoke(), spend()]);
  },
  async frozen(t) {
    const merchant_ref = `mrc_${randomUUID().slice(0, 8)}`;
    const decided = await Promise.all([1, 2, 3].map(() => propose(t, { merchant_ref })));
    const payments = decided.map(async (one, index) => {
      const payment = one?.decision === 'approved' && index > 0 ? await pay(t, one) : undefined;
      if (payment && index === 2) await operate(t, 'capture', payment, { amount: part(t, payment) });
    });
    const freeze = { merchant_ref, reason: 'chaos', void_open_authorizations: true, wait_ms: 500 };
    await sleep(t.random.int(0, 1_200));
    const frozen = await send<{ freeze_id: string }>(t, '/v1/identities/freeze', freeze);
    await Promise.all(payments);
    await sleep(t.random.int(0, 3_000));
    if (frozen && frozen.status < 300) {
      await send(t, '/v1/identities/unfreeze', { freeze_id: frozen.body.freeze_id, reason: 'chaos' });
    }
  },
  async stranger(t) {
    const ref = t.known();
    if (!ref) return;
    await t.client.get(`/v1/executions/${ref}`, 'stranger');
    await t.client.get(`/v1/payments/${ref.replace('exec_', 'pay_')}`, 'stranger');
  },
};

interface Wish {
  amount?: number;
  merchant_ref?: string;
}
interface Actor {
  agentId: string;
  delegationId: string;
  principalId?: string;
}

async function propose(t: Traveller, wish: Wish = {}, actor?: Actor): Promise<Decided | undefined> {
  const who: Actor = actor ?? t.random.pick(t.seed.agents);
  const { agentId, delegationId, principalId = t.seed.principalId } = who;
  const { amount = t.random.int(1_00, 90_00) / 100, merchant_ref = `mrc_${t.random.int(1, 40)}` } = wish;
  const answered = await send<Decided>(t, '/v1/execution/authorize', {
    agent_id: agentId,
    principal_id: principalId,
    delegation_id: delegationId,
    intent: { amount, currency: 'EUR', merchant_ref, channel: 'chatpay' },
    context: { device_trust: 'verified', risk_signals: ['velocity_ok', 'geo_ok'] },
  });
  if (answered?.status !== 200) return undefined;
  t.met(answered.body.execution_ref);
  return answered.body;
}

async function pay(t: Traveller, { execution_token }: Decided): Promise<Payment | undefined> {
  const token = t.random.weighted(TOKENS);
  const answered = await send<Payment>(t, '/v1/payments/authorize', {
    execution_token,
    payment_method: { type: 'token', token },
    ...(t.random.chance(0.1) && { capture: 'automatic' }),
  });
  return answered && answered.status < 300 ? answered.body : undefined;
}

async function paid(t: Traveller): Promise<Payment | undefined> {
  const decided = await propose(t);
  if (decided?.decision !== 'approved') return undefined;
  await pause(t);
  return pay(t, decided);
}

function operate(t: Traveller, kind: 'capture' | 'void' | 'refund', { payment_id }: Payment, more: object = {}) {
  return send<Payment>(t, `/v1/payments/${kind}`, { payment_id, ...more });
}

/** A person of its own: an authenticator's code is good once. */
async function challenged(t: Traveller): Promise<{ totp?: TOTP; body?: Decided }> {
  const own = await delegate(t, { step_up_above: 1 });
  if (!own?.totp) return {};
  const body = await propose(t, { amount: t.random.int(2_00, 90_00) / 100 }, own);
  return { totp: own.totp, ...(body && { body }) };
}

async function delegate(t: Traveller, scope: object = {}): Promise<(Actor & { totp?: TOTP }) | undefined> {
  const person = { external_ref: `chaos-${randomUUID()}`, type: 'person', name: 'Ada', country: 'GB' };
  const principal = await t.client.post<{ principal_id: string }>('/v1/identities/principals', person);
  if (!principal || principal.status >= 300) return undefined;
  const { principal_id } = principal.body;
  const enrolment = await t.client.post<{ otpauth_url: string }>(`/v1/identities/principals/${principal_id}/totp`, {});
  const agent = await t.client.post<{ data: { id: string } }>('/v1/agents', { name: 'chaos', principal_id });
  if (!agent || agent.status >= 300) return undefined;
  const agent_id = agent.body.data.id;
  const made = await t.client.post<{ delegation_id: string }>('/v1/identities/delegations', {
    principal_id,
    agent_id,
    scope: { actions: ['payment.authorize', 'payment.refund'], currencies: ['EUR'], max_amount: 500, ...scope },
    ttl_seconds: 3600,
  });
  if (!made || made.status >= 300) return undefined;
  const url = enrolment && enrolment.status < 300 ? enrolment.body.otpauth_url : undefined;
  return {
    agentId: agent_id,
    delegationId: made.body.delegation_id,
    principalId: principal_id,
    ...(url && { totp: URI.parse(url) as TOTP }),
  };
}

function answer(t: Traveller, { challenge }: Decided, code: string): Promise<Answered<Decided> | undefined> {
  const { challenge_id } = challenge!;
  return send<Decided>(t, '/v1/execution/challenge/respond', { challenge_id, method: 'totp', response: { code } });
}

/** Sends a request, sometimes twice at once, and sometimes again later: the same, or another under the same key. */
async function send<Body>(t: Traveller, path: string, body: object): Promise<Answered<Body> | undefined> {
  const key = randomUUID();
  const same = { of: key, body: 'same' as const };
  const twin = t.random.chance(TWICE) ? t.client.post<Body>(path, body, { key, again: same }) : undefined;
  const answered = await t.client.post<Body>(path, body, { key });
  await twin;
  if (answered && t.random.chance(AGAIN)) {
    await sleep(t.random.int(0, 3_000));
    await t.client.post(path, body, { key, again: same });
    const otherwise = OTHERWISE[path];
    if (otherwise) await t.client.post(path, { ...body, ...otherwise }, { key, again: { of: key, body: 'other' } });
  }
  return answered;
}

function pause(t: Traveller): Promise<void> {
  return t.random.chance(0.3) ? sleep(t.random.int(0, 2_000)) : Promise.resolve();
}

/** Between a tenth and all of it, in major units. */
function part(t: Traveller, { amount_minor }: Payment): number {
  return major(amount_minor * (0.1 + 0.9 * t.random.next()));
}

function major(minor: number): number {
  return Math.max(1, Math.floor(minor)) / 100;
}
