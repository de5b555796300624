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
  /** The bank of the payee sends a refund back, when it was made. @param refundId `op_…` */
  comesBack(refundId: string): Promise<void>;
  /** Executions that were met before, of any journey. */
  known(): string | undefined;
}

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
  '/v1/payments/increment': { amount: 0.01 },
  '/v1/payments/void': { reason: 'another request' },
  '/v1/payments/refund': { amount: 0.01 },
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

export async function propose(t: Traveller, wish: Wish = {}, actor?: Actor): Promise<Decided | undefined> {
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

export async function pay(t: Traveller, { execution_token }: Decided, more: object = {}): Promise<Payment | undefined> {
  const token = t.random.weighted(TOKENS);
  const answered = await send<Payment>(t, '/v1/payments/authorize', {
    execution_token,
    payment_method: { type: 'token', token },
    ...(t.random.chance(0.1) && { capture: 'automatic' }),
    ...more,
  });
  return answered && answered.status < 300 ? answered.body : undefined;
}

export async function paid(t: Traveller, more: object = {}): Promise<Payment | undefined> {
  const decided = await propose(t);
  if (decided?.decision !== 'approved') return undefined;
  await pause(t);
  return pay(t, decided, more);
}

export function operate(
  t: Traveller,
  kind: 'increment' | 'capture' | 'void' | 'refund',
  { payment_id }: Payment,
  more: object = {},
) {
  return send<Payment & { refund?: { refund_id: string } }>(t, `/v1/payments/${kind}`, { payment_id, ...more });
}

/** A person of its own: an authenticator's code is good once. */
export async function challenged(t: Traveller): Promise<{ totp?: TOTP; body?: Decided }> {
  const own = await delegate(t, { step_up_above: 1 });
  if (!own?.totp) return {};
  const body = await propose(t, { amount: t.random.int(2_00, 90_00) / 100 }, own);
  return { totp: own.totp, ...(body && { body }) };
}

export async function delegate(t: Traveller, scope: object = {}): Promise<(Actor & { totp?: TOTP }) | undefined> {
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

export function answer(t: Traveller, { challenge }: Decided, code: string): Promise<Answered<Decided> | undefined> {
  const { challenge_id } = challenge!;
  return send<Decided>(t, '/v1/execution/challenge/respond', { challenge_id, method: 'totp', response: { code } });
}

/** Sends a request, sometimes twice at once, and sometimes again later: the same, or another under the same key. */
export async function send<Body>(t: Traveller, path: string, body: object): Promise<Answered<Body> | undefined> {
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

export function pause(t: Traveller): Promise<void> {
  return t.random.chance(0.3) ? sleep(t.random.int(0, 2_000)) : Promise.resolve();
}

/** Between a tenth and all of it, in major units. */
export function part(t: Traveller, { amount_minor }: Payment): number {
  return major(amount_minor * (0.1 + 0.9 * t.random.next()));
}

export function major(minor: number): number {
  return Math.max(1, Math.floor(minor)) / 100;
}
