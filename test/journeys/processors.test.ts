import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ActivityDeps } from '../../src/activities/deps.ts';
import { giveBack } from '../../src/activities/money/take-up.ts';
import { reauthorizeAtExpiry } from '../../src/activities/money/reauthorize.ts';
import { resolveOperation } from '../../src/activities/money/resolve.ts';
import { operationIdAtExpiry, parseId, toTypeId } from '../../src/domain/ids.ts';
import type { LifecycleTimers } from '../../src/domain/messages.ts';
import { createAdyenAdapter } from '../../src/processors/adyen/adapter.ts';
import { insertMid } from '../../src/store/mids.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { signItem } from '../../src/processors/adyen/wire.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, startJourney, type Journey, type Payment } from './journey.ts';

const HMAC_KEY = randomBytes(32).toString('hex').toUpperCase();
const WHSEC = `whsec_${randomBytes(24).toString('hex')}`;

let t: Journey;
let adyenMid: string;
let stripeMid: string;
beforeAll(async () => {
  t = await startJourney();
  stripeMid = await connect('stripe', 'shop', `${t.simulatorUrl}/stripe`, 'sk_test_stripe', WHSEC);
  adyenMid = await connect('adyen', 'ShopMulti', `${t.simulatorUrl}/adyen/v71`, 'AQE_test', HMAC_KEY);
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

/** An account at a real kind of processor, and the simulated processor told where to send its news. */
async function connect(kind: 'stripe' | 'adyen', mid: string, baseUrl: string, apiKey: string, secret: string) {
  const sealer = createSealer(t.dataKey);
  const tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' as const };
  const sealed = { apiKeySealed: sealer.seal(apiKey), notifySecretSealed: sealer.seal(secret) };
  const row = await insertMid(t.database.pool, tenant, {
    processor: kind,
    mid,
    kind,
    priority: 900,
    baseUrl,
    ...sealed,
  });
  await t.database.pool.query(
    `UPDATE mids SET capabilities = '{"multicapture": true, "incremental": true}' WHERE id = $1`,
    [row.id],
  );
  const id = toTypeId('mid', row.id);
  const url = `${t.url}/v1/notifications/${kind}/${id}`;
  await t.simulator('POST', '/control/endpoints', { processor: kind, wire: kind, url, secret });
  return id;
}

const TOKENS = { stripe: 'pm_card_visa', adyen: 'shopper_1/tok_approve' };
const payAt = (processor: 'stripe' | 'adyen', token = TOKENS[processor]) => ({
  payment_method: { type: 'token', token, processor },
});

interface Sums {
  [type: string]: { count: number; amount_minor: number };
}
/** What truly moved, by the oracle: minor units and how often. */
async function moved({ payment_id }: Payment): Promise<Record<string, [count: number, minor: number]>> {
  const { body } = await t.simulator<Sums>('GET', `/control/summary?reference=${payment_id}`);
  const types = ['authorize', 'increment', 'capture', 'void', 'refund'].filter((type) => body[type]!.count > 0);
  return Object.fromEntries(types.map((type) => [type, [body[type]!.count, body[type]!.amount_minor]]));
}

describe.each(['stripe', 'adyen'] as const)('a hold at %s', (kind) => {
  it('is raised, told as the new sum, and captured wholly', async () => {
    const payment = await t.paid({}, undefined, payAt(kind));
    await t.operate('increment', payment, { amount: 30 });
    await t.becomes(payment, ({ counters }) => counters.authorized === 15_000);
    await t.operate('capture', payment, { amount: 150 });
    await t.becomes(payment, ({ counters }) => counters.captured === 15_000);
    expect(await moved(payment)).toEqual({ authorize: [1, 12_000], increment: [1, 3_000], capture: [1, 15_000] });
  });
});

describe('a hold that is renewed', () => {
  it('at Stripe is another PaymentIntent, and the one before is cancelled', async () => {
    await t.simulator('POST', '/control/timing', { expire_soon_ms: 8_000 });
    const more = { ...payAt('stripe', 'pm_expire_soon'), on_expiry: 'reauthorize' };
    const payment = await t.paid({}, undefined, more);
    await t.operate('capture', payment, { amount: 20 });
    await t.becomes(payment, ({ operations }) =>
      operations.some(({ type, status }) => type === 'void' && status === 'succeeded'),
    );
    expect((await t.operate('capture', payment)).body).toMatchObject({ status: 'captured' });
    for (const amount of [100, 20]) await t.operate('refund', payment, { amount });
    await t.becomes(payment, ({ counters }) => counters.refunded === 12_000);
    expect(await moved(payment)).toEqual({
      authorize: [2, 22_000],
      capture: [2, 12_000],
      void: [1, 10_000],
      refund: [2, 12_000],
    });
  });

  it('at Adyen is another payment, although no date is told, and the one before is cancelled when it says so', async () => {
    const payment = await t.paid({}, undefined, { ...payAt('adyen'), on_expiry: 'reauthorize' });
    const tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' as const };
    const executionId = parseId(payment.payment_id, 'pay')!;
    // As the lifecycle does it after seven days less an hour.
    const deps = {
      pool: t.database.pool,
      sealer: createSealer(t.dataKey),
      processors: { adyen: createAdyenAdapter() },
      processorTimeoutMs: 1_500,
      now: () => new Date(),
    } as unknown as ActivityDeps;
    const ref = { tenant, executionId, timers: {} as LifecycleTimers };
    const step = await reauthorizeAtExpiry(deps, ref, operationIdAtExpiry(executionId, 0));
    expect(step).toMatchObject({ kind: 'succeeded', stage: 'authorized', renewal: 'stands' });
    const operationId = (step as { giveBack: string }).giveBack;
    const nobody = { key: operationId, fingerprint: '', actor: 'system:timer', replyTo: '' };
    expect(await giveBack(deps, ref, nobody, operationId)).toMatchObject({ kind: 'pending' });
    await eventually(
      () => resolveOperation(deps, { tenant, paymentId: executionId, operationId, visibilityLagMs: 200 }),
      ({ kind }) => kind === 'succeeded',
    );
    // Repeated, as by a worker that took over: nothing more is done.
    expect(await reauthorizeAtExpiry(deps, ref, operationIdAtExpiry(executionId, 0))).toMatchObject({
      renewal: 'stands',
    });
    await t.operate('capture', payment);
    await t.becomes(payment, ({ counters }) => counters.captured === 12_000);
    expect(await moved(payment)).toEqual({ authorize: [2, 24_000], capture: [1, 12_000], void: [1, 12_000] });
  });
});

describe('a payment at Stripe', () => {
  it('is authorized, captured in parts and refunded, and the oracle says the same', async () => {
    const payment = await t.paid({}, undefined, payAt('stripe'));
    expect(payment).toMatchObject({ status: 'authorized', processor: 'stripe' });
    expect((await t.operate('capture', payment, { amount: 50 })).body).toMatchObject({ status: 'partially_captured' });
    expect((await t.operate('capture', payment, { amount: 70, final: true })).body).toMatchObject({
      status: 'captured',
    });
    expect((await t.operate('refund', payment, { amount: 20 })).status).toBeLessThan(203);
    await t.becomes(payment, ({ counters }) => counters.refunded === 2_000);
    expect(await moved(payment)).toEqual({ authorize: [1, 12_000], capture: [2, 12_000], refund: [1, 2_000] });
  });

  it('is voided', async () => {
    const payment = await t.paid({}, undefined, payAt('stripe'));
    expect((await t.operate('void', payment)).body).toMatchObject({ status: 'voided' });
    expect(await moved(payment)).toEqual({ authorize: [1, 12_000], void: [1, 12_000] });
  });

  it('whose answer was lost is found by our reference, and made once', async () => {
    const approved = await t.approved(await t.cast());
    const { body } = await t.pay(approved, undefined, payAt('stripe', 'pm_lost_answer'));
    const payment = await t.becomes(body, ({ status }) => status === 'authorized');
    expect(await moved(payment)).toEqual({ authorize: [1, 12_000] });
  });

  it('whose capture and refund lost their answers is found by what they left at Stripe', async () => {
    const payment = await t.paid({}, undefined, payAt('stripe'));
    for (const operation of ['capture', 'refund'] as const) {
      await t.simulator('POST', '/control/script', { reference: payment.payment_id, operation, fault: 'lost_answer' });
      await t.operate(operation, payment, { amount: 120 });
    }
    await t.becomes(payment, ({ counters }) => counters.refunded === 12_000);
    expect(await moved(payment)).toEqual({ authorize: [1, 12_000], capture: [1, 12_000], refund: [1, 12_000] });
  });

  it('is declined with the class of its code, and nothing moves', async () => {
    const token = 'pm_card_visa_chargeDeclinedStolenCard';
    const answer = await t.pay(await t.approved(await t.cast()), undefined, payAt('stripe', token));
    expect(answer).toMatchObject({
      status: 402,
      body: { code: 'payment_declined', decline: { class: 'hard_decline', code: 'stolen_card', retryable: false } },
    });
  });
});

const isRefusedVoid = ({ type, status }: { type: string; status: string }) => type === 'void' && status === 'declined';

/** Why a person should look. */
async function attentionOf({ payment_id }: Payment): Promise<string | null> {
  const { rows } = await t.database.pool.query<{ needs_attention: string | null }>(
    'SELECT needs_attention FROM payments WHERE id = $1',
    [parseId(payment_id, 'pay')],
  );
  return rows[0]!.needs_attention;
}

describe('a payment at Adyen', () => {
  it('is captured and refunded when the notifications say so, and not before', async () => {
    const payment = await t.paid({}, undefined, payAt('adyen'));
    const answer = t.operate('capture', payment, { amount: 120 });
    await t.becomes(payment, ({ counters }) => counters.capture_pending === 12_000 && counters.captured === 0);
    expect((await answer).status).toBeLessThan(203);
    await t.becomes(payment, ({ status }) => status === 'captured');
    const refunded = await t.operate('refund', payment, { amount: 120 });
    expect(refunded.status).toBeLessThan(203);
    await t.becomes(payment, ({ counters }) => counters.refunded === 12_000 && counters.refund_pending === 0);
    expect(await moved(payment)).toEqual({ authorize: [1, 12_000], capture: [1, 12_000], refund: [1, 12_000] });
  });

  it('is voided when the notification says so', async () => {
    const payment = await t.paid({}, undefined, payAt('adyen'));
    expect((await t.operate('void', payment)).status).toBeLessThan(203);
    await t.becomes(payment, ({ status }) => status === 'voided');
    expect(await moved(payment)).toEqual({ authorize: [1, 12_000], void: [1, 12_000] });
  });

  it('lets the rest go after the last of several captures, once that has succeeded', async () => {
    const payment = await t.paid({}, undefined, payAt('adyen'));
    await t.operate('capture', payment, { amount: 50 });
    await t.becomes(payment, ({ counters }) => counters.captured === 5_000);
    await t.operate('capture', payment, { amount: 30, final: true });
    const done = await t.becomes(payment, ({ status }) => status === 'captured', 20_000);
    expect(done).toMatchObject({ counters: { captured: 8_000, released: 4_000, capture_pending: 0 } });
    expect(done.operations.map(({ type, status }) => [type, status])).toEqual([
      ['authorize', 'succeeded'],
      ['capture', 'succeeded'],
      ['capture', 'succeeded'],
      ['void', 'succeeded'],
    ]);
    expect(await moved(payment)).toEqual({ authorize: [1, 12_000], capture: [2, 8_000], void: [1, 4_000] });
  });

  it('that keeps the rest all the same says so, and it can be voided again', async () => {
    const payment = await t.paid({}, undefined, payAt('adyen'));
    const script = { reference: payment.payment_id, operation: 'void', fault: 'decline', times: 1 };
    await t.simulator('POST', '/control/script', script);
    await t.operate('capture', payment, { amount: 80, final: true });
    const kept = await t.becomes(payment, ({ operations }) => operations.some(isRefusedVoid), 20_000);
    expect(kept).toMatchObject({ status: 'partially_captured', counters: { captured: 8_000, released: 0 } });
    expect(await attentionOf(payment)).toBe('What a final capture left could not be voided');
    await t.operate('void', payment);
    await t.becomes(payment, ({ status }) => status === 'captured');
    expect(await moved(payment)).toEqual({ authorize: [1, 12_000], capture: [1, 8_000], void: [1, 4_000] });
  });

  it.each(['tok_lost_answer', 'tok_lost_request', 'tok_500_after_commit'])(
    'with %s is made once: by its notification, or by the same key again',
    async (token) => {
      const approved = await t.approved(await t.cast());
      const { body } = await t.pay(approved, undefined, payAt('adyen', `shopper_1/${token}`));
      const payment = await t.becomes(body, ({ status }) => status === 'authorized');
      expect(await moved(payment)).toEqual({ authorize: [1, 12_000] });
    },
  );

  it('takes notifications twice and in any order', async () => {
    const payment = await t.paid({}, undefined, payAt('adyen'));
    const script = { reference: payment.payment_id, operation: 'capture' };
    await t.simulator('POST', '/control/script', { ...script, fault: 'duplicate_notification' });
    await t.operate('capture', payment, { amount: 120 });
    await t.becomes(payment, ({ status }) => status === 'captured');
    expect(await moved(payment)).toEqual({ authorize: [1, 12_000], capture: [1, 12_000] });
  });
});

describe('a notification of a processor', () => {
  const send = (kind: string, id: string, body: unknown, headers: Record<string, string> = {}) =>
    t.api('POST', `/v1/notifications/${kind}/${id}`, body, { authorization: '', 'idempotency-key': '', ...headers });

  it('that is forged is refused, moves nothing, and stands in the audit trail', async () => {
    const payment = await t.paid({}, undefined, payAt('adyen'));
    const item = {
      eventCode: 'CAPTURE',
      success: 'true',
      pspReference: 'FORGED',
      originalReference: 'X',
      merchantAccountCode: 'ShopMulti',
      merchantReference: `${payment.payment_id}.x`,
      amount: { value: 12_000, currency: 'EUR' },
    };
    const signed = (key: string) => ({ ...item, additionalData: { hmacSignature: signItem(item, key) } });
    const wrap = (one: object) => ({ live: 'false', notificationItems: [{ NotificationRequestItem: one }] });
    expect(await send('adyen', adyenMid, wrap(signed('ab'.repeat(32))))).toMatchObject({ status: 401 });
    expect(await send('adyen', adyenMid, wrap(item))).toMatchObject({ status: 401 });
    expect(await send('stripe', stripeMid, { id: 'evt_1' }, { 'stripe-signature': 't=1,v1=ab' })).toMatchObject({
      status: 401,
    });
    expect((await t.payment(payment.payment_id)).counters.captured).toBe(0);
    const told = await eventually(
      () => t.api<{ data: { type: string; subject: string }[] }>('GET', '/v1/audit?limit=100'),
      ({ body }) => body.data.some(({ type, subject }) => type === 'security.abuse' && subject === adyenMid),
    );
    expect(told.status).toBe(200);
    // The same, signed by the account's key, is taken: the control.
    expect(await send('adyen', adyenMid, wrap(signed(HMAC_KEY)))).toMatchObject({ status: 200, body: '[accepted]' });
    expect((await t.payment(payment.payment_id)).counters.captured).toBe(0);
  });

  it('for an account of another kind, or one that nobody has, is 404', async () => {
    for (const [kind, id] of [
      ['adyen', stripeMid],
      ['stripe', adyenMid],
      ['stripe', toTypeId('mid', crypto.randomUUID())],
    ] as const) {
      expect((await send(kind, id, {})).status).toBe(404);
    }
  });
});
