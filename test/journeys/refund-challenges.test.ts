import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseId } from '../../src/domain/ids.ts';
import { insertApiKey, newApiKeySecret } from '../../src/store/api-keys.ts';
import { createAuthenticator } from '../setup/authenticator.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, refusal, startJourney, type Answered, type Cast, type Journey, type Payment } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney({ CHALLENGE_TTL_SECONDS: '5' });
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

interface Refund {
  refund_id: string;
  status: string;
  amount_minor: number;
  challenge?: { challenge_id: string; status: string; methods: string[]; expires_at: string; approval_url: string };
}
interface PasskeyOptions {
  options: { challenge: string };
  origins: string[];
}
type Refunded = Answered<Payment & { refund: Refund }>;
interface Confirmed {
  refund_id: string;
  payment_id: string;
  challenge: { challenge_id: string; status: string };
  attempts_left?: number;
}

async function policy(rules: object): Promise<void> {
  const { status } = await t.api('POST', '/v1/policies', { name: 'refunds', rules, activate: true });
  expect(status).toBe(201);
}

const STEP_UP = { step_up_above: 50_00 };

/** A captured payment of 120.00 and whose it is, and from then on the rules for what follows. */
async function captured(
  rules: object = STEP_UP,
  wish?: { merchant_ref: string },
): Promise<{ payment: Payment; cast: Cast }> {
  await policy({});
  const cast = await t.cast();
  const { body: payment } = await t.pay(await t.approved(cast, wish));
  expect((await t.operate('capture', payment)).status).toBe(200);
  await policy(rules);
  return { payment, cast };
}

const ask = (payment: Payment, body: object, key = randomUUID()) =>
  t.api(
    'POST',
    '/v1/payments/refund',
    { payment_id: payment.payment_id, ...body },
    { 'idempotency-key': key },
  ) as unknown as Promise<Refunded>;

const respond = (id: string, code: string, key = randomUUID()) =>
  t.api(
    'POST',
    `/v1/payments/refunds/${id}/respond`,
    { method: 'totp', response: { code } },
    { 'idempotency-key': key },
  ) as unknown as Promise<Answered<Confirmed>>;

async function refunds({ payment_id }: Payment): Promise<number[]> {
  const { body } = await t.simulator<{ data: { type: string; amount_minor: number }[] }>(
    'GET',
    `/control/effects?reference=${payment_id}`,
  );
  return body.data.filter(({ type }) => type === 'refund').map(({ amount_minor }) => amount_minor);
}

const countersOf = async ({ payment_id }: Payment) => {
  const { refunded, refund_pending } = (await t.payment(payment_id)).counters;
  return [refunded, refund_pending];
};

describe('a refund that the policy wants the principal for', () => {
  it('waits, with nothing reserved, and is made once the principal confirms it', async () => {
    const { payment, cast } = await captured();
    const key = randomUUID();
    const asked = await ask(payment, { amount: 60 }, key);
    const { refund } = asked.body;
    expect(asked).toMatchObject({
      status: 202,
      body: {
        counters: { refunded: 0, refund_pending: 0 },
        refund: { status: 'challenged', amount_minor: 60_00, challenge: { status: 'open', methods: ['totp'] } },
      },
    });
    expect(refund.challenge!.challenge_id.slice(4)).toBe(refund.refund_id.slice(3));
    const again = await ask(payment, { amount: 60 }, key);
    expect([again.status, again.body.refund]).toEqual([202, refund]);
    // Nobody else is asked.
    const { body: queue } = await t.api<{ data: { refund_id?: string }[] }>('GET', '/v1/reviews?kind=refund');
    expect(queue.data.map(({ refund_id }) => refund_id)).not.toContain(refund.refund_id);
    expect(await refunds(payment)).toEqual([]);

    const given = randomUUID();
    const code = cast.code();
    const confirmed = await respond(refund.refund_id, code, given);
    expect(confirmed).toMatchObject({
      status: 200,
      body: { refund_id: refund.refund_id, payment_id: payment.payment_id, challenge: { status: 'passed' } },
    });
    await t.becomes(payment, ({ counters }) => counters.refunded === 60_00);
    expect(await refunds(payment)).toEqual([60_00]);
    const repeated = await respond(refund.refund_id, code, given);
    expect([repeated.status, repeated.body]).toEqual([200, confirmed.body]);
    const after = await ask(payment, { amount: 60 }, key);
    expect([after.status, after.body.refund.status]).toEqual([200, 'succeeded']);
    expect(await refunds(payment)).toEqual([60_00]);
  });

  it('control: one below the limit is made at once', async () => {
    const { payment } = await captured();
    expect((await ask(payment, { amount: 50 })).status).toBe(200);
  });

  it('is confirmed under the id of its challenge as well, after a wrong answer', async () => {
    const { payment, cast } = await captured();
    const { challenge } = (await ask(payment, {})).body.refund;
    const wrong = await respond(challenge!.challenge_id, cast.wrongCode());
    expect([...refusal(wrong), wrong.body.attempts_left]).toEqual([409, 'challenge_failed', 2]);
    expect((await respond(challenge!.challenge_id, cast.code())).status).toBe(200);
    await t.becomes(payment, ({ status }) => status === 'refunded');
  });

  it('is not made after three wrong answers, and its key says so', async () => {
    const { payment, cast } = await captured();
    const key = randomUUID();
    const { refund_id } = (await ask(payment, {}, key)).body.refund;
    for (const left of [2, 1, 0]) {
      const wrong = await respond(refund_id, cast.wrongCode());
      expect([...refusal(wrong), wrong.body.attempts_left]).toEqual([409, 'challenge_failed', left]);
    }
    expect(refusal(await respond(refund_id, cast.code()))).toEqual([409, 'challenge_expired']);
    expect(refusal(await ask(payment, {}, key))).toEqual([409, 'challenge_failed']);
    expect([await refunds(payment), await countersOf(payment)]).toEqual([[], [0, 0]]);
  });

  it('is not made when the principal does not answer in time', async () => {
    const { payment, cast } = await captured();
    const key = randomUUID();
    const { refund_id } = (await ask(payment, {}, key)).body.refund;
    await eventually(
      () => ask(payment, {}, key),
      ({ status }) => status !== 202,
    );
    expect(refusal(await ask(payment, {}, key))).toEqual([409, 'challenge_expired']);
    expect(refusal(await respond(refund_id, cast.code()))).toEqual([409, 'challenge_expired']);
    expect([await refunds(payment), await countersOf(payment)]).toEqual([[], [0, 0]]);
  });

  it('is not made when the principal declines it, and its key says so', async () => {
    const { payment, cast } = await captured();
    const key = randomUUID();
    const { refund_id } = (await ask(payment, {}, key)).body.refund;
    const path = `/v1/payments/refunds/${refund_id}/respond`;
    const answer = await t.api('POST', path, { method: 'approval', response: { approved: false } });
    expect(answer).toMatchObject({ status: 200, body: { challenge: { status: 'declined' } } });
    expect(refusal(await respond(refund_id, cast.code()))).toEqual([409, 'challenge_expired']);
    expect(refusal(await ask(payment, {}, key))).toEqual([403, 'policy_denied']);
    expect([await refunds(payment), await countersOf(payment)]).toEqual([[], [0, 0]]);
  });

  it('is not confirmed by a method that proves nothing', async () => {
    const { payment } = await captured();
    const { refund_id } = (await ask(payment, {})).body.refund;
    const path = `/v1/payments/refunds/${refund_id}/respond`;
    const answer = await t.api('POST', path, { method: 'approval', response: { approved: true } });
    expect(refusal(answer)).toEqual([409, 'challenge_failed']);
    expect(await refunds(payment)).toEqual([]);
  });

  it('is judged again at the yes: what is denied by now stays undone', async () => {
    const { payment, cast } = await captured();
    const key = randomUUID();
    const { refund_id } = (await ask(payment, {}, key)).body.refund;
    await policy({ max_amount: 10_00 });
    expect((await respond(refund_id, cast.code())).status).toBe(200);
    const after = await eventually(
      () => ask(payment, {}, key),
      ({ status }) => status !== 202,
    );
    expect(refusal(after)).toEqual([403, 'policy_denied']);
    expect(await refunds(payment)).toEqual([]);
  });

  it.each([
    ['agent', ({ agent_id }: Cast) => ({ agent_id })],
    ['merchant', (_: Cast, merchant_ref: string) => ({ merchant_ref })],
  ])('is ended by a freeze of its %s, which counts it, and its key says so', async (_, target) => {
    const merchant_ref = `mrc_${randomUUID()}`;
    const { payment, cast } = await captured(STEP_UP, { merchant_ref });
    const { payment: elsewhere, cast: other } = await captured();
    const key = randomUUID();
    const { refund_id } = (await ask(payment, {}, key)).body.refund;
    const spared = (await ask(elsewhere, { amount: 60 })).body.refund;
    const order = { ...target(cast, merchant_ref), reason: 'odd refunds' };
    const { body: frozen } = await t.api<{ freeze_id: string }>('POST', '/v1/identities/freeze', order);
    expect(frozen).toMatchObject({ status: 'confirmed', stopped: { refunds: 1, executions: 0 } });
    expect(refusal(await respond(refund_id, cast.code()))).toEqual([409, 'challenge_expired']);
    const after = await eventually(
      () => ask(payment, {}, key),
      ({ status }) => status !== 202,
    );
    expect(refusal(after)).toEqual([409, 'frozen']);
    expect(refusal(await ask(payment, {}))).toEqual([409, 'frozen']);
    expect([await refunds(payment), await countersOf(payment)]).toEqual([[], [0, 0]]);
    // The control: what the freeze does not cover goes on, and what it has ended can be asked for anew.
    expect((await respond(spared.refund_id, other.code())).status).toBe(200);
    await t.becomes(elsewhere, ({ counters }) => counters.refunded === 60_00);
    const { freeze_id } = frozen;
    expect((await t.api('POST', '/v1/identities/unfreeze', { freeze_id, reason: 'over' })).status).toBe(200);
    expect((await ask(payment, {})).status).toBe(202);
  });

  it('is ended by a freeze of the processor that would make it', async () => {
    const { payment, cast } = await captured();
    const { refund_id } = (await ask(payment, {})).body.refund;
    const { processor } = payment;
    const { body: frozen } = await t.api<{ freeze_id: string; stopped: { refunds: number } }>(
      'POST',
      '/v1/identities/freeze',
      { processor, reason: 'odd refunds' },
    );
    expect(frozen.stopped.refunds).toBeGreaterThan(0);
    expect(refusal(await respond(refund_id, cast.code()))).toEqual([409, 'challenge_expired']);
    expect(await refunds(payment)).toEqual([]);
    const { freeze_id } = frozen;
    expect((await t.api('POST', '/v1/identities/unfreeze', { freeze_id, reason: 'over' })).status).toBe(200);
  });

  it('is ended by the revocation of its agent; the organization may ask for it anew', async () => {
    const { payment, cast } = await captured();
    const key = randomUUID();
    const { refund_id } = (await ask(payment, {}, key)).body.refund;
    await t.api('POST', '/v1/identities/revoke', { agent_id: cast.agent_id, reason: 'gone' });
    expect(refusal(await respond(refund_id, cast.code()))).toEqual([409, 'challenge_expired']);
    const after = await eventually(
      () => ask(payment, {}, key),
      ({ status }) => status !== 202,
    );
    expect(refusal(after)).toEqual([403, 'invalid_scope']);
    const { refund_id: anew } = (await ask(payment, {})).body.refund;
    expect((await respond(anew, cast.code())).status).toBe(200);
    await t.becomes(payment, ({ status }) => status === 'refunded');
    expect(await refunds(payment)).toEqual([120_00]);
  });

  it('goes on to an operator where the policy wants one by then', async () => {
    const { payment, cast } = await captured();
    const key = randomUUID();
    const { refund_id } = (await ask(payment, {}, key)).body.refund;
    await policy({ ...STEP_UP, review_above: 50_00 });
    expect((await respond(refund_id, cast.code())).status).toBe(200);
    const waits = await eventually(
      () => ask(payment, {}, key),
      ({ body }) => body.refund?.status === 'in_review',
    );
    expect(waits.status).toBe(202);
    const secret = newApiKeySecret('test');
    const tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' } as const;
    await insertApiKey(t.database.pool, { tenant, name: 'operator', scopes: ['payments:refund'], secret });
    const headers = { authorization: `Bearer ${secret}` };
    const vote = { verdict: 'approve', note: 'Asked the guest.' };
    expect((await t.api('POST', `/v1/payments/refunds/${refund_id}/review`, vote, headers)).status).toBe(200);
    await t.becomes(payment, ({ status }) => status === 'refunded');
    expect(await refunds(payment)).toEqual([120_00]);
  });

  it('is made once when two right answers come together', async () => {
    const { payment, cast } = await captured();
    const { refund_id } = (await ask(payment, {})).body.refund;
    const code = cast.code();
    const answers = await Promise.all([respond(refund_id, code), respond(refund_id, code)]);
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409]);
    await t.becomes(payment, ({ status }) => status === 'refunded');
    expect(await refunds(payment)).toEqual([120_00]);
  });

  it('is made once in spite of a lost answer of the processor', async () => {
    const { payment, cast } = await captured();
    const { refund_id } = (await ask(payment, {})).body.refund;
    await t.simulator('POST', '/control/script', { fault: 'lost_answer', operation: 'refund' });
    await respond(refund_id, cast.code());
    await t.becomes(payment, ({ status }) => status === 'refunded');
    expect(await refunds(payment)).toEqual([120_00]);
  });

  it('is confirmed on the page behind its approval_url, which says what is asked', async () => {
    const { payment, cast } = await captured();
    const { challenge } = (await ask(payment, { amount: 60, reason: '<b>late</b>' })).body.refund;
    const page = await (await fetch(challenge!.approval_url)).text();
    expect(page).toContain('Confirm a refund');
    expect(page).toContain('60.00 EUR');
    expect(page).toContain('&lt;b&gt;late&lt;/b&gt;');
    const enter = async (code: string) =>
      (await fetch(challenge!.approval_url, { method: 'POST', body: new URLSearchParams({ code }) })).text();
    expect(await enter(cast.wrongCode())).toContain('That code is not right');
    expect(await refunds(payment)).toEqual([]);
    expect(await enter(cast.code())).toContain('You have confirmed this request.');
    await t.becomes(payment, ({ counters }) => counters.refunded === 60_00);
  });

  it('is confirmed with a passkey, which signs this refund and no other', async () => {
    const { payment, cast } = await captured();
    const passkeys = `/v1/identities/principals/${cast.principal_id}/passkeys`;
    const made = await t.api<PasskeyOptions>('POST', `${passkeys}/options`);
    const key = createAuthenticator(made.body.origins[0]!, 'localhost');
    expect((await t.api('POST', passkeys, { response: key.create(made.body.options) })).status).toBe(201);
    const open = async (amount: number) => {
      const { refund } = (await ask(payment, { amount })).body;
      expect(refund.challenge!.methods).toEqual(['totp', 'webauthn']);
      const { challenge_id } = refund.challenge!;
      const asked = await t.api<PasskeyOptions>('POST', '/v1/execution/challenge/options', { challenge_id });
      return { id: refund.refund_id, options: asked.body.options };
    };
    const confirm = (id: string, assertion: object) =>
      t.api('POST', `/v1/payments/refunds/${id}/respond`, { method: 'webauthn', response: { assertion } });
    const [one, other] = [await open(51), await open(60)];
    expect(refusal(await confirm(one.id, key.get(other.options)))).toEqual([409, 'challenge_failed']);
    expect((await confirm(one.id, key.get(one.options))).status).toBe(200);
    await t.becomes(payment, ({ counters }) => counters.refunded === 51_00);
    expect(await refunds(payment)).toEqual([51_00]);
  });

  it('of another organization, or none, is not found', async () => {
    expect(refusal(await respond('op_01h455vb4pex5vsknk084sn02q', '123456'))).toEqual([404, 'not_found']);
  });
});

it('that the policy wants an operator for is not the principal’s to confirm', async () => {
  const { payment, cast } = await captured({ ...STEP_UP, review_above: 100_00 });
  const { refund } = (await ask(payment, {})).body;
  expect(refund.status).toBe('in_review');
  expect(refusal(await respond(refund.refund_id, cast.code()))).toEqual([404, 'not_found']);
});
