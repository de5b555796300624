import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countryIn, COUNTRY_GROUPS, evaluateRules, isCountryCode, windowMs } from '../../src/domain/policy.ts';
import type { Explanation, PolicyFacts, PolicyRules, PolicyTools } from '../../src/domain/policy.ts';
import { decide } from '../../src/domain/decide.ts';
import { anIntent, riskOf } from './arbitraries.ts';

const facts: PolicyFacts = { intent: { ...anIntent, currency: 'EUR', country: 'DE' }, velocityCount: 19 };

/** The example of the published contract. */
const PUBLISHED: PolicyRules = {
  max_amount: 1_000_000,
  currencies: ['EUR', 'GBP'],
  geo: { allow: ['EU'] },
  velocity: { window: '1h', max: 20 },
};

function only(rules: PolicyRules, change: Partial<PolicyFacts> = {}): Explanation {
  const [explanation, ...rest] = evaluateRules(rules, { ...facts, ...change });
  expect(rest).toEqual([]);
  return explanation!;
}

describe('evaluateRules', () => {
  it('explains every rule of the published example', () => {
    const explanations = evaluateRules(PUBLISHED, facts);
    expect(explanations.map(({ rule, outcome }) => [rule, outcome])).toEqual([
      ['max_amount', 'pass'],
      ['currencies', 'pass'],
      ['geo', 'pass'],
      ['velocity', 'pass'],
    ]);
    expect(explanations[0]).toMatchObject({ observed: 124_000, expected: 1_000_000 });
    expect(explanations.every((explanation) => explanation.effect === undefined)).toBe(true);
  });

  it.each<[string, PolicyRules, Partial<PolicyFacts>, string]>([
    ['max_amount', { max_amount: 123_999 }, {}, 'deny'],
    ['currencies', { currencies: ['USD'] }, {}, 'deny'],
    ['currencies', { currencies: [] }, {}, 'deny'],
    ['geo', { geo: { allow: ['FR'] } }, {}, 'deny'],
    ['geo', { geo: { deny: ['EU'] } }, {}, 'deny'],
    ['geo', { geo: { allow: ['EU'], deny: ['DE'] } }, {}, 'deny'],
    ['velocity', { velocity: { window: '1h', max: 20 } }, { velocityCount: 20 }, 'deny'],
    ['merchants', { merchants: { deny: ['mrc_shop'] } }, {}, 'deny'],
    ['merchants', { merchants: { allow: ['mrc_other'] } }, {}, 'deny'],
    ['channels', { channels: ['voice'] }, {}, 'deny'],
    ['step_up_above', { step_up_above: 123_999 }, {}, 'challenge'],
    ['review_above', { review_above: 123_999 }, {}, 'review'],
  ])('fails %s by %o', (rule, rules, change, effect) => {
    expect(only(rules, change)).toMatchObject({ rule, outcome: 'fail', effect });
  });

  it.each<[PolicyRules]>([
    [{ max_amount: 124_000 }],
    [{ step_up_above: 124_000 }],
    [{ review_above: 124_000 }],
    [{ velocity: { window: '15m', max: 20, by: 'merchant' } }],
    [{ geo: { deny: ['FR', 'US'] } }],
    [{ merchants: { allow: ['mrc_shop'], deny: ['mrc_other'] } }],
    [{ channels: ['chatpay'] }],
  ])('passes %o at its edge', (rules) => {
    expect(only(rules).outcome).toBe('pass');
  });

  it('does not let a country be left out, misspelt or contradicted', () => {
    const nowhere = { intent: { ...facts.intent, country: undefined } };
    for (const geo of [{ allow: ['EU'] }, { deny: ['KP'] }]) {
      expect(only({ geo }, nowhere)).toMatchObject({ outcome: 'fail', message: expect.stringContaining('not known') });
      expect(only({ geo }, { ...nowhere, country: 'DE' }).outcome).toBe('pass');
    }
    expect(only({ geo: { deny: ['GB'] } }, { ...nowhere, country: 'UK' }).outcome).toBe('fail');
    expect(only({ geo: { deny: ['DE'] } }, { ...nowhere, country: 'de' }).outcome).toBe('fail');
    expect(only({ geo: { allow: ['EU'] } }, { country: 'US' })).toMatchObject({
      outcome: 'fail',
      observed: ['DE', 'US'],
    });
  });

  it.each<[string, unknown]>([
    ['a limit that is not a number', { max_amount: 'lots' }],
    ['a negative limit', { max_amount: -1 }],
    ['a limit of null', { max_amount: null }],
    ['a list that is not one', { currencies: 'EUR' }],
    ['an unknown group', { geo: { deny: ['EUROPE'] } }],
    ['geo of null', { geo: null }],
    ['an unreadable window', { velocity: { window: 'an hour', max: 5 } }],
    ['a rule of another version', { sanctions: true }],
    ['an inherited name', { toString: 5 }],
  ])('denies by error on %s', (_, rules) => {
    expect(only(rules as PolicyRules)).toMatchObject({ outcome: 'error', effect: 'deny' });
  });

  it('denies by error when the actions were not counted, or the amount is none', () => {
    const velocity = { velocity: { window: '1h', max: 5 } };
    expect(only(velocity, { velocityCount: undefined })).toMatchObject({ outcome: 'error', effect: 'deny' });
    expect(only({ max_amount: 5 }, { intent: { ...facts.intent, amountMinor: Number.NaN } })).toMatchObject({
      outcome: 'error',
    });
  });

  it('yields one explanation per rule and never throws, whatever the document holds', () => {
    const document = fc.dictionary(
      fc.constantFrom('max_amount', 'currencies', 'geo', 'velocity', 'merchants', 'channels', 'review_above', 'other'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(document, (rules) => {
        const explanations = evaluateRules(rules, facts);
        expect(explanations.map((e) => e.rule).toSorted()).toEqual(Object.keys(rules).toSorted());
        for (const e of explanations) expect(e.effect === undefined).toBe(e.outcome === 'pass');
      }),
    );
  });

  it('gives the same explanations for the same document in another order', () => {
    const reversed = Object.fromEntries(Object.entries(PUBLISHED).toReversed()) as PolicyRules;
    expect(evaluateRules(reversed, facts)).toEqual(evaluateRules(PUBLISHED, facts));
  });
});

describe('a limit', () => {
  it.each<[PolicyRules['max_amount'], string]>([
    [{ amount_minor: 124_000, currency: 'EUR' }, 'pass'],
    [{ amount_minor: 123_999, currency: 'EUR' }, 'fail'],
    [{ EUR: 124_000, USD: 1 }, 'pass'],
    [{ EUR: 123_999, USD: 1_000_000 }, 'fail'],
    [{ amount_minor: 1_000_000, currency: 'USD' }, 'fail'],
    [{ USD: 1_000_000 }, 'fail'],
    [{}, 'fail'],
    [[] as unknown as number, 'error'],
    [{ EUR: -1 }, 'error'],
    [{ EUR: 1.5 }, 'error'],
  ])('of %o: %s', (max_amount, outcome) => {
    expect(only({ max_amount }).outcome).toBe(outcome);
    expect(only({ step_up_above: max_amount }).outcome).toBe(outcome);
    expect(only({ review_above: max_amount }).outcome).toBe(outcome);
  });

  it('that does not name the currency says so', () => {
    expect(only({ max_amount: { USD: 1 } })).toMatchObject({
      message: 'There is no limit for amounts in EUR',
      observed: { amount_minor: 124_000, currency: 'EUR' },
    });
  });
});

describe('hours', () => {
  const at = (weekday: number, time: string): PolicyTools => ({
    localTime: () => ({ weekday, minute: Number(time.slice(0, 2)) * 60 + Number(time.slice(3)) }),
    expressions: () => [],
  });
  const ask = (hours: PolicyRules['hours'], weekday: number, time: string) =>
    evaluateRules({ hours }, { ...facts, nowMs: 0 }, at(weekday, time))[0]!.outcome;
  const office = {
    time_zone: 'Europe/Berlin',
    windows: [{ days: ['mon', 'fri'] as const, from: '08:30', to: '18:00' }],
  };
  const night = { time_zone: 'Europe/Berlin', windows: [{ days: ['sun'] as const, from: '22:00', to: '06:00' }] };

  it.each([
    [office, 1, '08:30', 'pass'],
    [office, 1, '08:29', 'fail'],
    [office, 1, '17:59', 'pass'],
    [office, 1, '18:00', 'fail'],
    [office, 2, '12:00', 'fail'],
    [night, 7, '22:00', 'pass'],
    [night, 1, '05:59', 'pass'],
    [night, 1, '06:00', 'fail'],
    [night, 7, '05:00', 'fail'],
    [night, 1, '23:00', 'fail'],
    [{ time_zone: 'UTC', windows: [{ from: '00:00', to: '24:00' }] }, 4, '23:59', 'pass'],
    [{ time_zone: 'UTC', windows: [{ from: '8', to: '24:00' }] }, 4, '23:59', 'error'],
  ])('%o on day %s at %s: %s', (hours, weekday, time, outcome) => {
    expect(ask(hours as PolicyRules['hours'], weekday, time)).toBe(outcome);
  });

  it('fail with the effect that they name, and deny when nobody can tell the time', () => {
    const rules = { hours: { ...office, effect: 'review' } } as unknown as PolicyRules;
    expect(evaluateRules(rules, { ...facts, nowMs: 0 }, at(2, '12:00'))[0]).toMatchObject({ effect: 'review' });
    expect(evaluateRules(rules, { ...facts, nowMs: 0 })[0]).toMatchObject({ outcome: 'error', effect: 'deny' });
  });
});

describe('an unknown payee', () => {
  it.each<[PolicyRules['unknown_payee'], PolicyFacts['history'], object]>([
    ['review', { 'merchant.paid': false }, { outcome: 'fail', effect: 'review' }],
    ['challenge', { 'merchant.paid': false }, { outcome: 'fail', effect: 'challenge' }],
    ['review', { 'merchant.paid': true }, { outcome: 'pass' }],
    ['allow', { 'merchant.paid': false }, { outcome: 'pass' }],
    ['review', {}, { outcome: 'error', effect: 'deny' }],
    ['allways' as 'allow', { 'merchant.paid': true }, { outcome: 'error', effect: 'deny' }],
  ])('%s, %o', (unknown_payee, history, explanation) => {
    expect(only({ unknown_payee }, { history })).toMatchObject(explanation);
  });
});

describe('expressions', () => {
  const cel = [{ name: 'mine', when: 'true', effect: 'review' as const, message: 'x' }];
  const said: Explanation = { rule: 'mine', outcome: 'pass', message: 'The rule holds' };
  const tools = (expressions: PolicyTools['expressions']): Partial<PolicyTools> => ({ expressions });

  it('deny by error where nobody understands them, or one is left out', () => {
    const denied = [{ rule: 'cel', outcome: 'error', effect: 'deny' }];
    expect(evaluateRules({ cel }, facts)).toMatchObject(denied);
    expect(
      evaluateRules(
        { cel },
        facts,
        tools(() => []),
      ),
    ).toMatchObject(denied);
    const thrown = tools(() => {
      throw new Error('away');
    });
    expect(evaluateRules({ cel }, facts, thrown)).toMatchObject(denied);
    expect(
      evaluateRules(
        { cel },
        facts,
        tools(() => [said]),
      ),
    ).toEqual([said]);
  });
});

describe('a policy with one rule more', () => {
  const STRICTNESS = ['approved', 'challenge', 'review', 'deny'];
  const someRules: fc.Arbitrary<PolicyRules> = fc.record<PolicyRules, never>(
    {
      max_amount: fc.constantFrom<PolicyRules['max_amount'][]>(1, 200_000, { USD: 5 }, 'x' as unknown as number),
      currencies: fc.constantFrom(['EUR'], ['USD']),
      geo: fc.constantFrom({ allow: ['EU'] }, { deny: ['DE'] }, { deny: ['XXX'] }),
      velocity: fc.constantFrom({ window: '1h', max: 20 }, { window: '1h', max: 3 }),
      channels: fc.constantFrom(['chatpay'], { allow: ['voice'] }),
      hours: fc.constant({ time_zone: 'UTC', windows: [] }),
      step_up_above: fc.constantFrom(1, 200_000),
      review_above: fc.constantFrom(1, 200_000),
      unknown_payee: fc.constantFrom('review' as const, 'challenge' as const, 'allow' as const),
    },
    { requiredKeys: [] },
  );

  it('is never looser', () => {
    const decisionOf = (rules: PolicyRules, proof: 'challenge' | 'review' | undefined) =>
      decide({
        who: [],
        scopeFailures: [],
        stepUp: false,
        explanations: evaluateRules(rules, facts),
        risk: riskOf('normal'),
        challengePossible: true,
        proof,
      }).decision;
    fc.assert(
      fc.property(someRules, someRules, fc.constantFrom(undefined, 'challenge', 'review'), (rules, more, proof) => {
        const [before, after] = [decisionOf(rules, proof), decisionOf({ ...more, ...rules }, proof)];
        expect(STRICTNESS.indexOf(after)).toBeGreaterThanOrEqual(STRICTNESS.indexOf(before));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('windowMs', () => {
  it.each([
    ['30s', 30_000],
    ['15m', 900_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
  ])('reads %s', (text, ms) => {
    expect(windowMs(text)).toBe(ms);
  });

  it.each(['', '1', 'h', '0h', '-1h', '1.5h', '1w', '1 h', '01h', '367d', '1h\n'])('refuses %j', (text) => {
    expect(() => windowMs(text)).toThrow(RangeError);
  });
});

describe('country groups', () => {
  it('have 27, 30 and 41 countries, each within the next', () => {
    const { EU, EEA, SEPA } = COUNTRY_GROUPS as Record<'EU' | 'EEA' | 'SEPA', string[]>;
    const territories = ['AX', 'BL', 'GF', 'GG', 'GI', 'GP', 'IM', 'JE', 'MF', 'MQ', 'PM', 'RE', 'YT'];
    expect([EU.length, EEA.length, SEPA.length - territories.length]).toEqual([27, 30, 41]);
    expect(EU.every((country) => EEA.includes(country))).toBe(true);
    expect([...EEA, ...territories].every((country) => SEPA.includes(country))).toBe(true);
    expect(new Set(SEPA).size).toBe(SEPA.length);
    expect(SEPA.filter((country) => !isCountryCode(country))).toEqual([]);
  });

  it('tells the groups apart', () => {
    expect(countryIn('NO', ['EU'])).toBe(false);
    expect(countryIn('NO', ['EEA'])).toBe(true);
    expect(countryIn('CH', ['EEA'])).toBe(false);
    expect(countryIn('CH', ['US', 'SEPA'])).toBe(true);
    expect(() => countryIn('CH', ['NAFTA'])).toThrow(RangeError);
  });
});
