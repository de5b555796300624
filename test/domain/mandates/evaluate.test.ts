import { describe, expect, it } from 'vitest';
import { chargeOf, evaluateCheckout, evaluatePayment, inspectOpen } from '../../../src/domain/mandates/evaluate.ts';
import { keeps, sameMerchant } from '../../../src/domain/mandates/matching.ts';
import type { PaymentContext } from '../../../src/domain/mandates/payment-constraints.ts';
import type { Json, OpenMandate, PaymentMandate, Usage } from '../../../src/domain/mandates/types.ts';

const SHOP = { id: 'm-1', name: 'Shop', website: 'https://shop.example' };
const PISP = { legal_name: 'Pay Ltd', brand_name: 'Pay', domain_name: 'pay.example' };
const payment: PaymentMandate = {
  vct: 'mandate.payment.1',
  transaction_id: 't',
  payee: SHOP,
  payment_amount: { amount: 1000, currency: 'USD' },
  payment_instrument: { id: 'pi-1', type: 'card' },
};
const NOW = Date.parse('2026-06-15T12:00:00Z') / 1000;
const REFERENCE = { type: 'payment.reference', conditional_transaction_id: 'open-checkout' };

const open = (...constraints: Json[]): OpenMandate => ({ constraints: [...constraints, REFERENCE], cnf: {} });
const failures = (mandate: OpenMandate, paid: Json = {}, context: Partial<PaymentContext> = {}): string[] =>
  evaluatePayment(
    mandate,
    { ...payment, ...paid },
    {
      now: NOW,
      openCheckoutHashes: ['open-checkout'],
      ...context,
    },
  )
    .filter(({ ok }) => !ok)
    .map(({ code }) => code);
const met = (constraint: Json, paid: Json = {}, context: Partial<PaymentContext> = {}): boolean => {
  const found = failures(open(constraint), paid, context);
  expect(found.filter((code) => code !== `constraint_violated:${constraint['type'] as string}`)).toEqual([]);
  return found.length === 0;
};
const paying = (amount: number, currency = 'USD') => ({ payment_amount: { amount, currency } });

describe('payment.amount_range', () => {
  const range = { type: 'payment.amount_range', currency: 'USD', min: 500, max: 1000 };

  it('includes its bounds, in minor units of its currency', () => {
    expect(met(range, paying(1000)) && met(range, paying(500))).toBe(true);
    expect(met(range, paying(1001)) || met(range, paying(499))).toBe(false);
    expect(met(range, paying(700, 'EUR'))).toBe(false);
    expect(met({ ...range, min: undefined }, paying(0))).toBe(true);
  });

  it.each([{ max: undefined }, { max: 10.5 }, { max: '1000' }, { min: -1 }, { currency: undefined }, { min: null }])(
    'that cannot be read allows nothing: %j',
    (changed) => expect(met({ ...range, ...changed }, paying(700))).toBe(false),
  );
});

describe('lists of what is allowed', () => {
  it('match merchants by id where both have one, otherwise by name and website', () => {
    expect(sameMerchant(SHOP, { id: 'm-1', name: 'Other' })).toBe(true);
    expect(sameMerchant(SHOP, { ...SHOP, id: 'm-2' })).toBe(false);
    const nameless = { name: 'Shop', website: 'https://shop.example' };
    expect(sameMerchant(SHOP, nameless)).toBe(true);
    expect(sameMerchant({ ...SHOP, id: '' }, nameless)).toBe(true);
    expect(sameMerchant({ name: 'Shop' }, { name: 'Shop' })).toBe(false);
    expect(sameMerchant(SHOP, undefined)).toBe(false);
  });

  it('hold the payee, the instrument and the provider of the payment', () => {
    const payees = (...allowed: Json[]) => ({ type: 'payment.allowed_payees', allowed });
    expect(met(payees({ id: 'm-9', name: 'x' }, SHOP))).toBe(true);
    expect(met(payees({ id: 'm-9', name: 'Shop' })) || met(payees())).toBe(false);
    const instruments = (...allowed: Json[]) => ({ type: 'payment.allowed_payment_instruments', allowed });
    expect(met(instruments({ id: 'pi-1', type: 'card', description: 'x' }))).toBe(true);
    expect(met(instruments({ id: 'pi-2', type: 'card' })) || met(instruments({ id: 'pi-1', type: 'upi' }))).toBe(false);
    const pisps = { type: 'payment.allowed_pisps', allowed: [PISP] };
    expect(met(pisps, { pisp: PISP })).toBe(true);
    expect(met(pisps) || met(pisps, { pisp: { ...PISP, domain_name: 'evil.example' } })).toBe(false);
    expect(met({ type: 'payment.allowed_payees' })).toBe(false);
  });
});

describe('payment.budget', () => {
  const budget = { type: 'payment.budget', max: 15, currency: 'USD' };
  const spent = (spentMinor: number): { usage: Usage } => ({ usage: { spentMinor, occurrences: 0 } });

  it('is in major units, and counts what was spent before', () => {
    expect(met(budget, {}, spent(500))).toBe(true);
    expect(met(budget, {}, spent(501))).toBe(false);
    expect(met({ ...budget, max: 10.01 }, paying(1001), spent(0))).toBe(true);
    expect(met({ ...budget, max: 1000, currency: 'JPY' }, paying(1001, 'JPY'), spent(0))).toBe(false);
  });

  it('allows nothing when it cannot be read or what was spent is not known', () => {
    expect(met(budget)).toBe(false);
    expect(met(budget, paying(100, 'EUR'), spent(0))).toBe(false);
    for (const max of [10.001, '15', undefined, -1, 1e300]) expect(met({ ...budget, max }, {}, spent(0))).toBe(false);
    expect(met({ ...budget, currency: 'usd' }, paying(100, 'usd'), spent(0))).toBe(false);
  });
});

describe('payment.agent_recurrence', () => {
  const range = { type: 'payment.amount_range', currency: 'USD', max: 1000 };
  const budget = { type: 'payment.budget', max: 100, currency: 'USD' };
  const monthly = { type: 'payment.agent_recurrence', frequency: 'MONTHLY', max_occurrences: 12 };
  const daysAgo = (days: number) => NOW - days * 86_400;
  const used = (occurrences: number, lastAt?: number) => ({ usage: { spentMinor: 0, occurrences, lastAt } });
  const code = 'constraint_violated:payment.agent_recurrence';

  it('needs an amount range and a budget beside it', () => {
    expect(failures(open(monthly), {}, used(0))).toEqual([
      'constraint_missing:payment.amount_range',
      'constraint_missing:payment.budget',
    ]);
  });

  it('counts how often and how lately the mandate was used', () => {
    const all = open(range, budget, monthly);
    expect(failures(all, {}, used(0))).toEqual([]);
    expect(failures(all, {}, used(11, daysAgo(31)))).toEqual([]);
    expect(failures(all, {}, used(12, daysAgo(31)))).toEqual([code]);
    expect(failures(all, {}, used(1, daysAgo(30)))).toEqual([code]);
    expect(failures(all, {}, used(1))).toEqual([code]);
    expect(failures(all)).toEqual(['constraint_violated:payment.budget', code]);
  });

  it('without a limit is limited by the budget alone', () => {
    const onDemand = { type: 'payment.agent_recurrence', frequency: 'ON_DEMAND' };
    expect(failures(open(range, budget, onDemand), {}, used(99, NOW))).toEqual([]);
    expect(failures(open(range, budget, { ...onDemand, frequency: 'OFTEN' }), {}, used(0))).toEqual([code]);
  });

  it('is what a second payment needs', () => {
    expect(failures(open(range), {}, used(0))).toEqual([]);
    expect(failures(open(range), {}, used(1, daysAgo(400)))).toEqual(['already_used']);
  });

  it('says what an approval uses up', () => {
    const mandate = open(range, budget, { ...budget, max: 50 }, monthly);
    expect(chargeOf(mandate, payment)).toEqual({
      amountMinor: 1000,
      currency: 'USD',
      budgetMinor: 5000,
      maxOccurrences: 12,
      frequency: 'MONTHLY',
    });
    expect(chargeOf(open(), payment)).toEqual({ amountMinor: 1000, currency: 'USD', maxOccurrences: 1 });
  });
});

describe('payment.execution_date', () => {
  const window = { type: 'payment.execution_date', not_before: '2026-06-01', not_after: '2026-06-30' };
  const on = (execution_date: string) => ({ execution_date });

  it('includes its bounds, a date being a whole day', () => {
    expect(met(window, on('2026-06-01')) && met(window, on('2026-06-30'))).toBe(true);
    expect(met(window, on('2026-06-30T23:59:59Z'))).toBe(true);
    expect(met(window, on('2026-05-31')) || met(window, on('2026-07-01T00:00:00Z'))).toBe(false);
    const moment = { ...window, not_before: '2026-06-15T12:00:00Z', not_after: '2026-06-15T12:00:00Z' };
    expect(met(moment)).toBe(true);
    expect(met(moment, on('2026-06-15'))).toBe(false);
  });

  it('takes a payment without a date as executed now', () => {
    expect(met(window)).toBe(true);
    expect(met(window, {}, { now: NOW + 30 * 86_400 }) || met(window, {}, { now: NOW - 30 * 86_400 })).toBe(false);
    expect(met({ type: 'payment.execution_date' }, {}, { now: 0 })).toBe(true);
  });

  it('allows nothing when a date cannot be read', () => {
    expect(met(window, on('soon')) || met({ ...window, not_after: 'later' })).toBe(false);
  });
});

describe('payment.reference', () => {
  it('is always required', () => {
    expect(failures({ constraints: [], cnf: {} })).toEqual(['constraint_missing:payment.reference']);
  });

  it('names an open checkout mandate behind the checkout', () => {
    expect(failures(open(), {}, { openCheckoutHashes: ['another', 'open-checkout'] })).toEqual([]);
    expect(failures(open(), {}, { openCheckoutHashes: ['another'] })).toEqual(['binding_mismatch']);
    expect(failures(open(), {}, { openCheckoutHashes: [] })).toEqual(['binding_mismatch']);
    expect(failures(open(), {}, { openCheckoutHashes: undefined })).toEqual(['binding_missing']);
    const empty = { constraints: [{ type: 'payment.reference', conditional_transaction_id: '' }], cnf: {} };
    expect(failures(empty, {}, { openCheckoutHashes: [''] })).toEqual(['constraint_violated:payment.reference']);
  });
});

describe('what an open mandate sets', () => {
  it('must be in the closed one, unchanged', () => {
    expect(failures({ ...open(), payee: SHOP, payment_amount: { amount: 1000, currency: 'USD' } })).toEqual([]);
    expect(failures({ ...open(), payment_amount: { amount: 1001, currency: 'USD' } })).toEqual(['preset_changed']);
    expect(failures({ ...open(), execution_date: '2026-06-15' })).toEqual(['preset_changed']);
    expect(failures({ ...open(), risk_data: { score: 1 } }, { risk_data: { score: 1, more: true } })).toEqual([]);
    expect(failures({ ...open(), risk_data: { score: 1 } })).toEqual(['preset_changed']);
  });

  it('may be a member that nobody knows, which the closed one need not repeat but may not contradict', () => {
    expect(failures({ ...open(), 'x-order': 'a', iat: 1, exp: 2 }, { iat: 3 })).toEqual([]);
    expect(failures({ ...open(), 'x-order': 'a' }, { 'x-order': 'b' })).toEqual(['preset_changed']);
  });

  it('is compared member by member', () => {
    expect(keeps({ a: [1, { b: null }] }, { a: [1, { b: null, c: 2 }] })).toBe(true);
    expect(keeps({ a: [1] }, { a: [1, 2] }) || keeps({ a: 1 }, {}) || keeps({}, [])).toBe(false);
    expect(keeps(JSON.parse('{"toString":1}'), {})).toBe(false);
  });
});

describe('constraints that nobody knows', () => {
  it.each(['payment.moon_phase', 'checkout.line_items', '', '__proto__', 'toString'])('such as "%s" fail', (type) => {
    expect(failures(open({ type }))).toEqual(['unknown_constraint']);
    expect(inspectOpen(open({ type }), 'payment').filter(({ ok }) => !ok)).toHaveLength(1);
  });
});

describe('a checkout', () => {
  const items = {
    type: 'checkout.line_items',
    items: [{ id: 'r', acceptable_items: [{ id: 'a', title: 'A' }], quantity: 1 }],
  };
  const merchants = { type: 'checkout.allowed_merchants', allowed: [SHOP] };
  const checkout = { merchant: SHOP, line_items: [{ id: 'l', item: { id: 'a' }, quantity: 1 }] };
  const codes = (constraints: Json[], found: Json = checkout) =>
    evaluateCheckout({ constraints, cnf: {} }, found)
      .filter(({ ok }) => !ok)
      .map(({ code }) => code);

  it('must be at an allowed merchant, with the items that were asked for', () => {
    expect(codes([items, merchants])).toEqual([]);
    expect(codes([items, merchants], { ...checkout, merchant: { id: 'm-2', name: 'Shop' } })).toEqual([
      'constraint_violated:checkout.allowed_merchants',
    ]);
    expect(codes([items, merchants], { line_items: checkout.line_items })).toEqual([
      'constraint_violated:checkout.allowed_merchants',
    ]);
    expect(codes([items, merchants], { merchant: SHOP })).toEqual(['constraint_violated:checkout.line_items']);
    expect(codes([items, { ...merchants, allowed: undefined }])).toEqual([
      'constraint_violated:checkout.allowed_merchants',
    ]);
  });

  it('needs line items that were authorized, and nothing unknown', () => {
    expect(codes([merchants])).toEqual(['constraint_missing:checkout.line_items']);
    expect(codes([items, { type: 'payment.budget' }])).toEqual(['unknown_constraint']);
  });
});
