import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { agentNames, findAgentOf } from '../../src/domain/assessments/agent.ts';
import { intentOf, UncountableMandate } from '../../src/domain/assessments/intent.ts';
import { riskLevelOf, verdictOf } from '../../src/domain/assessments/outcome.ts';
import { withPayee } from '../../src/domain/assessments/payee.ts';
import { withRiskData } from '../../src/domain/assessments/risk-data.ts';
import { toTypeId } from '../../src/domain/ids.ts';
import { openLimit } from '../../src/domain/mandates/limits.ts';
import { usageReasons, type MandateCharge, type MandateUse } from '../../src/domain/mandates/usage.ts';
import { NO_CURRENCY } from '../../src/domain/currency.ts';

const A = '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10';
const B = '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f11';
const agent = (id: string) => ({ id, principalId: null, delegated: false });
const key = (agentId: string, live = true) => ({ thumbprint: `t-${agentId}`, agentId, live });

describe('the agent of a mandate', () => {
  it('is read from what may name it, and from nothing else', () => {
    const did = 'did:web:a.example';
    expect(agentNames({ agent: { id: toTypeId('agt', A), did }, agent_id: A, sub: did, name: B })).toEqual({
      ids: [A],
      dids: [did],
    });
    expect(agentNames({ agent_id: 5, did: 'x', iss: 'https://a.example' })).toEqual({ ids: [], dids: [] });
  });

  it('is that of the key; a key of nobody makes every name worthless', () => {
    const both = { agents: [agent(A), agent(B)], keys: [key(A)] };
    expect(findAgentOf({ thumbprint: 'other', ...both })).toEqual({ byKey: false, identity: [] });
    expect(findAgentOf({ thumbprint: `t-${A}`, agents: [agent(A)], keys: [key(A)] })).toMatchObject({
      agent: { id: A },
      byKey: true,
      identity: [],
    });
    expect(findAgentOf({ thumbprint: `t-${A}`, ...both }).identity).toMatchObject([{ code: 'agent_mismatch' }]);
    expect(findAgentOf({ thumbprint: `t-${A}`, agents: [agent(A)], keys: [key(A, false)] }).identity).toMatchObject([
      { code: 'key_revoked' },
    ]);
    expect(findAgentOf({ agents: [agent(B)], keys: [] }).agent).toEqual(agent(B));
  });
});

describe('the intent of a mandate', () => {
  const checkout = { currency: 'EUR', merchant: { name: 'Shop' } };
  const line = { item: { price: 250 }, quantity: 2 };
  it.each<[string, Parameters<typeof intentOf>, object]>([
    [
      'the lines of a checkout',
      ['ap2_payment', 'mandate.checkout.1', {}, { ...checkout, line_items: [line, line] }],
      { amountMinor: 1000, currency: 'EUR', merchantRef: 'Shop', action: 'payment.authorize', channel: 'ap2' },
    ],
    [
      'the total of a checkout before its lines',
      [
        'ap2_payment',
        'mandate.checkout.1',
        {},
        { ...checkout, line_items: [line], totals: [{ type: 'total', amount: 700 }] },
      ],
      { amountMinor: 700 },
    ],
    [
      'an open mandate: its budget, in major units',
      [
        'ap2_payment',
        'mandate.payment.open.1',
        {
          constraints: [
            { type: 'payment.amount_range', max: 500, currency: 'EUR' },
            { type: 'payment.budget', max: 12.5, currency: 'EUR' },
            { type: 'payment.allowed_payees', allowed: [{ id: 'only' }] },
          ],
        },
      ],
      { amountMinor: 1250, merchantRef: 'only' },
    ],
    [
      'a message',
      ['message_send', 'message_send', { to: 'x' }],
      { amountMinor: 0, currency: NO_CURRENCY, merchantRef: 'x' },
    ],
    ['an action of its own', ['custom', 'custom', { action: 'file.delete' }], { action: 'file.delete' }],
    ['an action that is none', ['custom', 'custom', { action: 'DROP TABLE' }], { action: 'custom' }],
  ])('is read: %s', (_, asked, expected) => {
    expect(intentOf(...asked)).toMatchObject(expected);
  });

  it('is never counted wrongly: whatever the amount is, it is a whole number of minor units or refused', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom('EUR', 'JPY', 'XYZ'), (amount, currency) => {
        try {
          const intent = intentOf('custom', 'custom', { amount, currency });
          return intent.amountMinor === amount && Number.isSafeInteger(amount) && amount >= 0;
        } catch (error) {
          return error instanceof UncountableMandate;
        }
      }),
    );
  });
});

describe('the payee of a mandate, for screening', () => {
  it('is what the mandate says, before what the caller adds', () => {
    const context = { payee: { name: 'Other', account: 'DE1' } };
    const payee = { id: 'm-1', name: 'Shop', website: 'https://Shop.example:8443/x' };
    const expected = { payee: { name: 'Shop', account: 'DE1', domain: 'shop.example' } };
    expect(withPayee(context, { payee })).toEqual(expected);
    expect(withPayee(context, {}, { merchant: payee })).toEqual(expected);
    expect(withPayee(context, { payee: 'text' })).toEqual(context);
  });

  it.each([
    ['shop.example', 'shop.example'],
    ['https://good.example@evil.example/', 'evil.example'],
    ['//Evil.example:443', 'evil.example'],
    [' http://evil.example#x', 'evil.example'],
  ])('has the host of its website: %s', (website, domain) => {
    expect(withPayee({}, { payee: { website } })).toEqual({ payee: { domain } });
  });
});

describe('the verdict in a mandate', () => {
  const risk = { fidacy: { decision: 'deny' } };
  it('stands in it, beside what is there, where nobody signed', () => {
    const { mandate, injected } = withRiskData({ a: 1, risk_data: { device: 'x' } }, risk);
    expect([mandate, injected]).toEqual([{ a: 1, risk_data: { device: 'x', ...risk } }, true]);
    expect(withRiskData({ 'ap2.mandates.PaymentMandateSdJwt': 'x' }, risk).injected).toBe(true);
  });

  it.each(['token', 'proof', 'signature', 'merchant_authorization', 'user_authorization', 'jws'])(
    'stays out of what is signed by %s',
    (name) => {
      const mandate = { [name]: 'x' };
      expect(withRiskData(mandate, risk)).toEqual({ mandate, injected: false });
    },
  );

  it('is highest when it is denied', () => {
    expect(['approved', 'challenge', 'review', 'deny'].map((one) => verdictOf(one as 'approved'))).toEqual([
      'approve',
      'review',
      'review',
      'deny',
    ]);
    expect(riskLevelOf({ decision: 'deny', level: 'normal' })).toBe('highest');
    expect(riskLevelOf({ decision: 'review', level: 'elevated' })).toBe('elevated');
  });
});

describe('the use of open mandates', () => {
  const now = Date.UTC(2026, 10, 23) / 1000;
  const charge: MandateCharge = { mandate_key: 'k', amountMinor: 100, currency: 'EUR', budgetMinor: 300 };
  const use = (more: Partial<MandateUse>): MandateUse => ({
    spentMinor: 0,
    occurrences: 0,
    lastAt: null,
    assessmentId: null,
    executionId: null,
    ...more,
  });
  const codes = (more: Partial<MandateCharge>, before: Partial<MandateUse>) =>
    usageReasons([{ ...charge, ...more }], { k: use(before) }, now).map(({ code }) => code);

  it('fits exactly, and no more', () => {
    expect(usageReasons([charge], {}, now)).toEqual([]);
    expect(codes({}, { spentMinor: 200 })).toEqual([]);
    expect(codes({}, { spentMinor: 201 })).toEqual(['constraint_violated:payment.budget']);
    expect(codes({ maxOccurrences: 1 }, { occurrences: 1 })).toEqual(['already_used']);
    expect(codes({ maxOccurrences: 2, frequency: 'DAILY' }, { occurrences: 2 })).toEqual([
      'constraint_violated:payment.agent_recurrence',
    ]);
    expect(codes({ frequency: 'DAILY' }, { occurrences: 1, lastAt: now + 60 })).toEqual([
      'constraint_violated:payment.agent_recurrence',
    ]);
    expect(codes({ frequency: 'DAILY' }, { occurrences: 1, lastAt: now - 60 })).toEqual([]);
  });

  it('is at most the budget, else the largest amount as often as may be', () => {
    const range = { type: 'payment.amount_range', max: 500, currency: 'EUR' };
    const limit = (...constraints: object[]) => openLimit('k', { constraints }).limitMinor;
    expect(limit(range)).toBe(500);
    expect(limit(range, { type: 'payment.agent_recurrence', max_occurrences: 3 })).toBe(1500);
    expect(limit(range, { type: 'payment.budget', max: 9, currency: 'EUR' })).toBe(900);
    expect(limit()).toBeUndefined();
  });
});
