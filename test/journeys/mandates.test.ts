import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { verifyPaymentReceipt } from '../../src/trust/mandates/receipts.ts';
import { LEGACY_TYPES } from '../../src/domain/mandates/names.ts';
import { newKey } from '../trust/mandates/build.ts';
import { legacyNow, paymentNow, type Wanted } from '../trust/mandates/now.ts';
import { expectInvariants } from './invariants.ts';
import { eventually, startJourney, type Cast, type Journey, type Payment } from './journey.ts';

let t: Journey;
beforeAll(async () => {
  t = await startJourney({ EXECUTION_TOKEN_TTL_SECONDS: '3', AUDIT_SEAL_SECONDS: '1' });
});
afterEach(() => expectInvariants(t));
afterAll(() => t.close());

const HOTEL = { id: 'mrc_hotel', name: 'Hotel', website: 'https://hotel.example' };
/** 120.00 EUR at the hotel, as a journey proposes it. */
const hotel = (more: Wanted = {}) => paymentNow({ amount: 12_000, currency: 'EUR', payee: HOTEL, ...more });
const CART = LEGACY_TYPES.cart;
type Made = ReturnType<typeof paymentNow>;

const propose = (cast: Cast, made: Made, token = made.token, wish: object = {}) =>
  t.propose(cast, { mandate: made.mandate(token), verification: made.verification, ...wish });
const codes = ({ body }: Awaited<ReturnType<typeof propose>>) => [
  body.decision,
  ...body.reasons.map(({ code }) => code),
];

interface Use {
  open: boolean;
  spent_minor: number;
  occurrences: number;
  execution_ref?: string;
}
interface Mandate {
  mandate_id: string;
  uses: Use[];
  payment_id?: string;
  receipt?: string;
}

async function mandates(): Promise<Mandate[]> {
  const { status, body } = await t.api<{ data: Mandate[] }>('GET', '/v1/mandates');
  expect(status).toBe(200);
  return body.data;
}

describe('an assessment', () => {
  it('reads anchored once the audit trail is sealed, in the same place', async () => {
    interface Stored {
      audit: { entry_id: string; sequence: number; status: string };
    }
    const mandate = { to: '+4930', text: crypto.randomUUID() };
    const made = await t.api<{ outcome: Stored; assessmentId: string }>('POST', '/v1/assess', {
      mandate,
      kind: 'message_send',
    });
    const { audit } = made.body.outcome;
    expect(audit.status).toBe('pending');
    const { body } = await eventually(
      () => t.api<Stored>('GET', `/v1/assessments/${made.body.assessmentId}`),
      ({ body }) => body.audit.status === 'anchored',
    );
    expect(body.audit).toEqual({ ...audit, status: 'anchored' });
    const proof = await t.api('GET', `/v1/audit/proof?entry_id=${audit.entry_id}`);
    expect(proof.status).toBe(200);
  });
});

describe('a payment under a signed mandate', () => {
  it('is approved, paid, and has a receipt once it is captured', async () => {
    const made = hotel();
    const cast = await t.cast();
    const decided = await propose(cast, made);
    expect(codes(decided)).toEqual(['approved']);
    const [mandate] = await mandates();
    expect(mandate!.uses).toMatchObject([
      { open: true, spent_minor: 12_000, occurrences: 1 },
      { open: false, execution_ref: decided.body.execution_ref },
    ]);
    const paid = (await t.pay(decided.body)).body;
    const read = () => t.api<Payment & { mandate_receipt?: string }>('GET', `/v1/payments/${paid.payment_id}`);
    expect((await read()).body.mandate_receipt).toBeUndefined();
    expect((await t.operate('capture', paid)).status).toBe(200);
    const { mandate_receipt: receipt } = (await read()).body;
    const { keys } = (await t.api<{ keys: object[] }>('GET', '/.well-known/jwks.json')).body;
    expect(verifyPaymentReceipt({ token: receipt!, keys, mandate: made.token })).toMatchObject({
      valid: true,
      not_checked: [],
      claims: { status: 'Success', payment_id: paid.payment_id },
    });
    expect((await read()).body.mandate_receipt).toBe(receipt);
    const { body } = await t.api<Mandate>('GET', `/v1/mandates/${mandate!.mandate_id}`);
    expect(body).toMatchObject({ receipt, payment_id: paid.payment_id });
  });

  it('is consumed once, also when it is presented to two merchants at the same moment', async () => {
    const made = hotel();
    const casts = await Promise.all([t.cast(), t.cast()]);
    // The second merchant takes it as its own: the binding would refuse it, and so would its use.
    const answers = await Promise.all([...casts.map((cast) => propose(cast, made)), propose(casts[0], made)]);
    expect(answers.filter(({ body }) => body.decision === 'approved')).toHaveLength(1);
    for (const answer of answers.filter(({ body }) => body.decision !== 'approved')) {
      expect(codes(answer)).toEqual(['deny', 'invalid_mandate', 'already_used']);
    }
    const other = await propose(casts[1], made, made.close(), { merchant_ref: 'mrc_other' });
    expect(codes(other)).toEqual(expect.arrayContaining(['deny', 'binding_mismatch', 'already_used']));
  });

  it('may follow the assessment of its mandate, once', async () => {
    const made = hotel({
      constraints: [
        { type: 'payment.amount_range', currency: 'EUR', max: 12_000 },
        { type: 'payment.budget', currency: 'EUR', max: 1000 },
        { type: 'payment.agent_recurrence', frequency: 'ON_DEMAND', max_occurrences: 5 },
      ],
    });
    const cast = await t.cast();
    const assessed = await t.api<{ decision: string }>('POST', '/v1/assess', {
      mandate: made.mandate(made.token),
      verification: made.verification,
      agent_id: cast.agent_id,
    });
    // The key in the mandate is nobody's here: a person must look, and the use is held meanwhile.
    expect([assessed.status, assessed.body.decision]).toEqual([200, 'review']);
    expect(codes(await propose(cast, made))).toEqual(['approved']);
    const [mandate] = await mandates();
    expect(mandate!.uses[0]).toMatchObject({ open: true, spent_minor: 12_000, occurrences: 1 });
    expect(codes(await propose(cast, made))).toEqual(['deny', 'invalid_mandate', 'already_used']);
  });

  it('spends the budget of its open mandate exactly, whatever comes at once', async () => {
    const made = hotel({
      constraints: [
        { type: 'payment.amount_range', currency: 'EUR', max: 12_000 },
        { type: 'payment.budget', currency: 'EUR', max: 400 },
        { type: 'payment.agent_recurrence', frequency: 'ON_DEMAND' },
      ],
    });
    const casts = await Promise.all(Array.from({ length: 3 }, () => t.cast()));
    const all = casts.flatMap((cast) => [cast, cast, cast]);
    const answers = await Promise.all(all.map((cast) => propose(cast, made, made.close())));
    const approved = answers.filter(({ body }) => body.decision === 'approved');
    expect(approved).toHaveLength(3);
    // What is voided, and what is never paid, goes back.
    const paid = (await t.pay(approved[0]!.body)).body;
    expect((await t.operate('void', paid)).status).toBe(200);
    await eventually(
      async () => Promise.all(approved.slice(1).map(({ body }) => t.execution(body.execution_ref))),
      (executions) => executions.every(({ stage }) => stage === 'lapsed'),
    );
    const use = (await mandates())[0]!.uses.find(({ open }) => open)!;
    expect(use).toMatchObject({ spent_minor: 0, occurrences: 0 });
    // By an agent without a haste behind it, which risk would ask about.
    expect(codes(await propose(await t.cast(), made, made.close()))).toEqual(['approved']);
  });

  it('may be presented again when its approval lapsed, and not when it was paid and voided', async () => {
    const made = hotel();
    const cast = await t.cast();
    const first = await propose(cast, made);
    await eventually(
      () => t.execution(first.body.execution_ref),
      ({ stage }) => stage === 'lapsed',
    );
    const second = await propose(cast, made);
    expect(codes(second)).toEqual(['approved']);
    const paid = (await t.pay(second.body)).body;
    expect((await t.operate('void', paid)).status).toBe(200);
    expect(codes(await propose(cast, made))).toEqual(['deny', 'invalid_mandate', 'already_used']);
  });

  it('is denied for another amount, unsigned, open, or by a key that nobody trusts', async () => {
    const cast = await t.cast();
    const made = hotel();
    expect(codes(await propose(cast, made, made.token, { amount: 119 }))).toEqual([
      'deny',
      'invalid_mandate',
      'binding_mismatch',
    ]);
    const untrusted = await t.propose(cast, {
      mandate: made.mandate(made.token),
      verification: { ...made.verification, keys: [newKey().jwk] },
    });
    expect(codes(untrusted)).toEqual(expect.arrayContaining(['deny', 'invalid_mandate']));
    const plain = { vct: 'mandate.payment.1', transaction_id: 'x', payee: HOTEL };
    const unsigned = await t.propose(cast, {
      mandate: {
        ...plain,
        payment_amount: { amount: 12_000, currency: 'EUR' },
        payment_instrument: { id: 'p', type: 'card' },
      },
    });
    expect(codes(unsigned)).toEqual(['deny', 'invalid_mandate', 'unsigned']);
    const open = await propose(cast, made, made.root);
    expect(codes(open)).toEqual(expect.arrayContaining(['deny', 'invalid_mandate', 'unexpected_kind']));
    const broken = await t.propose(cast, { mandate: plain });
    expect([broken.status, broken.body.code]).toEqual([422, 'invalid_mandate']);
    // The control: what was refused for other reasons is still good.
    expect(codes(await propose(await t.cast(), made))).toEqual(['approved']);
  });

  it('of v0.1 is taken with its cart, once', async () => {
    const cast = await t.cast();
    const made = legacyNow('mrc_hotel');
    const wish = { mandate: made.mandate, verification: made.verification };
    expect(codes(await t.propose(cast, wish))).toEqual(['approved']);
    expect(codes(await t.propose(cast, { ...wish, mandate: { ...made.mandate, more: 1 } }))).toEqual([
      'deny',
      'invalid_mandate',
      'already_used',
    ]);
    const { [CART]: _, ...alone } = legacyNow('mrc_hotel').mandate;
    expect(codes(await t.propose(cast, { ...wish, mandate: alone }))).toContain('binding_missing');
  });

  it('is counted exactly in a storm of assessments, approvals, payments, voids and captures', async () => {
    const made = hotel({
      constraints: [
        { type: 'payment.amount_range', currency: 'EUR', max: 12_000 },
        { type: 'payment.budget', currency: 'EUR', max: 1_000 },
        { type: 'payment.agent_recurrence', frequency: 'ON_DEMAND', max_occurrences: 6 },
      ],
    });
    const casts = await Promise.all(Array.from({ length: 4 }, () => t.cast()));
    const tokens = Array.from({ length: 12 }, () => made.close());
    let approvals = 0;
    await Promise.all(
      Array.from({ length: 36 }, async (_, i) => {
        const token = tokens[i % tokens.length]!;
        if (i % 3 === 0) {
          const body = { mandate: made.mandate(token), verification: made.verification };
          return void (await t.api('POST', '/v1/assess', body));
        }
        const decided = await propose(casts[i % 4]!, made, token);
        if (decided.body.decision !== 'approved') return;
        approvals += 1;
        if (i % 4 === 0) return;
        const paid = (await t.pay(decided.body)).body;
        if (i % 4 === 1) await t.operate('void', paid);
        if (i % 4 === 2) await t.operate('capture', paid, { amount: 50 });
      }),
    );
    expect(approvals).toBeGreaterThan(0);
    const uses = (await mandates()).flatMap(({ uses }) => uses).filter(({ open }) => open);
    expect(Math.max(...uses.map(({ occurrences }) => occurrences))).toBeLessThanOrEqual(6);
    // What is spent is what is held: the invariants that follow every journey.
  });

  it('is denied after a challenge that took longer than it is good for', async () => {
    const cast = await t.cast();
    const made = hotel({ open: { exp: Math.floor(Date.now() / 1000) - 299 } });
    const challenged = await propose(cast, made, made.token, { delegation_id: cast.cautious });
    expect(challenged.body.decision).toBe('challenge');
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const answered = await t.api<{ decision: string; reasons: { code: string }[] }>(
      'POST',
      '/v1/execution/challenge/respond',
      { challenge_id: challenged.body.challenge!.challenge_id, method: 'totp', response: { code: cast.code() } },
    );
    expect(answered.body).toMatchObject({
      decision: 'deny',
      reasons: [{ code: 'invalid_mandate' }, { code: 'expired' }],
    });
  });
});
