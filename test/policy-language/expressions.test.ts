import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CelRule, Explanation, PolicyFacts } from '../../src/domain/policy.ts';
import { draftProblems, historyFactsOf } from '../../src/policy-language/draft.ts';
import { explainExpressions } from '../../src/policy-language/expressions.ts';
import { VARIABLES } from '../../src/policy-language/vocabulary.ts';
import { anIntent } from '../domain/arbitraries.ts';

const NOW = Date.parse('2026-03-05T22:30:00Z');

const facts: PolicyFacts = {
  intent: { ...anIntent, amountMinor: 124_000, currency: 'EUR', country: 'DE' },
  said: { session_id: 's1', risk_signals: ['velocity_ok', 'geo_ok'] },
  nowMs: NOW,
  agent: { id: '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f10', ageMs: 3_600_000 },
  principal: { id: '01980c2e-7d4a-7c3e-9f21-5b8a4d6e7f11', kind: 'principal' },
  merchantSeen: false,
  history: {
    'merchant.paid': true,
    'count approvals merchant 24h': 0,
    'sum payments agent 1d': 500_000,
    'count decisions session 1h': null,
    'last approvals merchant': NOW - 90_000,
    'last denials agent': -1,
  },
};

const ruleOf = (when: string, effect: CelRule['effect'] = 'deny'): CelRule => ({
  name: 'mine',
  when,
  effect,
  message: 'Not like this',
});
const ask = (when: string, more: Partial<PolicyFacts> = {}, effect: CelRule['effect'] = 'deny'): Explanation =>
  explainExpressions([ruleOf(when, effect)], { ...facts, ...more })[0]!;
const problem = (when: string) => draftProblems({ cel: [ruleOf(when)] })[0]?.message;

describe('an expression', () => {
  it.each([
    ['intent.amount_minor > 100000', true],
    ['intent.amount_minor * 2 - 1 < 100000', false],
    ['intent.currency in ["EUR", "GBP"]', true],
    ['intent.merchant_ref.startsWith("mrc_") && !intent.channel.contains("voice")', true],
    ['intent.merchant_ref.matches("^mrc_[a-z]+$")', true],
    ['has(intent.country) && intent.country == "DE"', true],
    ['has(context.device_id)', false],
    ['context.risk_signals.exists(s, s.endsWith("_bad"))', false],
    ['context.risk_signals.all(s, s.endsWith("_ok"))', true],
    ['size(context.risk_signals.filter(s, s.startsWith("geo"))) == 1', true],
    ['context.risk_signals.map(s, size(s)).exists_one(n, n == 6)', true],
    ['[[1, 2], [3]].exists(l, l.exists(n, n == 3))', true],
    ['merchant.paid && !merchant.seen', true],
    ['agent.age_seconds == 3600 && agent.id.startsWith("agt_") && principal.id.startsWith("prn_")', true],
    ['principal.kind == "principal" ? intent.amount_minor > 5 : false', true],
    ['count("approvals", "merchant", "24h") == 0', true],
    ['sum("payments", "agent", "1d") + intent.amount_minor > 624000', false],
    ['seconds_since("approvals", "merchant") == 90', true],
    ['seconds_since("denials", "agent") > 366 * 86400', true],
    ['local_hour("Europe/Berlin") == 23 && local_weekday("Europe/Berlin") == 4', true],
    ['local_hour("Asia/Tokyo") == 7 && local_weekday("Asia/Tokyo") == 5', true],
  ])('%s is %s', (when, value) => {
    expect(problem(when)).toBeUndefined();
    expect(ask(when).outcome).toBe(value ? 'fail' : 'pass');
  });

  it.each([
    ['intent.amount > 5', 'line 1, column 7: unknown name intent.amount'],
    ['foo == 1', 'line 1, column 1: unknown name foo'],
    ['true &&\n  process.env == "x"', 'line 2, column 10: unknown name process.env'],
    ['intent.amount_minor >', 'column 21'],
    ['intent.amount_minor > "5"', '> does not exist for (int, string)'],
    ['intent.amount_minor', 'must be true or false, and is int'],
    ['intent.amount_minor > 5.5', 'only whole numbers'],
    ['{"a": 1}.a == 1', 'maps and messages'],
    ['[1, "a"].exists(x, true)', 'of one type'],
    ['intent.channel.matches("[")', 'missing closing ]'],
    ['intent.channel.matches(intent.currency)', 'must be written out'],
    ['intent.channel.matches("(?=a)")', 'invalid'],
    ['has(intent.currency)', 'always there'],
    ['count("approvals", "merchant") == 0', 'takes 3 texts'],
    ['count("approvals", "merchant", intent.channel) == 0', 'takes 3 texts'],
    ['count("approvals", "planet", "1h") == 0', '"planet" is not one of agent'],
    ['count("approvals", "agent", "1 h") == 0', 'not a window'],
    ['local_hour("Mars/Olympus") == 0', 'not a time zone'],
    ['timestamp("2026-01-01T00:00:00Z") == timestamp("2026-01-01T00:00:00Z")', 'timestamp does not exist'],
    ['intent.channel.nothing("x")', 'nothing does not exist for (string, string)'],
    ['[1].exists(a, [1].exists(b, [1].exists(c, a + b + c == 3)))', 'nested 2 deep'],
    [`[${Array.from({ length: 101 }, () => 1).join(',')}].exists(x, x == 2)`, 'at most 100 entries'],
    [`${'true?('.repeat(110)}true${'):false'.repeat(110)}`, 'nested 100 deep'],
    [Array.from({ length: 700 }, () => 'true').join('&&'), 'characters'],
    [
      `[${Array.from({ length: 100 }, () => 1).join(',')}].exists(a, [${Array.from({ length: 100 }, () => 1).join(',')}].exists(b, a == b + 1))`,
      'steps',
    ],
  ])('%s is refused when it is drafted', (when, why) => {
    expect(problem(when)).toContain(why);
    expect(problem(when)).toContain('of mine, line ');
  });

  it('names the clause that decided, in its author’s words, and what was seen there', () => {
    expect(ask('intent.amount_minor > 5 && merchant.seen && intent.currency == "EUR"')).toMatchObject({
      outcome: 'pass',
      clause: 'merchant.seen',
    });
    expect(ask('merchant.seen || (count("approvals", "merchant", "24h") == 0 && intent.amount_minor > 100)')).toEqual({
      rule: 'mine',
      outcome: 'fail',
      effect: 'deny',
      message: 'Not like this',
      clause: 'count("approvals", "merchant", "24h") == 0 && intent.amount_minor > 100',
      observed: { 'count("approvals", "merchant", "24h")': 0, 'intent.amount_minor': 124_000 },
    });
    expect(ask('intent.currency == "USD" || context.risk_signals.exists(s, s == "geo_ok")')).toMatchObject({
      clause: 'context.risk_signals.exists(s, s == "geo_ok")',
    });
  });

  it.each<[CelRule['effect'], string]>([
    ['deny', 'deny'],
    ['challenge', 'review'],
    ['review', 'review'],
  ])('with the effect %s that cannot be evaluated counts as %s', (effect, counted) => {
    for (const when of ['context.device_id == "d"', 'count("decisions", "session", "1h") > 5', '1 / 0 == 1']) {
      expect(ask(when, {}, effect)).toMatchObject({ outcome: 'error', effect: counted });
    }
    expect(ask('context.device_id == "d"').message).toContain('context.device_id is not known');
    // The control: the same expression with the fact in place.
    expect(ask('context.device_id == "d"', { said: { device_id: 'x' } }, effect).outcome).toBe('pass');
  });

  it('is decided by a clause that suffices, whatever could not be evaluated beside it', () => {
    expect(ask('context.device_id == "d" || intent.amount_minor > 5').outcome).toBe('fail');
    expect(ask('context.device_id == "d" && intent.amount_minor < 5').outcome).toBe('pass');
    expect(ask('context.device_id == "d" && intent.amount_minor > 5').outcome).toBe('error');
  });

  it('that could not have been drafted fails with its own effect', () => {
    expect(ask('nothing.such')).toMatchObject({ rule: 'mine', outcome: 'error', effect: 'deny' });
  });

  it('takes time in the length of a text only, where a backtracking engine would take for ever', () => {
    const when = 'intent.description.matches("^(a+)+$")';
    const description = `${'a'.repeat(400)}!`;
    expect(ask(when, { intent: { ...facts.intent, description } }).outcome).toBe('pass');
    expect(ask(when, { intent: { ...facts.intent, description: 'aaa' } }).outcome).toBe('fail');
  });

  it('is remembered by the id of its policy, and by nothing else', () => {
    const one = explainExpressions([ruleOf('true')], facts, 'p1');
    expect(explainExpressions([ruleOf('true')], facts, 'p1')).toEqual(one);
    expect(explainExpressions([ruleOf('false')], facts)[0]!.outcome).toBe('pass');
    for (let i = 0; i < 300; i++) explainExpressions([ruleOf('false')], facts, `other-${i}`);
    expect(explainExpressions([ruleOf('true')], facts, 'p1')).toEqual(one);
  });
});

describe('a document of expressions', () => {
  it('has names of its own', () => {
    const cel = [ruleOf('true'), ruleOf('false'), { ...ruleOf('true'), name: 'velocity' }];
    expect(draftProblems({ cel })).toEqual([
      { path: ['cel', 1, 'name'], message: 'is the name of another rule' },
      { path: ['cel', 2, 'name'], message: 'is the name of a built-in rule' },
    ]);
  });

  it('says what it asks of the past, each question once', () => {
    const cel = [
      ruleOf('count("approvals", "merchant", "24h") == 0 && merchant.paid'),
      { ...ruleOf('count("approvals", "merchant", "24h") > 3 || seconds_since("failures", "agent") < 60'), name: 'b' },
    ];
    expect(historyFactsOf({ cel, unknown_payee: 'review' }).map(({ key }) => key)).toEqual([
      'merchant.paid',
      'count approvals merchant 24h',
      'last failures agent',
    ]);
    expect(historyFactsOf({ max_amount: 5, unknown_payee: 'allow' })).toEqual([]);
  });

  it('may ask twenty things at most', () => {
    const many = (n: number) =>
      Array.from({ length: n }, (_, i) => ({
        ...ruleOf(`count("decisions", "agent", "${i + 1}h") > 5`),
        name: `r${i}`,
      }));
    expect(draftProblems({ cel: many(20) })).toEqual([]);
    expect(draftProblems({ cel: many(21) })[0]!.message).toContain('20 is the most');
  });

  it('never throws, and never lets a rule pass whose facts are missing', () => {
    const names = Object.entries(VARIABLES).filter(([, { type }]) => type === 'string');
    const someFacts = fc.record({
      said: fc.option(fc.record({ session_id: fc.string() }, { requiredKeys: [] }), { nil: undefined }),
      agent: fc.option(fc.constant(facts.agent), { nil: undefined }),
      principal: fc.option(fc.constant(facts.principal), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.constantFrom(...names), someFacts, ([name, variable], more) => {
        const known = variable.read({ ...facts, ...more }) !== undefined;
        const { outcome } = ask(`${name} == "no such text"`, more);
        expect(outcome).toBe(known ? 'pass' : 'error');
      }),
    );
  });
});
