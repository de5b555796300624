import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { insertApiKey, newApiKeySecret } from '../../src/store/api-keys.ts';
import { expectInvariants } from './invariants.ts';
import {
  eventually,
  refusal,
  startJourney,
  type Answered,
  type Cast,
  type Decided,
  type Journey,
  type Refusal,
  type Wish,
} from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney({ EXECUTION_TOKEN_TTL_SECONDS: '2', REVIEW_TTL_SECONDS: '2' });
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

async function challenged(cast: Cast, wish: Wish = {}): Promise<Decided> {
  const { body } = await t.propose(cast, { delegation_id: cast.cautious, ...wish });
  expect(body).toMatchObject({ decision: 'challenge' });
  expect(body.execution_token).toBeUndefined();
  return body;
}

function answer({ challenge }: Decided, code: string, headers = {}): Promise<Answered<Decided>> {
  const body = { challenge_id: challenge!.challenge_id, method: 'totp', response: { code } };
  return t.api('POST', '/v1/execution/challenge/respond', body, headers);
}

const stageBecomes = (ref: string, stage: string) =>
  eventually(
    () => t.execution(ref),
    (execution) => execution.stage === stage,
  );

describe('a challenge', () => {
  it('is passed by a right code, and the payment goes its way', async () => {
    const cast = await t.cast();
    const { status, body } = await answer(await challenged(cast), cast.code());
    expect({ status, body }).toMatchObject({ status: 200, body: { decision: 'approved' } });
    expect((await t.pay(body)).status).toBe(201);
  });

  it('is found by its execution as well', async () => {
    const cast = await t.cast();
    const { execution_ref } = await challenged(cast);
    const body = { execution_ref, method: 'totp', response: { code: cast.code() } };
    const answered = await t.api('POST', '/v1/execution/challenge/respond', body);
    expect(answered).toMatchObject({ status: 200, body: { decision: 'approved' } });
  });

  it('counts the wrong answers down, and is over after the third', async () => {
    const cast = await t.cast();
    const open = await challenged(cast);
    for (const left of [2, 1]) {
      const wrong = await answer(open, cast.wrongCode());
      expect([...refusal(wrong), wrong.body.attempts_left]).toEqual([409, 'challenge_failed', left]);
    }
    const last = await answer(open, cast.wrongCode());
    expect([...refusal(last), last.body.attempts_left]).toEqual([409, 'challenge_failed', 0]);
    expect((await t.execution(open.execution_ref)).stage).toBe('denied');
    expect(refusal(await answer(open, cast.code()))).toEqual([409, 'challenge_expired']);
    const { execution_ref } = open;
    expect((await t.api('POST', '/v1/payments/route', { execution_ref })).status).toBeGreaterThanOrEqual(403);
  });

  it('still passes after a wrong answer', async () => {
    const cast = await t.cast();
    const open = await challenged(cast);
    await answer(open, cast.wrongCode());
    expect((await answer(open, cast.code())).body.decision).toBe('approved');
  });

  it('does not take the code of an earlier one again', async () => {
    const cast = await t.cast();
    const code = cast.code();
    expect((await answer(await challenged(cast), code)).body.decision).toBe('approved');
    expect(refusal(await answer(await challenged(cast), code))).toEqual([409, 'challenge_failed']);
  });

  it('is answered once', async () => {
    const cast = await t.cast();
    const open = await challenged(cast);
    const code = cast.code();
    const answers = await Promise.all([answer(open, code), answer(open, code)]);
    expect(answers.map((one) => one.status).sort((a, b) => a - b)).toEqual([200, 409]);
  });

  it('is over when its time is', async () => {
    const cast = await t.cast();
    const open = await challenged(cast, { challenge_ttl_seconds: 1 });
    await stageBecomes(open.execution_ref, 'denied');
    expect(refusal(await answer(open, cast.code()))).toEqual([409, 'challenge_expired']);
  });

  it('is over when the delegation is revoked', async () => {
    const cast = await t.cast();
    const open = await challenged(cast);
    const order = { delegation_id: cast.cautious, reason: 'test' };
    expect((await t.api('POST', '/v1/identities/revoke', order)).body).toMatchObject({
      affected_executions: [{ execution_ref: open.execution_ref, outcome: 'denied' }],
    });
    expect(refusal(await answer(open, cast.code()))).toEqual([409, 'challenge_expired']);
    expect((await t.execution(open.execution_ref)).stage).toBe('denied');
  });

  it('is asked of the principal where the risk is elevated', async () => {
    const cast = await t.cast();
    const open = await challenged(cast, {
      delegation_id: cast.everyday,
      context: { risk_signals: ['geo_mismatch'] },
    });
    expect(open).toMatchObject({ risk: { level: 'elevated' }, reasons: [{ code: 'risk_elevated' }] });
    expect((await answer(open, cast.code())).body.decision).toBe('approved');
  });

  it('cannot be passed by a code for somebody else', async () => {
    const [ada, eve] = [await t.cast(), await t.cast()];
    const open = await challenged(ada);
    expect(refusal(await answer(open, eve.code()))).toEqual([409, 'challenge_failed']);
  });
});

describe('a review', () => {
  /** Nobody to ask: the principal has no means to answer a challenge. */
  async function inReview(): Promise<Decided> {
    const cast = await t.cast();
    await t.database.pool.query(
      `UPDATE principals SET totp_secret_sealed = NULL, step_up_methods = '{}' WHERE id = $1`,
      [parseId(cast.principal_id, 'prn')],
    );
    const { body } = await t.propose(cast, { context: { risk_signals: ['geo_mismatch'] } });
    // The published decisions are three: one that waits for an operator is a challenge that nobody else can answer.
    expect(body).toMatchObject({ decision: 'challenge', review: { expires_at: expect.any(String) } });
    expect([body.execution_token, body.challenge]).toEqual([undefined, undefined]);
    return body;
  }
  /** By somebody else than who asked. */
  async function review({ execution_ref }: Decided, verdict: 'approve' | 'deny') {
    const secret = newApiKeySecret('test');
    const tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' } as const;
    await insertApiKey(t.database.pool, { tenant, name: 'operator', scopes: ['execution:write'], secret });
    const path = `/v1/executions/${execution_ref}/review`;
    const body = { verdict, note: 'looked at it' };
    return t.api<Decided & Partial<Refusal>>('POST', path, body, { authorization: `Bearer ${secret}` });
  }

  it('is risk_elevated to the agent that goes on without it', async () => {
    const { execution_ref } = await inReview();
    expect(refusal(await t.api('POST', '/v1/payments/route', { execution_ref }))).toEqual([409, 'risk_elevated']);
  });

  it('approves, and the payment goes its way', async () => {
    const { status, body } = await review(await inReview(), 'approve');
    expect({ status, body }).toMatchObject({ status: 200, body: { decision: 'approved' } });
    expect((await t.pay(body)).status).toBe(201);
  });

  it('denies for good', async () => {
    const open = await inReview();
    expect(await review(open, 'deny')).toMatchObject({ status: 200, body: { decision: 'deny' } });
    expect(refusal(await review(open, 'approve'))).toEqual([409, 'review_closed']);
  });

  it('is over when its time is', async () => {
    const open = await inReview();
    expect(await stageBecomes(open.execution_ref, 'denied')).toMatchObject({
      review: { status: 'expired', votes: [] },
    });
    expect(refusal(await review(open, 'approve'))).toEqual([409, 'review_closed']);
  });
});

describe('an approval', () => {
  it('lapses when its token expires unused', async () => {
    const decided = await t.approved(await t.cast());
    await stageBecomes(decided.execution_ref, 'lapsed');
    expect(refusal(await t.pay(decided))).toEqual([409, 'execution_token_expired']);
  });

  it('gives the budget back that it did not use', async () => {
    const { agent_id, principal_id } = await t.cast();
    const { body: delegation } = await t.api('POST', '/v1/identities/delegations', {
      agent_id,
      principal_id,
      scope: { actions: ['payment.authorize'], currencies: ['EUR'], max_total: { amount: 100, currency: 'EUR' } },
      ttl_seconds: 60,
    });
    const delegation_id = delegation['delegation_id'] as string;
    const cast = { ...(await t.cast()), agent_id, principal_id };
    const decided = await t.approved(cast, { amount: 80, delegation_id });
    expect((await t.propose(cast, { amount: 80, delegation_id })).body.decision).toBe('deny');
    await stageBecomes(decided.execution_ref, 'lapsed');
    const again = await t.approved(cast, { amount: 80, delegation_id });
    expect((await t.pay(again)).status).toBe(201);
  });
});
