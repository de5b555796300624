import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectInvariants } from './invariants.ts';
import { refusal, startJourney, type Answered, type Cast, type Decided, type Journey } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

const END = new Date(Date.now() + 3_600_000).toISOString();
const SCOPE = { actions: ['payment.*'], currencies: ['EUR'], max_amount: 500, sub_delegation: { max_depth: 3 } };

async function delegate(cast: Cast, scope: object = {}, more: object = {}): Promise<string> {
  const { agent_id, principal_id } = cast;
  const body = { agent_id, principal_id, scope: { ...SCOPE, ...scope }, expires_at: END, ...more };
  const answer = await t.api('POST', '/v1/identities/delegations', body);
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 201 });
  return answer.body['delegation_id'] as string;
}

async function anotherAgent({ principal_id }: Cast): Promise<string> {
  const answer = await t.api<{ data: { id: string } }>('POST', '/v1/agents', { name: 'helper', principal_id });
  return answer.body.data.id;
}

/** 120.00 EUR at a hotel. */
const intent = { amount: 120, currency: 'EUR', merchant_ref: 'mrc_hotel', channel: 'chatpay' };
const propose = (cast: Cast, delegation_id: string, more: object = {}, agent_id = cast.agent_id) =>
  t.propose(cast, { delegation_id, agent_id, intent: { ...intent, ...more } });
const told = ({ body }: Answered<Decided>) => [body.decision, ...body.reasons.map(({ message }) => message)];

async function cap(cast: Cast, amount: number): Promise<void> {
  const body = { agent_id: cast.agent_id, caps: [{ amount, currency: 'EUR' }] };
  expect((await t.api('PUT', '/v1/identities/exposure/caps', body)).status).toBe(200);
}

describe('a delegation that is limited to merchant categories', () => {
  it('covers those, and no intent that names none', async () => {
    const cast = await t.cast();
    const hotels = await delegate(cast, { merchant_categories: ['7011'] });
    expect(told(await propose(cast, hotels, { merchant_category: '7011' }))).toEqual(['approved']);
    const other = await propose(cast, hotels, { merchant_category: '5812' });
    expect(told(other)).toEqual(['deny', 'The delegation does not cover the merchant category 5812']);
    expect(refusal(await t.pay({ execution_token: other.body.execution_ref }))).toEqual([
      409,
      'execution_token_expired',
    ]);
    expect(told(await propose(cast, hotels))).toEqual([
      'deny',
      'The delegation is limited to merchant categories and the intent names none',
    ]);
    expect(await t.execution(other.body.execution_ref)).toMatchObject({ intent: { merchant_category: '5812' } });
  });
});

describe('a delegation that is limited to hours', () => {
  it('covers them as the clock in their zone shows them', async () => {
    const cast = await t.cast();
    const zone = 'Asia/Kolkata';
    const hour = Number(new Date().toLocaleString('en-GB', { hour: '2-digit', hourCycle: 'h23', timeZone: zone }));
    const at = (from: number, to: number) => {
      const time = (h: number) => `${String((hour + h + 24) % 24).padStart(2, '0')}:00`;
      return [{ from: time(from), to: time(to), time_zone: zone }];
    };
    const now = await delegate(cast, { hours: at(-1, 2) });
    const later = await delegate(cast, { hours: at(3, 5) });
    expect(told(await propose(cast, now))).toEqual(['approved']);
    expect(told(await propose(cast, later))).toEqual([
      'deny',
      'The delegation does not cover this time of the day and week',
    ]);
  });
});

describe('a sub-delegation', () => {
  it('spends its ancestors’ totals, and gives back to all of them', async () => {
    const cast = await t.cast();
    const total = (amount: number) => ({ max_total: { amount, currency: 'EUR', window: '7d' } });
    const root = await delegate(cast, total(300));
    const helper = await anotherAgent(cast);
    const child = await delegate(cast, total(300), { agent_id: helper, parent_delegation_id: root });
    const remaining = async (id: string) =>
      (await t.api<{ remaining: { amount: number } }>('GET', `/v1/identities/delegations/${id}`)).body.remaining.amount;
    const decided = await propose(cast, child, {}, helper);
    expect(told(decided)).toEqual(['approved']);
    expect([await remaining(root), await remaining(child)]).toEqual([180, 180]);
    const { body: payment } = await t.pay(decided.body);
    expect((await t.operate('capture', payment, { amount: 20, final: true })).status).toBe(200);
    expect([await remaining(root), await remaining(child)]).toEqual([280, 280]);
    expect((await t.operate('refund', payment)).status).toBe(200);
    expect([await remaining(root), await remaining(child)]).toEqual([280, 280]);
  });

  it('ends with its root, for whoever holds it', async () => {
    const cast = await t.cast();
    const root = await delegate(cast);
    const helper = await anotherAgent(cast);
    const child = await delegate(cast, {}, { agent_id: helper, parent_delegation_id: root });
    expect(told(await propose(cast, child, {}, helper))).toEqual(['approved']);
    await t.api('POST', '/v1/identities/revoke', { delegation_id: root, reason: 'left' });
    const after = await propose(cast, child, {}, helper);
    expect(after.body.reasons.map(({ code }) => code)).toContain('delegation_revoked');
  });
});

describe('a sub-delegation of an agent that is suspended', () => {
  it('lets nobody decide or pay until the agent is resumed', async () => {
    const cast = await t.cast();
    const root = await delegate(cast);
    const helper = await anotherAgent(cast);
    const child = await delegate(cast, {}, { agent_id: helper, parent_delegation_id: root });
    const before = await propose(cast, child, {}, helper);
    expect(told(before)).toEqual(['approved']);
    expect((await t.api('POST', `/v1/agents/${cast.agent_id}/suspend`)).status).toBe(200);
    const after = await propose(cast, child, {}, helper);
    expect(after.body.decision).toBe('deny');
    expect(after.body.reasons).toContainEqual({
      code: 'agent_inactive',
      category: 'identity',
      message: 'An agent that the authority comes through is suspended',
    });
    expect((await t.pay(before.body)).status).toBe(403);
    expect((await t.api('POST', `/v1/agents/${cast.agent_id}/resume`)).status).toBe(200);
    expect((await t.pay(before.body)).status).toBe(201);
    expect(told(await propose(cast, child, {}, helper))).toEqual(['approved']);
  });
});

describe('a cap on exposure', () => {
  it('holds against proposals that arrive at once, and frees what was released', async () => {
    const cast = await t.cast();
    const open = await delegate(cast);
    await cap(cast, 250);
    const answers = await Promise.all(Array.from({ length: 5 }, () => propose(cast, open)));
    expect(answers.map(({ body }) => body.decision).toSorted()).toEqual([
      'approved',
      'approved',
      'deny',
      'deny',
      'deny',
    ]);
    const denied = answers.find(({ body }) => body.decision === 'deny')!.body;
    expect(denied.reasons.map(({ code }) => code)).toEqual(['invalid_scope', 'exposure_exceeded']);
    const { body: payment } = await t.pay(answers.find(({ body }) => body.decision === 'approved')!.body);
    expect((await propose(cast, open)).body.decision).toBe('deny');
    await t.operate('void', payment);
    // By now so many in so short a time are a risk, which is another matter.
    expect((await propose(cast, open)).body.decision).not.toBe('deny');
  });

  it('counts a challenge, does not count it twice when it is passed, and denies it when the cap was lowered', async () => {
    const cast = await t.cast();
    await cap(cast, 120);
    const waiting = await t.propose(cast, { delegation_id: cast.cautious });
    expect(waiting.body.decision).toBe('challenge');
    expect((await t.propose(cast)).body.reasons[1]!.code).toBe('exposure_exceeded');
    const pass = ({ challenge }: Decided, code: string) => {
      const body = { challenge_id: challenge!.challenge_id, method: 'totp', response: { code } };
      return t.api<Decided>('POST', '/v1/execution/challenge/respond', body);
    };
    expect(await pass(waiting.body, cast.code())).toMatchObject({ status: 200, body: { decision: 'approved' } });

    const other = await t.cast();
    const lowered = await t.propose(other, { delegation_id: other.cautious });
    await cap(other, 100);
    const answered = await pass(lowered.body, other.code());
    expect(answered.body).toMatchObject({ decision: 'deny', reasons: [{}, { code: 'exposure_exceeded' }] });
  });

  it('is told by a dry run as well', async () => {
    const cast = await t.cast();
    await cap(cast, 100);
    const { agent_id, principal_id } = cast;
    const body = {
      agent_id,
      principal_id,
      intent,
      context: { device_trust: 'verified', risk_signals: ['velocity_ok'] },
    };
    const dry = async () => (await t.api('POST', '/v1/execution/policies/simulate', body)).body['decision'];
    expect(await dry()).toBe('deny');
    await cap(cast, 120);
    expect(await dry()).toBe('approved');
  });
});
