import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseId, toTypeId } from '../../src/domain/ids.ts';
import { signItem, type AdyenItem } from '../../src/processors/adyen/wire.ts';
import { insertMid } from '../../src/store/mids.ts';
import { createSealer } from '../../src/trust/seal.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, refusal, startJourney, type Journey, type Payment } from './journey.ts';

const HMAC_KEY = randomBytes(32).toString('hex').toUpperCase();
const WHSEC = `whsec_${randomBytes(24).toString('hex')}`;
type Kind = 'stripe' | 'adyen';

let t: Journey;
let adyenMid: string;
beforeAll(async () => {
  // Longer than a test waits: whoever is not woken comes too late.
  t = await startJourney({ PROCESSOR_VISIBILITY_LAG_MS: '30000' });
  await connect('stripe', 'shop', `${t.simulatorUrl}/stripe`, WHSEC);
  adyenMid = await connect('adyen', 'ShopMulti', `${t.simulatorUrl}/adyen/v71`, HMAC_KEY);
});
beforeEach(() => t.simulator('POST', '/control/calm'));
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

async function connect(kind: Kind, mid: string, baseUrl: string, secret: string) {
  const sealer = createSealer(t.dataKey);
  const tenant = { orgId: parseId(t.credentials.org_id, 'org')!, mode: 'test' as const };
  const sealed = { apiKeySealed: sealer.seal('sk_test_key'), notifySecretSealed: sealer.seal(secret) };
  const account = { processor: kind, mid, kind, priority: 900, baseUrl, ...sealed };
  const id = toTypeId('mid', (await insertMid(t.database.pool, tenant, account)).id);
  const url = `${t.url}/v1/notifications/${kind}/${id}`;
  await t.simulator('POST', '/control/endpoints', { processor: kind, wire: kind, url, secret });
  return id;
}

const TOKENS = { stripe: 'pm_card_visa', adyen: 'shopper_1/tok_approve', alpha: undefined };
type Seen = Payment & { needs_attention?: string; processor_reference: string };

/** Captured in full, at a merchant of its own: one whose payments are disputed is a risk. */
async function captured(processor: Kind | 'alpha'): Promise<Payment> {
  const token = TOKENS[processor];
  const more = token === undefined ? {} : { payment_method: { type: 'token', token, processor } };
  const payment = await t.paid({ merchant_ref: `mrc_${crypto.randomUUID()}` }, undefined, more);
  await t.operate('capture', payment);
  return t.becomes(payment, ({ status }) => status === 'captured');
}

/** A refund that the processor has made. @returns the id of its operation */
async function refunded(payment: Payment, amount = 120): Promise<string> {
  await t.operate('refund', payment, { amount });
  const { operations } = await t.becomes(payment, ({ counters }) => counters.refunded === amount * 100);
  return operations.find(({ type, status }) => type === 'refund' && status === 'succeeded')!.operation_id;
}

/** The bank of the payee sends a refund back. */
async function returned(payment: Payment, operationId: string): Promise<void> {
  // Processors know our operations under the bare UUID.
  const answer = await t.simulator('POST', '/control/returns', { operation_id: parseId(operationId, 'op') });
  expect(answer.status).toBe(200);
  await t.becomes(payment, ({ operations }) => operations.some((one) => one.status === 'reversed'));
}

interface Dispute {
  dispute_id: string;
  status: string;
  amount_minor: number;
  held_minor: number;
  reason?: string;
}
/** The issuer of the payer at the processor. @returns the id of the dispute there */
async function issuer({ payment_id }: Payment, more: object = {}): Promise<string> {
  const body = { reference: payment_id, ...more };
  const { status, body: dispute } = await t.simulator<{ dispute_id: string }>('POST', '/control/disputes', body);
  expect(status).toBe(201);
  return dispute.dispute_id;
}
const decides = (id: string, status: string) => t.simulator('POST', `/control/disputes/${id}`, { status });
async function disputed({ payment_id }: Payment, status: string): Promise<Dispute> {
  const [dispute] = await eventually(
    async () => (await t.api<{ data: Dispute[] }>('GET', `/v1/disputes?payment_id=${payment_id}`)).body.data,
    ([found]) => found?.status === status,
  );
  return dispute!;
}
const countersOf = async ({ payment_id }: Payment) => (await t.payment(payment_id)).counters;

interface Evidence {
  operations: { operation_id: string; evidence: { source: string; says: string }[] }[];
  conflicts: { stands: string; told: string; source: string }[];
}
const evidenceOf = async ({ payment_id }: Payment) =>
  (await t.api<Evidence>('GET', `/v1/payments/${payment_id}/evidence`)).body;

/** What Adyen says, signed as Adyen signs. */
async function adyenSays(payment: Payment, operationId: string, more: Partial<AdyenItem>, mid = adyenMid) {
  const item: AdyenItem = {
    eventCode: 'CAPTURE',
    success: 'true',
    pspReference: `MOD${crypto.randomUUID()}`,
    originalReference: ((await t.payment(payment.payment_id)) as Seen).processor_reference,
    merchantAccountCode: 'ShopMulti',
    merchantReference: `${payment.payment_id}.${parseId(operationId, 'op')!}`,
    amount: { value: 12_000, currency: 'EUR' },
    ...more,
  };
  const signed = { ...item, additionalData: { hmacSignature: signItem(item, HMAC_KEY) } };
  const body = { live: 'false', notificationItems: [{ NotificationRequestItem: signed }] };
  const headers = { authorization: '', 'idempotency-key': '' };
  expect((await t.api('POST', `/v1/notifications/adyen/${mid}`, body, headers)).status).toBe(200);
}

describe.each(['stripe', 'adyen'] as const)('what %s tells', (kind) => {
  it('of a refund wakes the workflow of the refund, and is evidence', async () => {
    const payment = await captured(kind);
    await t.simulator('POST', '/control/script', {
      fault: 'pending',
      operation: 'refund',
      reference: payment.payment_id,
    });
    const refund = t.operate('refund', payment, { amount: 50 });
    const seen = await t.becomes(payment, ({ counters }) => counters.refunded === 50_00);
    expect((await refund).status).toBeLessThan(203);
    const id = seen.operations.find(({ type }) => type === 'refund')!.operation_id;
    const { evidence } = (await evidenceOf(payment)).operations.find(({ operation_id }) => operation_id === id)!;
    expect(evidence.map(({ source, says }) => `${source} ${says}`)).toContain('notification succeeded');
  });

  it('of a dispute is followed: the money is held, and comes back when it is won', async () => {
    const payment = await captured(kind);
    const id = await issuer(payment, { status: 'inquiry', amount_minor: 100_00 });
    await disputed(payment, 'inquiry');
    expect((await countersOf(payment)).dispute_held).toBe(0);
    await decides(id, 'opened');
    const dispute = await disputed(payment, 'opened');
    expect(dispute).toMatchObject({ amount_minor: 100_00, held_minor: 100_00, reason: 'fraudulent' });
    expect(refusal(await t.operate('refund', payment, { amount: 20.01 }))).toEqual([409, 'amount_exceeds_refundable']);
    await decides(id, 'won');
    await disputed(payment, 'won');
    expect(await countersOf(payment)).toMatchObject({ dispute_held: 0, dispute_lost: 0 });
  });

  it('of a dispute that is lost is followed: the money is gone', async () => {
    const payment = await captured(kind);
    const id = await issuer(payment);
    await disputed(payment, 'opened');
    await decides(id, 'lost');
    await disputed(payment, 'lost');
    expect(await countersOf(payment)).toMatchObject({ dispute_held: 0, dispute_lost: 120_00 });
  });
});

describe('what contradicts an outcome that is recorded', () => {
  it('at Adyen opens a conflict, and changes nothing; what confirms it opens none', async () => {
    const payment = await captured('adyen');
    const { operation_id } = payment.operations.find(({ type }) => type === 'capture')!;
    await adyenSays(payment, operation_id, {});
    // Of another kind of operation it says nothing.
    await adyenSays(payment, operation_id, { eventCode: 'REFUND', success: 'false' });
    expect((await evidenceOf(payment)).conflicts).toEqual([]);
    await adyenSays(payment, operation_id, { eventCode: 'CAPTURE_FAILED' });
    await adyenSays(payment, operation_id, { eventCode: 'CAPTURE_FAILED' });
    const { conflicts } = await evidenceOf(payment);
    expect(conflicts).toMatchObject([{ stands: 'succeeded', told: 'failed', source: 'notification' }]);
    expect(await countersOf(payment)).toEqual(payment.counters);
  });

  it('at another account is not heard', async () => {
    const payment = await captured('alpha');
    const { operation_id } = payment.operations.find(({ type }) => type === 'capture')!;
    await adyenSays(payment, operation_id, { eventCode: 'CAPTURE_FAILED' });
    expect((await evidenceOf(payment)).conflicts).toEqual([]);
  });
});

describe.each(['stripe', 'adyen', 'alpha'] as const)(
  'a refund at %s that comes back after it had succeeded',
  (kind) => {
    it('is reversed in the books, wants a person, and may be made again', async () => {
      const payment = await captured(kind);
      const refund = await refunded(payment);
      expect((await t.payment(payment.payment_id)).status).toBe('refunded');
      await returned(payment, refund);
      const seen = (await t.payment(payment.payment_id)) as Seen;
      expect(seen).toMatchObject({
        status: 'captured',
        counters: { captured: 120_00, refunded: 0, refund_pending: 0 },
      });
      expect(seen.needs_attention).toContain('came back');
      const { body } = await t.api<{ data: { type: string; data: { payment_id?: string; reason?: string } }[] }>(
        'POST',
        '/v1/execution/events/query',
        { types: ['payment.needs_review'], limit: 50 },
      );
      const told = body.data.filter(({ data }) => data.payment_id === payment.payment_id);
      expect(told.map(({ data }) => data.reason)).toEqual(['refund_reversed']);
      expect((await evidenceOf(payment)).conflicts).toEqual([]);
      await refunded(payment);
      expect(((await t.payment(payment.payment_id)) as Seen).needs_attention).toBeUndefined();
    });

    it('is held for the dispute that claims the money, and not paid twice', async () => {
      const payment = await captured(kind);
      const refund = await refunded(payment, 50);
      const id = await issuer(payment);
      expect(await disputed(payment, 'opened')).toMatchObject({ amount_minor: 120_00, held_minor: 70_00 });
      await returned(payment, refund);
      expect(await countersOf(payment)).toMatchObject({ refunded: 0, dispute_held: 120_00 });
      expect((await t.operate('refund', payment, { amount: 50 })).status).toBe(409);
      await decides(id, 'won');
      await disputed(payment, 'won');
      await refunded(payment);
    });

    it('is lost to the dispute that was lost before', async () => {
      const payment = await captured(kind);
      const refund = await refunded(payment, 50);
      const id = await issuer(payment);
      await disputed(payment, 'opened');
      await decides(id, 'lost');
      await disputed(payment, 'lost');
      await returned(payment, refund);
      expect(await countersOf(payment)).toMatchObject({ refunded: 0, dispute_held: 0, dispute_lost: 120_00 });
      expect((await t.operate('refund', payment, { amount: 50 })).status).toBe(409);
    });
  },
);
