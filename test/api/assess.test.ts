import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { toTypeId } from '../../src/domain/ids.ts';
import { canonicalJson, sha256Hex } from '../../src/trust/canonical.ts';
import { readJwk } from '../../src/trust/public-key.ts';
import { verifyVerdict } from '../../src/verify/index.ts';
import { cnf, newKey, type TestKey } from '../trust/mandates/build.ts';
import { paymentNow, type Wanted } from '../trust/mandates/now.ts';
import { startTestApi, type Answer, type TestApi } from './setup.ts';

let t: TestApi;
let agent: string;
let principal: string;
let signer: TestKey;

beforeAll(async () => {
  t = await startTestApi();
  const made = await t.api('POST', '/v1/identities/principals', {
    external_ref: 'acme',
    type: 'organization',
    name: 'Acme',
  });
  principal = made.body.principal_id;
});
// A new one for each test: what was assessed before is part of the risk.
beforeEach(async () => {
  signer = newKey();
  agent = await newAgent({ keys: [{ jwk: signer.jwk }] });
});
afterAll(() => t.close());

const signedNow = (wanted: Wanted = {}) => paymentNow({ agent: signer, ...wanted });

async function newAgent(more: object = {}): Promise<string> {
  const answer = await t.api('POST', '/v1/agents', { name: 'buyer', principal_id: principal, ...more });
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status: 201 });
  return answer.body.data.id;
}

const plain = (more: object = {}) => ({
  vct: 'mandate.payment.1',
  transaction_id: randomUUID(),
  payee: { id: 'mrc_shop', name: 'Shop' },
  payment_amount: { amount: 12_050, currency: 'EUR' },
  payment_instrument: { id: 'pi_1', type: 'card' },
  ...more,
});
const assess = (mandate: object, more: object = {}, headers: Record<string, string> = {}) =>
  t.api('POST', '/v1/assess', { mandate, ...more }, headers);
const verdict = ({ status, body }: Answer) => [
  status,
  body.decision,
  ...body.outcome.rejection_reasons.map(({ key }: { key: string }) => key),
];

describe('a plain mandate of a registered agent', () => {
  it('is approved, with the whole outcome', async () => {
    const mandate = plain({ unknown_member: { kept: true } });
    const { status, body } = await assess(mandate, { agent_id: agent, idempotency_key: 'mine' });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      decision: 'approve',
      idempotency_key: 'mine',
      outcome: {
        object: 'assessment',
        id: body.assessmentId,
        livemode: false,
        kind: 'ap2_payment',
        outcome: { decision: 'approve', risk_level: 'normal', reason: 'approved', policy_version: null },
        confidences: { agent_identity: 0.75, mandate_validity: 0.5, policy_adherence: 1 },
        rejection_reasons: [],
        audit: { status: 'pending' },
        refinement: null,
        agent: { id: toTypeId('agt', agent), trust_score: 50, risk_tier: 'new' },
        risk_payload: { jws: body.riskPayloadJws, alg: 'EdDSA', verify_url: 'http://api.test/.well-known/jwks.json' },
      },
    });
    expect(body.mandate).toEqual({ ...mandate, risk_data: expect.objectContaining({ fidacy: expect.any(Object) }) });
    const jwks = (await t.api('GET', '/.well-known/jwks.json')).body;
    const expected = {
      subject: body.assessmentId,
      decision: 'approve',
      score: body.score,
      mandate_hash: sha256Hex(canonicalJson(mandate)),
    };
    const offline = { jws: body.riskPayloadJws, jwks, issuer: 'did:web:api.test' };
    expect(await verifyVerdict({ ...offline, expected })).toMatchObject({ valid: true });
    expect(await verifyVerdict({ ...offline, expected: { ...expected, decision: 'deny' } })).toMatchObject({
      code: 'payload_mismatch',
    });
  });

  it('is assessed once: the same content in another order is the same assessment', async () => {
    const mandate = plain();
    const first = await assess(mandate, { agent_id: agent });
    const reordered = Object.fromEntries(Object.entries(mandate).toReversed());
    const before = await t.rowCounts();
    const again = await assess(reordered, { agent_id: agent });
    expect(again.body.outcome).toEqual(first.body.outcome);
    expect(again.body.mandateId).toBe(first.body.mandateId);
    expect(await t.rowCounts()).toEqual(before);
    const other = await assess({ ...mandate, payment_instrument: { id: 'pi_2', type: 'card' } }, { agent_id: agent });
    expect(other.body.assessmentId).not.toBe(first.body.assessmentId);
  });

  it('is another question as another kind, and is not answered with what was said before', async () => {
    const made = signedNow();
    // Whoever asks about a chain as `custom` has nothing of it verified.
    const forged = { token: made.token.replace(/~[^~]*$/, '~'), to: 'mrc_shop' };
    expect((await assess(forged, { kind: 'custom', agent_id: agent })).body.decision).toBe('approve');
    const before = await t.rowCounts();
    const { status, body } = await assess(forged, { agent_id: agent });
    expect([status, body.code, body.errors]).toEqual([
      409,
      'idempotency_conflict',
      [expect.objectContaining({ path: 'kind' })],
    ]);
    expect(await t.rowCounts()).toEqual(before);
  });

  it('is assessed once, also when fifty ask at the same moment', async () => {
    const mandate = plain();
    const before = await t.rowCounts();
    const answers = await Promise.all(Array.from({ length: 50 }, () => assess(mandate, { agent_id: agent })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map(({ body }) => body.assessmentId)).size).toBe(1);
    expect(new Set(answers.map(({ body }) => body.riskPayloadJws)).size).toBe(1);
    expect(new Set(answers.map(({ body }) => JSON.stringify(body.outcome))).size).toBe(1);
    const after = await t.rowCounts();
    const grown = ['assessments', 'mandates', 'audit_entries', 'events'].map((name) => after[name]! - before[name]!);
    expect(grown).toEqual([1, 1, 1, 1]);
  });

  it('reads the same later, from the record', async () => {
    const first = await assess(plain(), { agent_id: agent, a2a: { task_id: 't-1' } });
    const { status, body } = await t.api('GET', `/v1/assessments/${first.body.assessmentId}`);
    expect(status).toBe(200);
    expect(body).toEqual({ ...first.body.outcome, mandate_id: first.body.mandateId, a2a: { task_id: 't-1' } });
    const mandate = await t.api('GET', `/v1/mandates/${first.body.mandateId}`);
    expect(mandate.body).toMatchObject({
      type: 'mandate.payment.1',
      signed: false,
      amount_minor: 12_050,
      merchant_ref: 'mrc_shop',
      assessment_id: first.body.assessmentId,
      uses: [],
    });
  });

  it('is told by events and by the audit trail, in the same commit', async () => {
    const { body } = await assess(plain(), { agent_id: agent });
    const { rows } = await t.database.pool.query('SELECT type FROM events WHERE subject = $1', [body.assessmentId]);
    expect(rows).toEqual([{ type: 'assessment.completed' }]);
    const entry = await t.database.pool.query('SELECT seq, id FROM audit_entries WHERE subject = $1', [
      body.assessmentId,
    ]);
    expect(body.outcome.audit).toMatchObject({
      sequence: entry.rows[0].seq,
      entry_id: toTypeId('ae', entry.rows[0].id),
    });
  });
});

describe('who the agent is', () => {
  it('is found by the key that the mandate is bound to, by its DID, and by what the mandate names', async () => {
    const key = newKey('EdDSA');
    const did = `did:web:agents.example:${randomUUID()}`;
    const id = await newAgent({ keys: [{ jwk: key.jwk }], did });
    const { thumbprint } = await readJwk(key.jwk);
    const ways = [cnf(key), { cnf: { jkt: thumbprint } }, { kid: thumbprint }, { agent_did: did }, { agent: { did } }];
    for (const way of [...ways, { agent_id: id }, { agent: toTypeId('agt', id) }]) {
      const { body } = await assess(plain(way));
      expect([way, body.outcome.agent?.id, body.decision]).toEqual([way, toTypeId('agt', id), 'approve']);
    }
  });

  it('is worth what stands behind it', async () => {
    const identity = async (mandate: object, more: object = {}) =>
      (await assess(mandate, more)).body.outcome.confidences.agent_identity;
    expect(await identity(plain({ agent_id: agent }))).toBe(0.5);
    expect(await identity(plain(), { agent_id: agent })).toBe(0.75);
    const made = signedNow();
    expect(await identity(made.mandate(made.token), { verification: made.verification })).toBe(1);
    // Its key is named, and did not sign what holds.
    expect(await identity(made.mandate(made.close()))).toBe(0.5);
  });

  it('is self-asserted with a key that nobody registered, and earns no trust', async () => {
    const { body } = await assess(plain(cnf(newKey())));
    expect(body.outcome).toMatchObject({ agent: null, confidences: { agent_identity: 0 } });
    expect([body.decision, body.outcome.rejection_reasons[0].key]).toEqual(['review', 'agent_unregistered']);
    // Naming an agent beside it does not help.
    const named = await assess(plain({ ...cnf(newKey()), agent_id: agent }));
    expect([named.body.decision, named.body.outcome.agent]).toEqual(['review', null]);
  });

  it('is nobody in a mandate that names none', async () => {
    const answer = await assess(plain());
    expect(verdict(answer)).toEqual([200, 'review', 'agent_unregistered', 'risk_elevated']);
    const { rows } = await t.database.pool.query('SELECT type FROM events WHERE subject = $1 ORDER BY type', [
      answer.body.assessmentId,
    ]);
    expect(rows.map(({ type }: { type: string }) => type)).toEqual(['assessment.completed', 'assessment.flagged']);
  });

  it('is denied when it is unknown, suspended, frozen, has no key any more, or is two agents', async () => {
    const unknown = await assess(plain(), { agent_id: toTypeId('agt', randomUUID()) });
    expect(verdict(unknown).slice(0, 4)).toEqual([200, 'deny', 'invalid_scope', 'agent_unknown']);
    const suspended = await newAgent();
    await t.database.pool.query(`UPDATE agents SET status = 'suspended' WHERE id = $1`, [suspended]);
    expect(verdict(await assess(plain(), { agent_id: suspended }))).toContain('agent_inactive');
    const frozen = await newAgent();
    await t.api('POST', '/v1/identities/freeze', { agent_id: toTypeId('agt', frozen), reason: 'test' });
    expect(verdict(await assess(plain(), { agent_id: frozen }))).toEqual([200, 'deny', 'frozen']);
    const key = newKey('EdDSA');
    const keyed = await newAgent({ keys: [{ jwk: key.jwk }] });
    const { body: keys } = await t.api('GET', `/v1/agents/${keyed}/keys`);
    await t.api('POST', `/v1/agents/${keyed}/keys/${keys.data[0].key_id}/revoke`, { reason: 'lost' });
    expect(verdict(await assess(plain(cnf(key))))).toContain('key_revoked');
    const two = await assess(plain(cnf(signer)), { agent_id: await newAgent() });
    expect(verdict(two)).toContain('agent_mismatch');
    const denied = await t.api('GET', '/v1/assessments?status=deny');
    const levels = denied.body.data.map((one: { outcome: { risk_level: string } }) => one.outcome.risk_level);
    expect(new Set(levels)).toEqual(new Set(['highest']));
  });

  it('is held to its delegations once it has had one, also after the last was revoked', async () => {
    const bound = await newAgent();
    const delegate = (scope: object) =>
      t.api('POST', '/v1/identities/delegations', {
        principal_id: principal,
        agent_id: toTypeId('agt', bound),
        scope,
        ttl_seconds: 3600,
      });
    const { body } = await delegate({ actions: ['payment.*'], max_amount: { amount: 200, currency: 'EUR' } });
    const id: string = body.delegation_id;
    expect(id).toBeDefined();
    expect((await assess(plain(), { agent_id: bound })).body.decision).toBe('approve');
    const tooMuch = plain({ payment_amount: { amount: 20_001, currency: 'EUR' } });
    expect(verdict(await assess(tooMuch, { agent_id: bound }))).toContain('invalid_scope');
    await t.api('POST', '/v1/identities/revoke', { delegation_id: id, reason: 'over' });
    expect(verdict(await assess(plain(), { agent_id: bound }))).toContain('no_delegation');
  });
});

describe('a signed chain', () => {
  it('is approved, and what it uses up is booked', async () => {
    const made = signedNow();
    const { body } = await assess(made.mandate(made.token), { verification: made.verification });
    expect([body.decision, body.outcome.rejection_reasons]).toEqual(['approve', []]);
    expect(body.outcome.agent.id).toBe(toTypeId('agt', agent));
    expect(body.outcome.confidences).toMatchObject({ agent_identity: 1, mandate_validity: 1 });
    // The token is as it was, and the verdict travels beside it.
    expect(body.mandate).toEqual(made.mandate(made.token));
    expect(body.risk_data.fidacy.vc_jws).toBe(body.riskPayloadJws);
    const mandate = await t.api('GET', `/v1/mandates/${body.mandateId}`);
    expect(mandate.body.uses).toMatchObject([
      { open: true, limit_minor: 20_000, spent_minor: 1000, occurrences: 1 },
      { open: false, assessment_id: body.assessmentId },
    ]);
  });

  it('is consumed once: another wrapping of the same token is a replay', async () => {
    const made = signedNow();
    const wraps = [
      made.mandate(made.token),
      { ...made.mandate(made.token), note: 'again' },
      {
        'ap2.mandates.PaymentMandateSdJwt': made.token,
        'ap2.mandates.CheckoutMandateSdJwt': made.mandate('').checkout_mandate,
      },
    ];
    const answers = await Promise.all(wraps.map((mandate) => assess(mandate, { verification: made.verification })));
    const approvals = answers.filter(({ body }) => body.decision === 'approve');
    expect(approvals).toHaveLength(1);
    const denied = answers.find(({ body }) => body.decision === 'deny')!;
    expect(verdict(denied)).toEqual([200, 'deny', 'invalid_mandate', 'already_used']);
  });

  it('is denied with the reason by name, whatever is wrong', async () => {
    const made = signedNow();
    const { token, verification } = made;
    const cases: [string, object, object][] = [
      ['unknown_key', made.mandate(token), { ...verification, keys: [] }],
      ['invalid_signature', made.mandate(token), { ...verification, keys: [newKey('ES256', 'user-1').jwk] }],
      ['wrong_audience', made.mandate(made.close()), { ...verification, aud: 'another' }],
      ['wrong_nonce', made.mandate(made.close()), { ...verification, nonce: 'another' }],
      ['expired', made.mandate(made.close({}, { exp: 1 })), verification],
      [
        'constraint_violated:payment.amount_range',
        made.mandate(made.close({ payment_amount: { amount: 20_001, currency: 'USD' } })),
        verification,
      ],
      ['binding_mismatch', made.mandate(made.close({ transaction_id: 'other' })), verification],
      ['binding_missing', { token: made.close() }, { keys: verification.keys }],
    ];
    for (const [code, mandate, more] of cases) {
      const answer = await assess({ ...mandate, case: code }, { verification: more });
      expect([code, ...verdict(answer)]).toEqual(expect.arrayContaining([code, 200, 'deny', 'invalid_mandate']));
      expect(verdict(answer)).toContain(code);
    }
    const unknown = signedNow({ constraints: [{ type: 'payment.moon_phase', phase: 'full' }] });
    const answer = await assess(unknown.mandate(unknown.token), { verification: unknown.verification });
    expect(verdict(answer)).toContain('unknown_constraint');
    expect(
      answer.body.outcome.rejection_reasons.map((one: { description: string }) => one.description).join(),
    ).toContain('payment.moon_phase');
  });

  it('spends the budget of its open mandate, and no more, also when ten ask at once', async () => {
    const made = signedNow({
      amount: 1000,
      constraints: [
        { type: 'payment.amount_range', currency: 'USD', max: 1000 },
        { type: 'payment.budget', currency: 'USD', max: 35 },
        { type: 'payment.agent_recurrence', frequency: 'ON_DEMAND', max_occurrences: 100 },
      ],
    });
    const tokens = Array.from({ length: 10 }, () => made.close());
    const answers = await Promise.all(
      tokens.map((token) => assess(made.mandate(token), { verification: made.verification })),
    );
    const approved = answers.filter(({ body }) => body.decision === 'approve');
    expect(approved).toHaveLength(3);
    for (const answer of answers.filter(({ body }) => body.decision !== 'approve')) {
      expect(verdict(answer)).toContain('constraint_violated:payment.budget');
    }
    const { body } = await t.api('GET', `/v1/mandates/${approved[0]!.body.mandateId}`);
    expect(body.uses[0]).toMatchObject({ open: true, limit_minor: 3500, spent_minor: 3000, occurrences: 3 });
    const exposure = await t.api('GET', `/v1/identities/exposure?agent_id=${toTypeId('agt', agent)}`);
    const usd = exposure.body.agents[0].liabilities.find((one: { currency: string }) => one.currency === 'USD');
    expect(usd.mandates.amount_minor).toBeGreaterThanOrEqual(500);
  });

  it('is used once a day when it says so, also when five ask at once', async () => {
    const made = signedNow({
      constraints: [
        { type: 'payment.amount_range', currency: 'USD', max: 1000 },
        { type: 'payment.budget', currency: 'USD', max: 1000 },
        { type: 'payment.agent_recurrence', frequency: 'DAILY' },
      ],
    });
    const tokens = Array.from({ length: 5 }, () => made.close());
    const answers = await Promise.all(
      tokens.map((token) => assess(made.mandate(token), { verification: made.verification })),
    );
    expect(answers.filter(({ body }) => body.decision === 'approve')).toHaveLength(1);
    for (const answer of answers.filter(({ body }) => body.decision !== 'approve')) {
      expect(verdict(answer)).toEqual([200, 'deny', 'invalid_mandate', 'constraint_violated:payment.agent_recurrence']);
    }
  });

  it('is noted as abuse when it is replayed', async () => {
    const { rows } = await t.database.pool.query(
      `SELECT body->>'code' AS code FROM audit_entries WHERE type = 'security.abuse' ORDER BY 1`,
    );
    expect(rows.map(({ code }: { code: string }) => code)).toEqual(
      expect.arrayContaining(['already_used', 'key_revoked', 'wrong_audience', 'wrong_nonce']),
    );
  });
});

describe('an open mandate by itself', () => {
  it('is assessed for the most that it lets be spent, and is told among what is open', async () => {
    const buyer = newKey();
    const id = await newAgent({ keys: [{ jwk: buyer.jwk }] });
    const made = signedNow({
      agent: buyer,
      constraints: [
        { type: 'payment.amount_range', currency: 'USD', max: 1000 },
        { type: 'payment.budget', currency: 'USD', max: 70 },
        { type: 'payment.agent_recurrence', frequency: 'MONTHLY', max_occurrences: 12 },
      ],
    });
    const { body } = await assess(
      { token: made.root },
      { verification: { keys: made.verification.keys }, agent_id: id },
    );
    expect([body.decision, body.outcome.rejection_reasons]).toEqual(['approve', []]);
    const exposure = async () => {
      const answer = await t.api('GET', `/v1/identities/exposure?agent_id=${toTypeId('agt', id)}`);
      return answer.body.agents[0].liabilities[0];
    };
    expect(await exposure()).toMatchObject({ currency: 'USD', mandates: { amount_minor: 7000 } });
    // A payment under it spends, and the next one of the month is too early.
    const first = await assess(made.mandate(made.token), { verification: made.verification });
    expect(verdict(first)).toEqual([200, 'approve']);
    expect(await exposure()).toMatchObject({ mandates: { amount_minor: 6000 } });
    const second = await assess(made.mandate(made.close()), { verification: made.verification });
    expect(verdict(second)).toContain('constraint_violated:payment.agent_recurrence');
  });
});

describe('mandates of v0.1', () => {
  const amount = { currency: 'USD', value: 120.5 };
  const contents = {
    id: 'cart-1',
    user_cart_confirmation_required: true,
    payment_request: { method_data: [], details: { id: 'o-1', total: { label: 'Total', amount } } },
    cart_expiry: '2100-01-01T00:00:00Z',
    merchant_name: 'Shop',
  };
  const intent = { natural_language_description: 'Red shoes', intent_expiry: '2100-01-01T00:00:00Z' };

  it('are read unsigned, bare or as A2A data, and carry the verdict', async () => {
    for (const mandate of [{ contents }, { 'ap2.mandates.CartMandate': { contents } }]) {
      const { status, body } = await assess(mandate, { agent_id: agent });
      expect([status, body.decision]).toEqual([200, 'approve']);
      expect(body.mandate.risk_data.fidacy.decision).toBe('approve');
      const { body: stored } = await t.api('GET', `/v1/mandates/${body.mandateId}`);
      expect(stored).toMatchObject({ type: 'ap2.mandates.CartMandate', amount_minor: 12_050, merchant_ref: 'Shop' });
    }
    expect((await assess(intent, { agent_id: agent })).body.decision).toBe('approve');
    const expired = await assess({ ...intent, intent_expiry: '2020-01-01T00:00:00Z' }, { agent_id: agent });
    expect(verdict(expired)).toContain('expired');
  });

  it('stay as they are when somebody signed them', async () => {
    const signed = { contents: { ...contents, id: 'cart-2' }, merchant_authorization: 'a.b.c' };
    const { status, body } = await assess(signed, { agent_id: agent });
    expect([status, body.code]).toEqual([422, 'invalid_mandate']);
  });
});

describe('a denial', () => {
  it('says what is missing in members of the request, and whoever brings it is approved', async () => {
    await t.api('POST', '/v1/policies', { name: 'where', rules: { geo: { allow: ['EU'] } }, activate: true });
    const mandate = plain();
    const { body } = await assess(mandate, { agent_id: agent });
    const step = { action: 'missing_evidence', evidence: ['mandate.country'] };
    expect([body.decision, body.next_step]).toEqual(['deny', step]);
    const followed = await assess({ ...mandate, country: 'DE' }, { agent_id: agent });
    expect(followed.body.decision).toBe('approve');
    await t.api('POST', '/v1/policies', { name: 'none', rules: {}, activate: true });
  });
});

describe('the other kinds', () => {
  it.each(['message_send', 'voice_call', 'claim_document', 'custom'])('%s is an action of its own', async (kind) => {
    const answer = await assess({ to: '+49301234', text: randomUUID() }, { kind, agent_id: agent });
    expect(verdict(answer)).toEqual([200, 'approve']);
    expect(answer.body.outcome.kind).toBe(kind);
    expect(answer.body.mandate.risk_data).toBeDefined();
  });

  it('are judged by the policy, whose limits of money say nothing about them', async () => {
    const policy = await t.api('POST', '/v1/policies', {
      name: 'eur',
      rules: { max_amount: 20_000, currencies: ['EUR'], velocity: { window: '1h', max: 3 } },
      activate: true,
    });
    expect(policy.status).toBe(201);
    const quick = await newAgent();
    for (let i = 0; i < 3; i++) {
      const answer = await assess({ to: 'a', i }, { kind: 'message_send', agent_id: quick });
      expect(verdict(answer)).toEqual([200, 'approve']);
      expect(answer.body.outcome.outcome.policy_version).toBe(1);
    }
    const fourth = await assess({ to: 'a', i: 3 }, { kind: 'message_send', agent_id: quick });
    expect(verdict(fourth)).toContain('policy_denied');
    const dear = await assess(plain({ payment_amount: { amount: 20_001, currency: 'EUR' } }), {
      agent_id: await newAgent(),
    });
    expect(verdict(dear)).toEqual([200, 'deny', 'policy_denied']);
    await t.api('POST', '/v1/policies', { name: 'none', rules: {}, activate: true });
  });
});

describe('what was assessed before', () => {
  it('is what risk is scored by: amounts, merchants, how much in an hour; but not what was only claimed', async () => {
    const signals = async (id: string, amount: number, more: object = { agent_id: id }) => {
      const mandate = plain({
        payment_amount: { amount, currency: 'EUR' },
        ...('claimed' in more ? { agent_id: id } : {}),
      });
      const { body } = await assess(mandate, 'claimed' in more ? {} : more);
      return body.outcome.signals.map(({ type }: { type: string }) => type);
    };
    const [known, claimed] = [await newAgent(), await newAgent()];
    const first = await signals(known, 100);
    expect(first).toEqual(expect.arrayContaining(['amount_without_history', 'merchant_new']));
    for (let i = 0; i < 3; i++) {
      await signals(known, 100);
      await signals(claimed, 100, { claimed: true });
    }
    const later = await signals(known, 5_000);
    expect(later).toContain('amount_unusual');
    expect(later).not.toContain('merchant_new');
    expect(await signals(claimed, 5_000)).toEqual(expect.arrayContaining(['amount_without_history', 'merchant_new']));
  });
});

describe('lists', () => {
  it('filter and page', async () => {
    const lister = await newAgent();
    const ids: string[] = [];
    for (let i = 0; i < 3; i++) ids.unshift((await assess(plain(), { agent_id: lister })).body.assessmentId);
    await assess({ to: 'x' + randomUUID() }, { kind: 'voice_call', agent_id: lister });
    const at = toTypeId('agt', lister);
    const page = await t.api('GET', `/v1/assessments?agent=${at}&kind=ap2_payment&limit=2`);
    expect(page.body.data.map(({ id }: { id: string }) => id)).toEqual(ids.slice(0, 2));
    const next = await t.api(
      'GET',
      `/v1/assessments?agent=${at}&kind=ap2_payment&limit=2&cursor=${page.body.next_cursor}`,
    );
    expect(next.body).toMatchObject({ data: [{ id: ids[2] }], next_cursor: null });
    const none = await t.api('GET', `/v1/assessments?agent=${at}&status=deny`);
    expect(none.body.data).toEqual([]);
    const future = new Date(Date.now() + 60_000).toISOString();
    expect((await t.api('GET', `/v1/assessments?agent=${at}&from=${future}`)).body.data).toEqual([]);
    expect((await t.api('GET', `/v1/assessments?agent=${at}&to=${future}`)).body.data).toHaveLength(4);
    expect((await t.api('GET', `/v1/mandates?agent=${at}&type=mandate.payment.1`)).body.data).toHaveLength(3);
    expect((await t.api('GET', `/v1/assessments?status=maybe`)).status).toBe(400);
  });
});

describe('what cannot be read', () => {
  it.each<[string, object, number, string, string]>([
    ['no mandate', {}, 400, 'invalid_request', 'mandate'],
    ['a mandate that is no object', { mandate: 'text' }, 400, 'invalid_request', 'mandate'],
    ['an unknown kind', { mandate: {}, kind: 'fax_send' }, 400, 'invalid_request', 'kind'],
    ['an unknown type', { mandate: { vct: 'mandate.payment.2' } }, 400, 'invalid_request', 'mandate.vct'],
    ['no type at all', { mandate: { amount: 5 } }, 400, 'invalid_request', 'mandate'],
    ['an unknown mandateType', { mandate: plain(), mandateType: 'x' }, 400, 'invalid_request', 'mandateType'],
    [
      'another mandateType',
      { mandate: plain(), mandateType: 'mandate.checkout.1' },
      400,
      'invalid_request',
      'mandateType',
    ],
    ['an unknown member', { mandate: plain(), amount: 5 }, 400, 'invalid_request', 'amount'],
    ['a payment without payee', { mandate: plain({ payee: undefined }) }, 422, 'invalid_mandate', 'mandate.payee'],
    [
      'an amount that is none',
      { mandate: plain({ payment_amount: { amount: 1.5, currency: 'EUR' } }) },
      422,
      'invalid_mandate',
      'mandate.payment_amount',
    ],
    [
      'a currency that is none',
      { mandate: plain({ payment_amount: { amount: 1, currency: 'XYZ' } }) },
      422,
      'invalid_mandate',
      'mandate.payment_amount',
    ],
    ['a token that is none', { mandate: { token: 'abc' } }, 422, 'invalid_mandate', 'mandate.token'],
    ['an empty action', { mandate: {}, kind: 'custom' }, 422, 'invalid_mandate', 'mandate'],
    [
      'a key that is none',
      { mandate: plain(), verification: { keys: [5] } },
      400,
      'invalid_request',
      'verification.keys.0',
    ],
  ])('%s is refused, and changes nothing', async (_, body, status, code, path) => {
    const before = await t.rowCounts();
    const answer = await t.api('POST', '/v1/assess', body);
    expect([answer.status, answer.body.code, answer.body.errors[0].path]).toEqual([status, code, path]);
    expect(await t.rowCounts()).toEqual(before);
  });

  it('needs a credential with the scope, and finds nothing of another organization', async () => {
    const reader = await t.keyWith(['assess:read']);
    expect((await assess(plain(), {}, { authorization: `Bearer ${reader}` })).status).toBe(403);
    expect((await assess(plain(), {}, { authorization: '' })).status).toBe(401);
    const mandate = plain();
    const mine = await assess(mandate, { agent_id: agent });
    const { key } = await t.stranger();
    const theirs = { authorization: `Bearer ${key}` };
    for (const path of [`assessments/${mine.body.assessmentId}`, `mandates/${mine.body.mandateId}`]) {
      expect((await t.api('GET', `/v1/${path}`, undefined, theirs)).status).toBe(404);
    }
    const other = await assess(mandate, {}, theirs);
    expect([other.status, other.body.assessmentId === mine.body.assessmentId]).toEqual([200, false]);
  });
});
