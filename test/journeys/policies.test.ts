import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectInvariants } from './invariants.ts';
import { startJourney, type Cast, type Journey } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney();
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

interface Policy {
  policy_id: string;
}

async function policy(rules: object, activate = true): Promise<string> {
  const { status, body } = await t.api<Policy>('POST', '/v1/policies', { name: 'journey', rules, activate });
  expect({ status, body }).toMatchObject({ status: 201 });
  return body.policy_id;
}

const casts = (n: number) => Promise.all(Array.from({ length: n }, () => t.cast()));
const deciding = async (cast: Cast, wish: Parameters<Journey['propose']>[1]) =>
  (await t.propose(cast, wish)).body.decision;

describe('a velocity limit', () => {
  it.each([
    [10, 10],
    [100, 32],
  ])('of %i lets %i of 32 that arrive at once pass', async (max, passed) => {
    await policy({ velocity: { window: '1h', max, by: 'merchant' } });
    const all = (await casts(8)).flatMap((cast) => [cast, cast, cast, cast]);
    const decisions = await Promise.all(all.map((cast) => deciding(cast, { merchant_ref: `mrc_velocity_${max}` })));
    expect(decisions.filter((decision) => decision === 'approved')).toHaveLength(passed);
    expect(decisions.filter((decision) => decision === 'deny')).toHaveLength(32 - passed);
  });
});

describe('a rule over the past', () => {
  it('asks for a person until one has approved this merchant, and then for a day no more', async () => {
    const when = 'count("approvals", "merchant", "24h") == 0';
    const message = 'Nobody approved this merchant within a day';
    await policy({ cel: [{ name: 'known_merchant', when, effect: 'challenge', message }] });
    const [one, other] = await casts(2);
    const wish = { merchant_ref: 'mrc_approved' };
    const first = (await t.propose(one!, wish)).body;
    expect(first).toMatchObject({
      decision: 'challenge',
      reasons: [{ code: 'challenge_required', category: 'policy', message: `known_merchant: ${message}` }],
    });
    const response = { method: 'totp', response: { code: one!.code() } };
    const answered = await t.api('POST', '/v1/execution/challenge/respond', {
      challenge_id: first.challenge!.challenge_id,
      ...response,
    });
    expect(answered).toMatchObject({ status: 200, body: { decision: 'approved' } });
    expect(await deciding(other!, wish)).toBe('approved');
    expect(await deciding(other!, { merchant_ref: 'mrc_other' })).toBe('challenge');
  });

  it('is held to by challenges that are answered at the same moment', async () => {
    const when = 'sum("payments", "merchant", "1d") >= 20000';
    const cel = [{ name: 'budget', when, effect: 'deny', message: 'Enough for a day' }];
    await policy({ step_up_above: 0, cel });
    const asked = await Promise.all(
      (await casts(6)).map(async (cast) => {
        const { body } = await t.propose(cast, { merchant_ref: 'mrc_budget' });
        expect(body.decision).toBe('challenge');
        return { challenge_id: body.challenge!.challenge_id, method: 'totp', response: { code: cast.code() } };
      }),
    );
    const answers = await Promise.all(asked.map((body) => t.api('POST', '/v1/execution/challenge/respond', body)));
    // 120.00 each: the first sees nothing, the second 120.00, the third 240.00.
    const decisions = answers.map(({ body }) => body['decision']);
    expect(decisions.filter((decision) => decision === 'approved')).toHaveLength(2);
    expect(decisions.filter((decision) => decision === 'deny')).toHaveLength(4);
  });

  it('counts what failed in a session, and reviews the third', async () => {
    const when = 'count("failures", "session", "1h") >= 2';
    await policy({ cel: [{ name: 'third_failure', when, effect: 'review', message: 'Two payments failed' }] });
    const [one, other] = await casts(2);
    const wish = { context: { session_id: 'session-of-failures' }, merchant_ref: 'mrc_failing' };
    for (let i = 0; i < 2; i++) {
      const { status } = await t.pay(await t.approved(one!, wish), 'tok_decline_lost');
      expect(status).toBe(402);
    }
    const third = (await t.propose(other!, wish)).body;
    expect(third).toMatchObject({ decision: 'challenge', reasons: [{ code: 'review_required' }] });
    expect(third).toHaveProperty('review');
    expect(await deciding(other!, { ...wish, context: { session_id: 'another' } })).toBe('approved');
  });

  it('asks for a person before the first payment to a merchant, and not before the second', async () => {
    await policy({ unknown_payee: 'review' });
    const [one] = await casts(1);
    const wish = { merchant_ref: 'mrc_unknown_payee' };
    expect((await t.propose(one!, wish)).body).toMatchObject({ reasons: [{ code: 'review_required' }] });
    await policy({});
    expect((await t.pay(await t.approved(one!, wish))).status).toBe(201);
    await policy({ unknown_payee: 'review' });
    expect(await deciding(one!, wish)).toBe('approved');
  });
});

describe('a watched policy', () => {
  it('decides nothing, and tells where it would have', async () => {
    const active = await policy({});
    const watched = await policy(
      { cel: [{ name: 'large', when: 'intent.amount_minor > 10000', effect: 'deny', message: 'Too large' }] },
      false,
    );
    await t.api('POST', `/v1/policies/${watched}/activate`, { mode: 'observe' });
    const [one] = await casts(1);
    const large = await t.approved(one!, { amount: 120 });
    await t.approved(one!, { amount: 20 });
    const { body } = await t.api('GET', `/v1/policies/${watched}/differences`);
    expect(body).toMatchObject({
      decisions: 2,
      differing: 1,
      stricter: 1,
      looser: 0,
      directions: [{ active: 'approved', observed: 'deny', decisions: 1 }],
      examples: [
        {
          execution_ref: large.execution_ref,
          active: 'approved',
          observed: 'deny',
          explanation: [{ rule: 'large', outcome: 'fail', clause: 'intent.amount_minor > 10000' }],
        },
      ],
    });
    expect((await t.execution(large.execution_ref)).stage).toBe('approved');
    expect((await t.api('GET', `/v1/policies/${active}`)).body).toMatchObject({ status: 'active' });
  });
});
