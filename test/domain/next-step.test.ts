import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DecisionContext, GatheredDelegation } from '../../src/domain/decision-context.ts';
import { nextStepAfter, nextStepOf, type NextStep } from '../../src/domain/next-step.ts';
import { judge } from '../../src/domain/pipeline.ts';
import type { PolicyRules } from '../../src/domain/policy.ts';
import type { Intent, Scope } from '../../src/domain/types.ts';

const NOW = Date.parse('2026-03-05T12:00:00Z');
const DAY = 86_400_000;
const intent: Intent = {
  action: 'payment.authorize',
  amountMinor: 50_000,
  currency: 'EUR',
  merchantRef: 'mrc_shop',
  channel: 'chatpay',
};

const delegationOf = (scope: Partial<Scope>, more: Partial<GatheredDelegation> = {}): GatheredDelegation => ({
  id: 'del',
  parentId: null,
  principalId: 'prn',
  agentId: 'agt',
  agentStatus: 'active',
  scope: { actions: ['*'], ...scope },
  status: 'active',
  notBeforeMs: null,
  expiresAtMs: NOW + DAY,
  createdAtMs: NOW - DAY / 2,
  budgetWindow: 0,
  budgetSpent: 0,
  ...more,
});

const contextOf = (rules?: PolicyRules, more: Partial<DecisionContext> = {}): DecisionContext => ({
  nowMs: NOW,
  clocks: {},
  agent: { id: 'agt', status: 'active', createdAtMs: NOW - 90 * DAY },
  principal: { id: 'prn', kind: 'principal', status: 'active', stepUp: ['totp'] },
  delegations: [delegationOf({})],
  policy: rules ? { id: 'pol', name: 'p', version: 1, rules } : null,
  mids: [],
  velocityCount: 0,
  features: {
    executionsLastHour: 0,
    executionsLastDay: 0,
    declinesLastHour: 0,
    failedLastDay: 0,
    principalExecutionsLastHour: 0,
    recentAmountsMinor: [],
    spentLastDayMinor: 0,
    spentDaysMinor: [],
    merchantSeen: true,
    anySeen: true,
    deviceSeen: true,
    channelSeen: true,
    countrySeen: null,
    recipient: { paid: 0, failed: 0, refunded: 0, disputed: 0 },
  },
  exposureCaps: [],
  ...more,
});

const question = (change: Partial<Intent> = {}) => ({
  intent: { ...intent, ...change },
  context: { device_trust: 'verified' },
  agentId: 'agt',
  principalId: 'prn',
});

function told(context: DecisionContext, change: Partial<Intent> = {}): NextStep | undefined {
  const asked = question(change);
  return nextStepOf({ intent: asked.intent, judgement: judge(asked, context), context });
}

const scoped = (scope: Partial<Scope>, more: Partial<GatheredDelegation> = {}) =>
  contextOf(undefined, { delegations: [delegationOf(scope, more)] });

describe('the next step', () => {
  it('is none after an approval', () => {
    expect(judge(question(), contextOf()).decision).toBe('approved');
    expect(told(contextOf())).toBeUndefined();
  });

  it.each<[string, DecisionContext, NextStep, Partial<Intent>?]>([
    [
      'a limit of the delegation',
      scoped({ maxAmount: { amountMinor: 20_000, currency: 'EUR' } }),
      { action: 'reduce_amount', max_amount: '200.00', max_amount_minor: 20_000, currency: 'EUR' },
    ],
    [
      'a limit of the policy',
      contextOf({ max_amount: 30_000 }),
      { action: 'reduce_amount', max_amount: '300.00', max_amount_minor: 30_000, currency: 'EUR' },
    ],
    [
      'what is left of a total',
      scoped({ maxTotal: { amountMinor: 60_000, currency: 'EUR', window: '1d' } }, { budgetSpent: 59_000 }),
      { action: 'reduce_amount', max_amount: '10.00', max_amount_minor: 1_000, currency: 'EUR' },
    ],
    [
      'a total that is used up',
      scoped({ maxTotal: { amountMinor: 60_000, currency: 'EUR', window: '1d' } }, { budgetSpent: 60_000 }),
      { action: 'retry_after', after_seconds: 43_200 },
    ],
    [
      'a total that is used up for good',
      scoped({ maxTotal: { amountMinor: 60_000, currency: 'EUR', window: 'lifetime' } }, { budgetSpent: 60_000 }),
      { action: 'ask_principal' },
    ],
    [
      'a cap on exposure',
      contextOf(undefined, { exposureCaps: [{ party: 'agent', capMinor: 40_000, openMinor: 15_000 }] }),
      { action: 'reduce_amount', max_amount: '250.00', max_amount_minor: 25_000, currency: 'EUR' },
    ],
    [
      'velocity',
      contextOf({ velocity: { window: '15m', max: 3 } }, { velocityCount: 3 }),
      { action: 'retry_after', after_seconds: 900 },
    ],
    [
      'the currency of a limit',
      scoped({ maxAmount: { amountMinor: 20_000, currency: 'USD' } }),
      { action: 'change_intent', members: ['intent.currency'] },
    ],
    [
      'merchant and channel',
      contextOf({ merchants: { deny: ['mrc_shop'] }, channels: ['voice'] }),
      { action: 'change_intent', members: ['intent.merchant_ref', 'intent.channel'] },
    ],
    [
      'a country that is missing',
      contextOf({ geo: { allow: ['EU'] } }),
      { action: 'missing_evidence', evidence: ['intent.country'] },
    ],
    [
      'a country that is not allowed',
      contextOf({ geo: { allow: ['EU'] } }),
      { action: 'change_intent', members: ['intent.country'] },
      { country: 'US' },
    ],
    [
      'a category that is missing',
      scoped({ merchantCategories: ['4511'] }),
      { action: 'missing_evidence', evidence: ['intent.merchant_category'] },
    ],
    [
      'no delegation',
      contextOf(undefined, { delegations: [] }),
      { action: 'missing_evidence', evidence: ['delegation'] },
    ],
    [
      'a delegation that has not begun',
      scoped({}, { notBeforeMs: NOW + 61_500 }),
      { action: 'retry_after', after_seconds: 62 },
    ],
    ['a freeze', contextOf(undefined, { freezes: [{ kind: 'organization', target: 'org' }] }), { action: 'stop' }],
    [
      'a freeze, whatever else could be done',
      contextOf({ max_amount: 1 }, { freezes: [{ kind: 'organization', target: 'org' }] }),
      { action: 'stop' },
    ],
    [
      'a retired agent',
      contextOf(undefined, { agent: { id: 'agt', status: 'retired', createdAtMs: 0 } }),
      { action: 'stop' },
    ],
    ['a rule that cannot be evaluated', contextOf({ max_amount: Number.NaN }), { action: 'stop' }],
    ['a confirmation that is needed', contextOf({ step_up_above: 100 }), { action: 'ask_principal' }],
    ['a look of an operator that is needed', contextOf({ review_above: 100 }), { action: 'wait_for_review' }],
  ])('follows from %s', (_, context, step, change = {}) => {
    expect(told(context, change)).toEqual(step);
  });

  it('asks for a mandate that holds', () => {
    const reasons = [{ code: 'invalid_mandate', category: 'mandate' as const, message: 'It does not hold' }];
    const step = nextStepOf({ intent, judgement: { decision: 'deny', reasons } });
    expect(step).toEqual({ action: 'missing_evidence', evidence: ['mandate'] });
  });

  it('waits for the next window of the hours, by the hands of the clock', () => {
    const hours = { time_zone: 'UTC', windows: [{ days: ['mon' as const], from: '08:00', to: '18:00' }] };
    const context = contextOf({ hours });
    const localTime = () => ({ weekday: 7, minute: 23 * 60 });
    const judgement = judge(question(), context, { tools: { localTime, expressions: () => [] } });
    expect(nextStepOf({ intent, judgement, context })).toEqual({ action: 'retry_after', after_seconds: 9 * 3_600 });
  });

  it('names the largest amount that passes: that one does, and one unit more does not', () => {
    const limit = fc.option(fc.integer({ min: 1, max: 90_000 }), { nil: undefined });
    const denied = (context: DecisionContext, amountMinor: number) =>
      judge(question({ amountMinor }), context).decision === 'deny';
    fc.assert(
      fc.property(
        limit,
        limit,
        limit,
        limit,
        fc.integer({ min: 0, max: 90_000 }),
        (scope, total, cap, policy, spent) => {
          const maxAmount = scope === undefined ? undefined : { amountMinor: scope, currency: 'EUR' };
          const maxTotal =
            total === undefined ? undefined : { amountMinor: total, currency: 'EUR', window: '30d' as const };
          const context = contextOf(policy === undefined ? undefined : { max_amount: policy }, {
            delegations: [delegationOf({ maxAmount, maxTotal }, { budgetSpent: spent })],
            exposureCaps: cap === undefined ? [] : [{ party: 'agent', capMinor: cap, openMinor: Math.min(cap, spent) }],
          });
          const step = told(context, { amountMinor: 100_000 });
          const max = step?.action === 'reduce_amount' ? step.max_amount_minor : 0;
          // Without such a step nothing is left, or nothing limits.
          expect([max > 0 && denied(context, max), denied(context, max + 1)]).toEqual([
            false,
            denied(context, 100_000),
          ]);
        },
      ),
    );
  });

  it('of a denial that nobody judged says whether a fresh proposal may help', () => {
    expect(nextStepAfter('challenge_expired')).toEqual({ action: 'ask_principal' });
    expect(nextStepAfter('attempts_used')).toEqual({ action: 'ask_principal' });
    expect(nextStepAfter('review_expired')).toEqual({ action: 'retry_after', after_seconds: 0 });
    expect(nextStepAfter('denied_by_operator')).toEqual({ action: 'stop' });
  });

  it('is always one when there is no approval', () => {
    const codes = fc.array(
      fc.record({
        code: fc.string(),
        category: fc.constantFrom('identity' as const, 'risk' as const),
        message: fc.string(),
      }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom('deny' as const, 'challenge' as const, 'review' as const),
        codes,
        (decision, reasons) => {
          expect(nextStepOf({ intent, judgement: { decision, reasons } })?.action).toBeTypeOf('string');
        },
      ),
    );
  });
});
